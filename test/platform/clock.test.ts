import { expect, test } from 'vitest';
import { delay, HOUR } from '../../src/platform/clock.ts';

test('a delay ends at once with the reason when its signal aborts', async () => {
  const controller = new AbortController();
  const waiting = delay(HOUR, controller.signal);
  controller.abort(new Error('enough'));
  // By turns of the event loop: a second by the clock may pass while other processes have the machine.
  const nextTurn = new Promise((resolve) => setImmediate(resolve));
  await expect(Promise.race([waiting, nextTurn])).rejects.toThrow('enough');
});

test('a delay never begins when its signal has aborted already', async () => {
  await expect(delay(HOUR, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
});

test('a delay that was waited out leaves nothing on its signal', async () => {
  const { signal, listeners } = countListeners();
  await delay(1, signal);
  expect(listeners()).toBe(0);
});

function countListeners() {
  const { signal } = new AbortController();
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    count += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    count -= 1;
    remove(...args);
  };
  return { signal, listeners: () => count };
}

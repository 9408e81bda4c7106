import { expect, test } from 'vitest';
import { Lifecycle } from '../../src/platform/lifecycle.ts';
import { createLogger } from '../../src/platform/logger.ts';

const newLifecycle = (deadlines = {}) => new Lifecycle(createLogger('silent'), deadlines);
const never = () => new Promise<void>(() => undefined);

test('gives back in the reverse order, each after the one before has finished', async () => {
  const lifecycle = newLifecycle();
  const told: string[] = [];
  for (const name of ['database', 'worker', 'server']) {
    lifecycle.defer(name, async () => {
      told.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      told.push(`${name} ends`);
    });
  }
  await lifecycle.stop();
  expect(told).toEqual([
    ...['server begins', 'server ends'],
    ...['worker begins', 'worker ends'],
    ...['database begins', 'database ends'],
  ]);
});

test('every release runs though others fail, and the first failure is the one that is thrown', async () => {
  const lifecycle = newLifecycle();
  const released: string[] = [];
  lifecycle.defer('first', () => released.push('first'));
  lifecycle.defer('second', () => Promise.reject(new Error('the consequence')));
  lifecycle.defer('third', () => {
    throw new Error('the cause');
  });
  lifecycle.defer('fourth', () => released.push('fourth'));
  await expect(lifecycle.stop()).rejects.toThrow('the cause');
  expect(released).toEqual(['fourth', 'first']);
});

test('new work is refused before anything is released, and what runs is not abandoned yet', async () => {
  const lifecycle = newLifecycle();
  const seen: boolean[] = [];
  lifecycle.defer('server', () => seen.push(lifecycle.draining.aborted, lifecycle.abandon.aborted));
  expect([lifecycle.draining.aborted, lifecycle.abandon.aborted]).toEqual([false, false]);
  await lifecycle.stop();
  expect(seen).toEqual([true, false]);
  expect(lifecycle.abandon.aborted).toBe(true);
});

test('stopping again gives nothing back twice and waits for the same end', async () => {
  const lifecycle = newLifecycle();
  let releases = 0;
  lifecycle.defer('pool', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    releases += 1;
    throw new Error('the cause');
  });
  const both = await Promise.allSettled([lifecycle.stop(), lifecycle[Symbol.asyncDispose]()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(lifecycle.stop()).rejects.toThrow('the cause');
  expect(releases).toBe(1);
});

test('a release that hangs is left behind after its deadline, and is named', async () => {
  const lifecycle = newLifecycle({ releaseMilliseconds: 20 });
  let isDatabaseStopped = false;
  lifecycle.defer('database', () => {
    isDatabaseStopped = true;
  });
  lifecycle.defer('job worker', never);
  await expect(lifecycle.stop()).rejects.toThrow('job worker');
  expect(isDatabaseStopped).toBe(true);
});

test('work that outlasts its time is told to let go, so that its release can end', async () => {
  const lifecycle = newLifecycle({ abandonMilliseconds: 20 });
  lifecycle.defer(
    'job worker',
    () => new Promise<void>((resolve) => lifecycle.abandon.addEventListener('abort', () => resolve())),
  );
  await lifecycle.stop();
});

test('a stop with nothing to release ends', async () => {
  await newLifecycle().stop();
});

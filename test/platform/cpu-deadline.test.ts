import { expect, test } from 'vitest';
import { withCpuDeadline } from '../../src/platform/cpu-deadline.ts';

test('gives what the work gives, and throws what it throws', () => {
  expect(withCpuDeadline(1_000, () => [1, 2])).toEqual([1, 2]);
  expect(() => withCpuDeadline(1_000, () => JSON.parse('{'))).toThrow(SyntaxError);
});

test('ends a regular expression that would never end, and works again afterwards', () => {
  const begin = performance.now();
  expect(() => withCpuDeadline(50, () => /^(a+)+$/.test(`${'a'.repeat(60)}b`))).toThrow(/timed out/);
  expect(performance.now() - begin).toBeLessThan(2_000);
  expect(withCpuDeadline(1_000, () => 'still here')).toBe('still here');
});

test('time that others have the processor does not count', () => {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const waitFor = (milliseconds: number) => {
    // By the clock and not by the number of waits: on a busy machine each of them is longer than it was asked to be.
    for (const end = performance.now() + milliseconds; performance.now() < end; )
      Atomics.wait(cell, 0, 0, 10);
    return 'done';
  };
  expect(withCpuDeadline(100, () => waitFor(250))).toBe('done');
  const begin = performance.now();
  expect(() => withCpuDeadline(100, () => waitFor(60_000))).toThrow(/timed out/);
  expect(performance.now() - begin).toBeLessThan(5_000);
});

import { expect, test } from 'vitest';
import { ThreadDeadlineError, ThreadPool } from '../../src/platform/thread-pool.ts';

/** Answers a number with its double, works for ever when told to, ends by itself, throws, or takes all memory. */
const file = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', (told) => {
      if (told === 'for ever') for (;;);
      if (told === 'wait') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
        return parentPort.postMessage(7);
      }
      if (told === 'half a second') {
        const used = (of) => of.user + of.system;
        const begin = used(process.threadCpuUsage());
        for (;;) if (used(process.threadCpuUsage()) - begin > 500_000) return parentPort.postMessage(5);
      }
      if (told === 'end') process.exit(0);
      if (told === 'throw') throw new TypeError('told to');
      if (told === 'memory') { const all = []; for (;;) all.push(new Array(100_000).fill({})); }
      if (told === 'secrets') return parentPort.postMessage(Object.keys(process.env).length);
      parentPort.postMessage(told * 2);
    });
  `)}`,
);
const pool = (most = 1, deadline = 5_000) =>
  new ThreadPool<number | string, number>({ file, most, deadline, heapMegabytes: 32 });

test('work comes back, in a thread that is used again, and knows nothing of the environment', async () => {
  const threads = pool();
  expect(await Promise.all([threads.run(1), threads.run(2), threads.run(3)])).toEqual([2, 4, 6]);
  expect(await threads.run('secrets')).toBe(0);
});

test('what takes longer than the deadline is ended for good, and what waited behind it is done', async () => {
  const threads = pool(1, 2_000);
  const slow = threads.run('for ever');
  const behind = threads.run(21);
  await expect(slow).rejects.toThrow(ThreadDeadlineError);
  expect(await behind).toBe(42);
});

test('time in which a thread computes nothing, as on a busy machine, does not count, but has an end', async () => {
  const threads = pool(1, 700);
  // Begun before: by the clock on the wall there are four times 700 ms, and on a busy machine a thread begins slowly.
  await threads.run(1);
  expect(await threads.run('wait')).toBe(7);
  await expect(pool(1, 100).run('wait')).rejects.toThrow(ThreadDeadlineError);
});

test('what the thread has computed for others does not count', async () => {
  const threads = pool(1, 2_000);
  for (let times = 0; times < 6; times += 1) expect(await threads.run('half a second')).toBe(5);
});

test('a thread that the machine refuses fails its own work alone, and takes no place', async () => {
  const threads = new ThreadPool<number, number>({
    file: new URL('https://not.a.file.example/'),
    most: 1,
    deadline: 1_000,
    heapMegabytes: 32,
  });
  for (const times of [1, 2, 3]) {
    await expect(threads.run(times), `${times}`).rejects.toThrow(/file|URL|protocol/i);
  }
});

test('a thread that ends, throws or takes all memory fails its own work alone', async () => {
  const threads = pool(2);
  await expect(threads.run('end')).rejects.toThrow('ended');
  await expect(threads.run('throw')).rejects.toThrow('told to');
  await expect(threads.run('memory')).rejects.toMatchObject({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
  expect(await Promise.all([1, 2, 3, 4].map((one) => threads.run(one)))).toEqual([2, 4, 6, 8]);
});

test('an abort ends the work under way and takes what waits out of the line', async () => {
  const threads = pool(1);
  const stop = new AbortController();
  const working = threads.run('for ever', stop.signal);
  const waiting = threads.run('for ever', stop.signal);
  stop.abort(new Error('stopped'));
  await expect(working).rejects.toThrow('stopped');
  await expect(waiting).rejects.toThrow('stopped');
  expect(await threads.run(4)).toBe(8);
  await expect(threads.run(4, stop.signal)).rejects.toThrow('stopped');
});

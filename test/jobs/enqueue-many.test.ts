import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, enqueue } from '../../src/jobs/define-job.ts';
import { enqueueMany } from '../../src/jobs/enqueue-many.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const input = z.object({ id: z.number() });
const keyed = defineJob({
  name: 'test.keyed',
  input,
  key: ({ id }) => String(id),
  queue: ({ id }) => `queue-${id}`,
  maxAttempts: 3,
});
const plain = defineJob({ name: 'test.plain', input });
const em = () => forkAcrossOrganizations(own.database);
const waiting = () =>
  em().execute<object[]>(`select key, max_attempts, queue_name from graphile_worker.jobs order by id`);

test('jobs are enqueued as one by one: with key, queue and attempts, each key once', async () => {
  await enqueue(em(), keyed, { id: 2 });
  await enqueueMany(em(), keyed, [{ id: 1 }, { id: 2 }, { id: 3 }]);
  await enqueueMany(em(), plain, [{ id: 1 }, { id: 1 }]);
  await enqueueMany(em(), plain, []);
  const row = (id: number) => ({ key: `test.keyed:${id}`, max_attempts: 3, queue_name: `queue-${id}` });
  const unkeyed = { key: null, max_attempts: 10, queue_name: null };
  expect(await waiting()).toEqual([row(2), row(1), row(3), unkeyed, unkeyed]);
});

test('an input that does not fit enqueues nothing, and neither does a transaction that fails', async () => {
  const before = await waiting();
  await expect(enqueueMany(em(), plain, [{ id: 1 }, { id: 'x' as unknown as number }])).rejects.toThrow(
    z.ZodError,
  );
  const failing = em().transactional(async (inside) => {
    await enqueueMany(inside, plain, [{ id: 7 }]);
    throw new Error('rolled back');
  });
  await expect(failing).rejects.toThrow('rolled back');
  expect(await waiting()).toEqual(before);
});

test('two that enqueue the same jobs wait for each other, never in a circle, however PostgreSQL plans it', async () => {
  const inputs = Array.from({ length: 20 }, (_, index) => ({ id: 200 + index }));
  // Each session keeps the plan of its own time: of joined tables it goes through one or the other.
  const plans = ['enable_hashjoin', 'enable_nestloop', 'enable_mergejoin'];
  const enqueueRound = (round: number) =>
    em().transactional(async (inside) => {
      await inside.execute(`set local ${plans[round % 3]} = off`);
      await inside.execute(`set local ${plans[(round + 1) % 3]} = off`);
      await enqueueMany(inside, keyed, round % 2 === 0 ? inputs : inputs.toReversed());
    });
  // No more at once than the pool has places: it refuses who has waited ten seconds for one.
  for (let first = 0; first < 90; first += 18) {
    await Promise.all(Array.from({ length: 18 }, (_, index) => enqueueRound(first + index)));
  }
  const keys = (await waiting()).map((row) => (row as { key: string }).key);
  for (const { id } of inputs) expect(keys).toContain(`test.keyed:${id}`);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, enqueue } from '../../src/jobs/define-job.ts';
import { hurryQueues } from '../../src/jobs/hurry-queues.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const job = defineJob({
  name: 'test.later',
  input: z.object({ id: z.string() }),
  key: ({ id }) => id,
  queue: ({ id }) => `queue:${id}`,
});
const em = () => forkAcrossOrganizations(own.database);

test('jobs of the named queues that wait for a later time are due now, and no others', async () => {
  const runAt = new Date(Date.UTC(2099, 0, 1));
  for (const id of ['a', 'b', 'other']) await enqueue(em(), job, { id }, { runAt });
  await hurryQueues(em(), ['queue:a', 'queue:b', 'queue:unknown']);
  const due = await em().execute<{ key: string }[]>(
    `select key from graphile_worker.jobs where run_at <= now() order by key`,
  );
  expect(due.map(({ key }) => key)).toEqual(['test.later:a', 'test.later:b']);
});

import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, enqueue, handleJob } from '../../src/jobs/define-job.ts';
import { JobWorker } from '../../src/jobs/worker.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { cloneDatabase, disposeAfterTest, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db[Symbol.asyncDispose]());

/** Asks by a connection of its own. */
async function query(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

const cutEveryConnection = () =>
  query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );

test.each([
  ['does its work', false],
  ['fails', true],
])(
  'a job that %s while every connection is cut ends all the same: once, not locked, its queue free',
  async (_name, fails) => {
    const job = defineJob({
      name: `test.cut-${fails}`,
      input: z.object({ id: z.string() }),
      queue: () => `test.cut-${fails}`,
      maxAttempts: 1,
    });
    const done: string[] = [];
    const worker = disposeAfterTest(
      new JobWorker({
        databaseUrl: db.url,
        logger: createLogger('silent'),
        handlers: [
          handleJob(job, async ({ id }) => {
            done.push(id);
            if (id !== 'first') return;
            await cutEveryConnection();
            if (fails) throw new Error('the connection was cut');
          }),
        ],
      }),
    );
    const em = forkAcrossOrganizations(db.database);
    await enqueue(em, job, { id: 'first' });
    await enqueue(em, job, { id: 'second' });
    await worker.start();
    await eventually('the queue goes on', () => done.includes('second'));
    expect(done).toEqual(['first', 'second']);
    // Not by the pool: cutting only sends a signal, and one of its connections may be about to end.
    await eventually('nothing is locked', async () => {
      const locked = await query(
        `select 1 from graphile_worker._private_jobs where locked_by is not null
       union all select 1 from graphile_worker._private_job_queues where locked_by is not null`,
      );
      return locked.length === 0;
    });
  },
);

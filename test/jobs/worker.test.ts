import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, enqueue, handleJob, type JobHandler } from '../../src/jobs/define-job.ts';
import { releaseDeadOwners } from '../../src/jobs/ownership.ts';
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

const input = z.object({ id: z.string() });

async function startWorker(handlers: JobHandler[]): Promise<JobWorker> {
  const worker = disposeAfterTest(
    new JobWorker({ databaseUrl: db.url, handlers, logger: createLogger('silent') }),
  );
  await worker.start();
  return worker;
}

test('a job enqueued in a transaction that rolls back never runs, one that commits does', async () => {
  const job = defineJob({ name: 'test.commit', input });
  const seen: string[] = [];
  await startWorker([handleJob(job, async ({ id }) => void seen.push(id))]);
  const em = forkAcrossOrganizations(db.database);
  await em
    .transactional(async (tx) => {
      await enqueue(tx, job, { id: 'rolled back' });
      throw new Error('roll back');
    })
    .catch(() => undefined);
  await em.transactional((tx) => enqueue(tx, job, { id: 'committed' }));
  await eventually('the committed job runs', () => seen.length > 0);
  expect(seen).toEqual(['committed']);
});

test('jobs with one key wait as one, and work asked for while one runs is done afterwards', async () => {
  const job = defineJob({
    name: 'test.key',
    input,
    key: ({ id }) => id,
    queue: ({ id }) => `test.key:${id}`,
  });
  const em = forkAcrossOrganizations(db.database);
  await enqueue(em, job, { id: 'a' });
  await enqueue(em, job, { id: 'a' });
  let runs = 0;
  const running = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await startWorker([
    handleJob(job, async () => {
      runs += 1;
      if (runs > 1) return;
      running.resolve();
      await goOn.promise;
    }),
  ]);
  await running.promise;
  expect(runs).toBe(1);
  await enqueue(em, job, { id: 'a' });
  goOn.resolve();
  await eventually('the second run', () => runs === 2);
});

test('a job that fails for good stays visible with its error', async () => {
  const job = defineJob({ name: 'test.fails', input, maxAttempts: 1 });
  const finals: boolean[] = [];
  const worker = disposeAfterTest(
    new JobWorker({
      databaseUrl: db.url,
      handlers: [
        handleJob(job, async () => {
          throw new Error('cannot be done');
        }),
      ],
      logger: createLogger('silent'),
      onAttempt: ({ isFinal, succeeded }) => finals.push(isFinal && !succeeded),
    }),
  );
  await worker.start();
  const em = forkAcrossOrganizations(db.database);
  await enqueue(em, job, { id: 'x' });
  const [row] = await eventually('the job fails', async () => {
    const rows = await em.execute<{ last_error: string; attempts: number }[]>(
      `select last_error, attempts from graphile_worker.jobs where task_identifier = 'test.fails' and last_error is not null`,
    );
    return rows.length > 0 && rows;
  });
  expect(row).toMatchObject({ last_error: expect.stringContaining('cannot be done'), attempts: 1 });
  expect(finals).toEqual([true]);
});

test('the jobs of a process that died go back at once, those of a living one do not', async () => {
  const job = defineJob({ name: 'test.owner', input });
  const em = forkAcrossOrganizations(db.database);
  await enqueue(em, job, { id: 'dead' });
  await enqueue(em, job, { id: 'alive' });
  const lock = (owner: string) =>
    em.execute(
      `update graphile_worker._private_jobs set locked_by = ?, locked_at = now() - interval '10 seconds'
         where payload->>'id' = ?`,
      [`pool-${owner}`, owner],
    );
  await lock('dead');
  await lock('alive');
  await using living = Object.assign(new pg.Client({ connectionString: db.url }), {
    [Symbol.asyncDispose]: () => living.end(),
  });
  await living.connect();
  await living.query(`select pg_advisory_lock(hashtextextended('pool-alive', 0))`);
  await using client = Object.assign(new pg.Client({ connectionString: db.url }), {
    [Symbol.asyncDispose]: () => client.end(),
  });
  await client.connect();
  expect(await releaseDeadOwners(client)).toBe(1);
  const rows = await em.execute<{ id: string; locked_by: string | null }[]>(
    `select payload->>'id' as id, locked_by from graphile_worker._private_jobs
       where payload->>'id' in ('dead', 'alive') order by id`,
  );
  expect(rows).toEqual([
    { id: 'alive', locked_by: 'pool-alive' },
    { id: 'dead', locked_by: null },
  ]);
});

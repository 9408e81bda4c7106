import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob, enqueue } from '../../src/jobs/define-job.ts';
import { enqueueMany } from '../../src/jobs/enqueue-many.ts';
import { type EntityManager, forkAcrossOrganizations } from '../../src/platform/database.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';

let own: TestDatabase;
let worker: pg.Client;
beforeAll(async () => {
  own = await cloneDatabase();
  worker = new pg.Client({ connectionString: own.url });
  await worker.connect();
  // Holds every insertion of a job until the test lets go: between the two statements of graphile-worker's add_jobs.
  await worker.query(`create function wait_for_test() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(42); return new; end $$`);
  await worker.query(
    'create trigger wait_for_test before insert on graphile_worker._private_jobs for each row execute function wait_for_test()',
  );
});
afterAll(async () => {
  await worker.end();
  await own[Symbol.asyncDispose]();
});

const job = defineJob({
  name: 'test.raced',
  input: z.object({ id: z.string() }),
  key: ({ id }) => id,
});
const em = () => forkAcrossOrganizations(own.database);

const ways: [string, (em: EntityManager, id: string) => Promise<void>][] = [
  ['enqueue', (to, id) => enqueue(to, job, { id })],
  ['enqueueMany', (to, id) => enqueueMany(to, job, [{ id }, { id: `${id}-other` }])],
];

test.each(ways)(
  '%s: a job that a worker takes at this very moment is followed by another one',
  async (name, add) => {
    await add(em(), name);
    await worker.query('select pg_advisory_lock(42)');
    const adding = add(em(), name);
    await eventually('it stands between the two statements', async () => {
      // The locks of the whole server are listed: other test files wait for theirs.
      const { rows } = await worker.query(
        `select 1 from pg_locks where locktype = 'advisory' and not granted
           and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows.length > 0;
    });
    await worker.query(
      `update graphile_worker._private_jobs set locked_at = now(), locked_by = 'somebody', attempts = 1 where key = $1`,
      [`test.raced:${name}`],
    );
    await worker.query('select pg_advisory_unlock(42)');
    await adding;
    const { rows } = await worker.query(
      `select locked_by, key from graphile_worker._private_jobs where locked_by is not null or key = $1 order by id`,
      [`test.raced:${name}`],
    );
    expect(rows.slice(-2)).toEqual([
      { locked_by: 'somebody', key: null },
      { locked_by: null, key: `test.raced:${name}` },
    ]);
  },
);

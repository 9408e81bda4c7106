import pg from 'pg';
import { expect, test } from 'vitest';
import { migrations } from '../../migrations/all.ts';
import { entities } from '../../src/entities.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { cloneDatabase, disposeAfterTest } from '../support/database.ts';

test('connections that break in transactions do not use up the pool, nor keep it from closing', async () => {
  const own = disposeAfterTest(await cloneDatabase());
  const database = await openDatabase({ url: own.url, entities, migrations, poolSize: 2 });
  const killer = new pg.Client({ connectionString: own.url });
  await killer.connect();
  // Three times the size of the pool: every place would be lost.
  for (let round = 0; round < 3; round++) {
    const broken = Array.from({ length: 2 }, () =>
      database.em.fork().transactional(async (em) => {
        const [row] = await em.execute<{ pid: number }[]>('select pg_backend_pid() as pid');
        await killer.query('select pg_terminate_backend($1)', [row?.pid]);
        await em.execute('select 1');
      }),
    );
    const results = await Promise.allSettled(broken);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  }
  await killer.end();
  const [alive] = await database.em.fork().execute<{ one: number }[]>('select 1 as one');
  expect(alive).toEqual({ one: 1 });
  await database.close(true);
});

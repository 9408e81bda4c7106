import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOrganization } from '../../src/access/organizations.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { refreshStatistics } from '../../src/sync/import-statistics.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
  // Whenever it came by, it would do the work that the test waits to see done, or keep the table to itself meanwhile.
  await em().execute('alter table contact set (autovacuum_enabled = false)');
});
afterAll(() => own[Symbol.asyncDispose]());

const em = () => forkAcrossOrganizations(own.database);
const refresh = () => refreshStatistics(own.database, AbortSignal.timeout(30_000));

async function write(count: number): Promise<void> {
  const { organization } = await createOrganization(em(), 'Desk');
  // In one transaction, whose session then tells of what it wrote without waiting for a second.
  await em().transactional(async (inside) => {
    await inside.execute(
      `insert into contact (id, organization_id, name, email_address, created_at, updated_at)
       select gen_random_uuid(), ?::uuid, 'Person', 'person-' || number || '@fabrikam.example', now(), now()
         from generate_series(1, ?) as number`,
      [organization.id, count],
    );
    await inside.execute('select pg_stat_force_next_flush()');
  });
}

/** How often somebody asked for statistics, and the rows that PostgreSQL then believes in. */
async function analysed(table: string): Promise<{ times: number; rows: number }> {
  const [row] = await em().execute<{ times: number; rows: number }[]>(
    `select analyze_count::int as times, reltuples::int as rows
       from pg_stat_user_tables join pg_class on pg_class.oid = relid where pg_stat_user_tables.relname = ?`,
    [table],
  );
  return row ?? { times: 0, rows: 0 };
}

test('tables that an import fills get new statistics when much is new, and none otherwise', async () => {
  await write(400);
  await refresh();
  expect(await analysed('contact')).toEqual({ times: 1, rows: 400 });
  await write(150); // more than a fifth, and few
  await refresh();
  expect((await analysed('contact')).times).toBe(1);
  await write(100);
  await refresh();
  expect(await analysed('contact')).toEqual({ times: 2, rows: 650 });
});

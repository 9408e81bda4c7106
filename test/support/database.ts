import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { inject, onTestFinished } from 'vitest';
import { migrations } from '../../migrations/all.ts';
import { Organization } from '../../src/access/organization.entity.ts';
import { entities } from '../../src/entities.ts';
import { type Database, forkAcrossOrganizations, openDatabase } from '../../src/platform/database.ts';

/** A database of its own, cloned from the migrated template. Drop it with `close`. */
export interface TestDatabase extends AsyncDisposable {
  url: string;
  database: Database;
}

/** Clones the template. Call it once per file, in `beforeAll`, and close it in `afterAll`. */
export async function cloneDatabase(): Promise<TestDatabase> {
  const template = new URL(inject('templateDatabaseUrl'));
  const name = `test_${uuidv7().replaceAll('-', '')}`;
  const templateName = template.pathname.slice(1);
  const maintenance = new URL(template);
  maintenance.pathname = '/postgres';
  await withClient(maintenance, (client) => client.query(`create database ${name} template ${templateName}`));
  const own = new URL(template);
  own.pathname = `/${name}`;
  const database = await openDatabase({ url: own.href, entities, migrations });
  return {
    url: own.href,
    database,
    async [Symbol.asyncDispose]() {
      await database.close(true);
      await withClient(maintenance, (client) => client.query(`drop database ${name} with (force)`));
    },
  };
}

/** A new organization of the test's own. */
export async function createTestOrganization(database: Database, name = 'Test'): Promise<Organization> {
  const em = forkAcrossOrganizations(database);
  const organization = em.create(Organization, { name });
  await em.flush();
  return organization;
}

async function withClient(url: URL, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** Closes `resource` when the running test ends. */
export function disposeAfterTest<T extends AsyncDisposable>(resource: T): T {
  onTestFinished(() => resource[Symbol.asyncDispose]());
  return resource;
}

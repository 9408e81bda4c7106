import { migrations } from '../migrations/all.ts';
import { entities } from './entities.ts';
import { migrateJobs } from './jobs/schema.ts';
import { SECOND } from './platform/clock.ts';
import { type Database, migrate, openDatabase } from './platform/database.ts';

/** Opens the database at `url` with every entity of the product, and brings its tables up to date. */
export async function prepareDatabase(url: string): Promise<Database> {
  const database = await openDatabase({ url, entities, migrations });
  try {
    await migrateJobs(url);
    await migrate(database, url);
    return database;
  } catch (error) {
    await database.close(true);
    throw error;
  }
}

/**
 * A pool beside the process's own, for the webhook: Microsoft waits for three seconds, and a connection that must be waited
 * for behind slow queries comes too late. What is locked for longer is not worth waiting for: Microsoft comes again, while
 * a row lock that waits holds back every event.
 */
export function openIntakeDatabase(url: string): Promise<Database> {
  return openDatabase({
    url,
    entities,
    migrations: [],
    poolSize: 3,
    statementTimeout: 2 * SECOND,
    lockTimeout: 0.25 * SECOND,
  });
}

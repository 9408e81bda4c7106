import { migrations } from '../migrations/all.ts';
import { entities } from './entities.ts';
import { migrateJobs } from './jobs/schema.ts';
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

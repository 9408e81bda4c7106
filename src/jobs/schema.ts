import { runMigrations } from 'graphile-worker';

/** Brings graphile-worker's own tables up to date. Safe to run from several processes at once. */
export async function migrateJobs(databaseUrl: string): Promise<void> {
  await runMigrations({ connectionString: databaseUrl });
}

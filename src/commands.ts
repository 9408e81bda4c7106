import { createOrganization } from './access/organizations.ts';
import type { Config } from './config.ts';
import { prepareDatabase } from './database.ts';
import { type Database, forkAcrossOrganizations } from './platform/database.ts';
import { findEmbeddedPostgres, startEmbeddedPostgres } from './platform/embedded-postgres.ts';
import type { Logger } from './platform/logger.ts';

/** Brings the tables up to date and ends: for deployments that migrate before they start. */
export async function migrateCommand(config: Config, logger: Logger): Promise<void> {
  await withDatabase(config, logger, async () => undefined);
  process.stdout.write('The database is up to date.\n');
}

/** Makes an organization and prints the key of its OWNER, this once. Throws InvalidInputError for a bad name. */
export async function createOrganizationCommand(config: Config, logger: Logger, name: string): Promise<void> {
  await withDatabase(config, logger, async (database) => {
    const { organization, secret } = await createOrganization(forkAcrossOrganizations(database), name);
    process.stdout.write(
      `Made the organization ${organization.name}.\nThe API key of its OWNER, shown this once:\n\n  ${secret}\n\n`,
    );
  });
}

/** Works beside a running server, on its embedded database too; without one it starts the database for the while. */
async function withDatabase(
  config: Config,
  logger: Logger,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const { dataDirectory } = config;
  const running = config.databaseUrl ?? (await findEmbeddedPostgres(dataDirectory));
  const own = running === null ? await startEmbeddedPostgres({ dataDirectory, logger }) : null;
  try {
    const database = await prepareDatabase(running ?? own?.url ?? '');
    try {
      await work(database);
    } finally {
      await database.close(true);
    }
  } finally {
    await own?.stop();
  }
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { prepareDatabase } from '../../src/database.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The migrated database that every test file clones; nobody may connect to it. */
    templateDatabaseUrl: string;
  }
}

/** Starts one PostgreSQL for the run and migrates the template that every test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'deskgraph-test-'));
  const postgres = await startEmbeddedPostgres({
    dataDirectory,
    logger: createLogger('warn'),
    // A test database may be lost with the machine: waiting for the disk would only cost time.
    flags: ['-c', 'fsync=off', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off'],
  });
  const database = await prepareDatabase(postgres.url);
  await database.close();
  project.provide('templateDatabaseUrl', postgres.url);
  return async () => {
    await postgres.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  };
}

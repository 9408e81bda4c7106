import { toError } from '../errors.ts';
import { SECOND } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';

/** How long the database may take to answer before the process counts as not ready. */
const DATABASE_DEADLINE = 2 * SECOND;

/** What readiness depends on. */
export interface HealthOptions {
  database: Database;
  logger: Logger;
  /** Aborts when the process takes no new work. */
  draining: AbortSignal;
}

/** Answers `/livez`: the process runs. It asks nobody, so that a slow database never makes a supervisor kill us. */
export function livez(): Response {
  return Response.json({ status: 'ok' });
}

/** Makes the answer of `/readyz`: the database answers, its tables are up to date, and the process is not stopping. */
export function createReadyz({ database, logger, draining }: HealthOptions): () => Promise<Response> {
  let isMigrated = false;
  const check = async (): Promise<string> => {
    if (draining.aborted) return 'stopping';
    // Touches no organization's rows: only whether the database answers.
    await forkAcrossOrganizations(database).execute('select 1');
    // Tables never go back while a process runs, so one look is enough.
    isMigrated ||= (await database.migrator.getPending()).length === 0;
    return isMigrated ? 'ok' : 'migrating';
  };
  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`No answer within ${DATABASE_DEADLINE / SECOND} s.`)),
        DATABASE_DEADLINE,
      );
    });
    try {
      const status = await Promise.race([check(), late]);
      return Response.json({ status }, { status: status === 'ok' ? 200 : 503 });
    } catch (thrown) {
      logger.warn({ err: toError(thrown) }, 'the database did not answer the readiness check');
      return Response.json({ status: 'database unavailable' }, { status: 503 });
    } finally {
      clearTimeout(timer);
    }
  };
}

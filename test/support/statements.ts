import type { Database } from '../../src/platform/database.ts';

/**
 * The SQL statements that the ORM sends while `work` runs. Whatever else uses the same `database` meanwhile is counted as
 * well: give it a database of its own.
 */
export async function countStatements(database: Database, work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  const logger = database.config.getLogger();
  const before = logger.logQuery;
  logger.setDebugMode(['query']);
  logger.logQuery = ({ query }) => statements.push(query ?? '');
  try {
    await work();
  } finally {
    logger.logQuery = before;
    logger.setDebugMode(false);
  }
  return statements;
}

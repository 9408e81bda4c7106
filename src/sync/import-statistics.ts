import { type Database, forkAcrossOrganizations } from '../platform/database.ts';

/** Rows that may change before a table of any size is looked at anew. */
const FEWEST_CHANGES = 200;

/**
 * Brings PostgreSQL's statistics of the tables that an import fills up to date, when of one of them more than a fifth, and
 * more than {@link FEWEST_CHANGES} rows, is new; autovacuum does so as well, once a minute. Call it from time to time
 * during an import, outside of transactions.
 *
 * A session keeps the plans by which foreign keys are checked. Those that it made while a table was nearly empty go
 * through every row of the organization, for each row that is written: a tenth of a second per page at 3,000 messages,
 * and growing. New statistics end such plans (https://www.postgresql.org/docs/current/populate.html, 14.4.7).
 */
export async function refreshStatistics(database: Database, signal: AbortSignal): Promise<void> {
  const em = forkAcrossOrganizations(database, signal);
  const stale = await em.execute<object[]>(
    `select from pg_stat_user_tables as stat join pg_class as class on class.oid = stat.relid
      where stat.schemaname = current_schema()
        and stat.relname in ('contact', 'inbound_message', 'message', 'message_detail', 'ticket')
        and stat.n_mod_since_analyze > greatest(class.reltuples * 0.2, ?)`,
    [FEWEST_CHANGES],
  );
  if (stale.length === 0) return;
  // Whoever is at a table already, autovacuum or another import, does this work.
  await em.execute('analyze (skip_locked) contact, inbound_message, message, message_detail, ticket');
}

import type { EntityManager } from '../platform/database.ts';

/**
 * Lets one transaction at a time, over all processes, work on the tokens of an account; held until the transaction ends.
 *
 * An advisory lock and not the lock of the account's row: whoever refreshes waits for Microsoft, and a row lock gives the
 * waiting transaction an id, behind which every event stream of the server would wait, see `realtime/event-log.ts`. Take
 * it first, before anything is written or locked.
 */
export async function lockTokens(em: EntityManager, accountId: string): Promise<void> {
  await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`account-tokens:${accountId}`]);
}

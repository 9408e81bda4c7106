import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { requestSync } from './request-sync.ts';

/**
 * Catches up in every mailbox of an account that takes mail in: for when the account has signed in again and nobody
 * should have to wait for the next poll. Call it inside a transaction.
 */
export async function syncAccount(em: EntityManager, account: Account): Promise<void> {
  const mailboxes = await em.find(Mailbox, { account: account.id, incomingEnabled: true });
  for (const mailbox of mailboxes) await requestSync(em, mailbox, 'RECOVERY');
}

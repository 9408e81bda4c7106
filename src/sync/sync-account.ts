import { enqueue } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { managePushJob } from './push.jobs.ts';
import { requestSync } from './request-sync.ts';

/**
 * Catches up in every mailbox of an account that takes mail in: for when the account has signed in again and nobody
 * should have to wait for the next poll. Call it inside a transaction.
 */
export async function syncAccount(em: EntityManager, account: Account): Promise<void> {
  const mailboxes = await em.find(Mailbox, { account: account.id, incomingEnabled: true });
  for (const mailbox of mailboxes) {
    await requestSync(em, mailbox, 'RECOVERY');
    const organizationId = mailbox.organization.id;
    // What was refused for want of a sign-in is asked again at once.
    await em.execute(
      `update push_subscription set next_step_at = now() where organization_id = ? and mailbox_id = ? and state = 'FAILED'`,
      [organizationId, mailbox.id],
    );
    await enqueue(em, managePushJob, { organizationId, mailboxId: mailbox.id });
  }
}

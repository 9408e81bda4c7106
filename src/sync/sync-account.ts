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
  // In the order of their ids, and subscriptions before runs, as the webhook locks them: see `push-notifications.ts`.
  const mailboxes = await em.find(
    Mailbox,
    { account: account.id, incomingEnabled: true },
    { orderBy: { id: 'asc' } },
  );
  // What was refused for want of a sign-in is asked again at once: a creation, a renewal (the subscription itself is ACTIVE
  // until it expires), a probe.
  await em.execute(
    `update push_subscription set
         next_step_at = case when state = 'FAILED' or failures > 0 then now() else next_step_at end,
         next_probe_at = case when probe_problem is null then next_probe_at else now() end
      where id in (
       select push_subscription.id from push_subscription
         join mailbox on mailbox.organization_id = push_subscription.organization_id
           and mailbox.id = push_subscription.mailbox_id
        where push_subscription.organization_id = ? and mailbox.account_id = ? and mailbox.incoming_enabled
          and push_subscription.replaced_at is null and (push_subscription.state = 'FAILED'
            or push_subscription.failures > 0 or push_subscription.probe_problem is not null)
        order by push_subscription.id for no key update of push_subscription)`,
    [account.organization.id, account.id],
  );
  for (const mailbox of mailboxes) {
    await requestSync(em, mailbox, 'RECOVERY');
    await enqueue(em, managePushJob, { organizationId: mailbox.organization.id, mailboxId: mailbox.id });
  }
}

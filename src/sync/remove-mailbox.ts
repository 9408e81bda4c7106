import { enqueue } from '../jobs/define-job.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { lockAnyMailbox } from '../mailboxes/mailboxes.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { managePushJob } from './push.jobs.ts';
import { endImport } from './request-import.ts';
import { SyncRun } from './sync-run.entity.ts';

/**
 * Removes a mailbox: from now on nothing is read from it, sent from it, moved or deleted in it. Its row stays, out of every list, with
 * tickets, messages, files and the ledger, so that all of it stays readable and whoever adds the mailbox again takes no
 * mail in twice. Files of messages that are in tickets already are still fetched.
 *
 * A run under way stores nothing more, since incoming mail is off; one that waits is ended here, and so is an import. The subscription is
 * ended at Microsoft in the background, as far as it answers. Idempotent. Throws `NotFoundError`.
 */
export async function removeMailbox(em: EntityManager, clock: Clock, mailboxId: string): Promise<Mailbox> {
  return em.transactional(async (tx) => {
    const mailbox = await lockAnyMailbox(tx, mailboxId);
    if (mailbox.removedAt) return mailbox;
    const organizationId = mailbox.organization.id;
    const now = clock.now();
    tx.assign(mailbox, { removedAt: now, incomingEnabled: false, outgoingEnabled: false });
    await tx.flush();
    await tx.nativeUpdate(
      SyncRun,
      { mailbox: mailboxId, state: 'QUEUED' },
      { state: 'INTERRUPTED', finishedAt: now, updatedAt: now },
    );
    await endImport(tx, mailboxId, clock);
    // The bookmark names the account that it was given to; whoever reads the mailbox next begins with an overlap. The
    // version tells a run that is under way that it is no longer the one.
    await tx.execute(
      `update sync_state set cursor = null, round = null, next_poll_at = null, resumes_at = null, problem = null,
         consecutive_failures = 0, version = version + 1, updated_at = ?
        where organization_id = ? and mailbox_id = ?`,
      [now, organizationId, mailboxId],
    );
    await tx.execute(
      `update inbound_message set archive_state = case archive_state when 'DUE' then 'NOT_WANTED' else archive_state end,
         copy_state = case copy_state when 'DUE' then 'NOT_WANTED' else copy_state end
        where organization_id = ? and mailbox_id = ? and (archive_state = 'DUE' or copy_state = 'DUE')`,
      [organizationId, mailboxId],
    );
    await enqueue(tx, managePushJob, { organizationId, mailboxId });
    await recordEvents(tx, organizationId, [
      { type: 'sync-status.changed', mailboxId },
      { type: 'mailbox.changed', mailboxId },
    ]);
    return mailbox;
  });
}

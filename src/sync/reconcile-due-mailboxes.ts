import { toError } from '../errors.ts';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { liveJobExists } from '../jobs/live-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { type Clock, DAY, HOUR } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { reconcileMailboxJob } from './reconcile.jobs.ts';
import { requestReconciliation } from './request-reconciliation.ts';

/** Mailboxes asked for at one tick; the others are still due at the next, a minute later. */
const MAILBOXES_PER_TICK = 20;

/** A night is over after this time, for whoever was away then: nobody is reconciled twice in one. */
const SHORTEST_GAP = 20 * HOUR;

/** How long reconciliations are kept. */
const KEPT = 90 * DAY;

/**
 * Asks for the nightly reconciliation of every mailbox, of whatever organization, whose minute has passed: each has its
 * own between midnight and five (UTC), by a hash of its id, so that a thousand do not begin at once. Also gives those
 * that are open a new job when theirs has used up its tries, and forgets the oldest.
 */
export async function reconcileDueMailboxes(
  { database, clock }: { database: Database; clock: Clock },
  { logger, signal }: Pick<JobContext, 'logger' | 'signal'>,
): Promise<void> {
  const now = clock.now();
  const minuteOfDay = now.getUTCHours() * 60 + now.getUTCMinutes();
  const lately = new Date(now.getTime() - SHORTEST_GAP);
  // Across organizations: the clock ticks for all of them. Each mailbox is then read within its own.
  const across = forkAcrossOrganizations(database);
  const due = await across.execute<{ id: string; organization_id: string }[]>(
    `select mailbox.id, mailbox.organization_id from mailbox
       join sync_state on sync_state.organization_id = mailbox.organization_id and sync_state.mailbox_id = mailbox.id
     where mailbox.incoming_enabled and sync_state.covered_until is not null and sync_state.created_at < ?
       and (hashtextextended(mailbox.id::text, 0) % 300 + 300) % 300 <= ?
       and not exists (
         select from reconciliation where reconciliation.organization_id = mailbox.organization_id
           and reconciliation.mailbox_id = mailbox.id
           and (reconciliation.state in ('QUEUED', 'RUNNING')
             or (reconciliation.trigger = 'NIGHTLY' and reconciliation.created_at >= ?))
       )
     order by mailbox.id limit ?`,
    [lately, minuteOfDay, lately, MAILBOXES_PER_TICK],
  );
  for (const row of due) {
    signal.throwIfAborted();
    try {
      const em = forkFor(database, row.organization_id, signal);
      const mailbox = await em.findOne(Mailbox, { id: row.id });
      if (!mailbox?.incomingEnabled) continue;
      await requestReconciliation(
        em,
        mailbox,
        { trigger: 'NIGHTLY', since: null, takesInArchive: false },
        now,
      );
    } catch (thrown) {
      // One mailbox's trouble must not keep the others from being reconciled.
      logger.error({ err: toError(thrown), mailboxId: row.id }, 'could not ask for a reconciliation');
    }
  }
  const stranded = await across.execute<{ mailbox_id: string; organization_id: string }[]>(
    `select mailbox_id, organization_id from reconciliation
     where state in ('QUEUED', 'RUNNING') and not ${liveJobExists('?', 'mailbox_id')} limit ?`,
    [reconcileMailboxJob.name, MAILBOXES_PER_TICK],
  );
  for (const { mailbox_id, organization_id } of stranded) {
    const ids = { organizationId: organization_id, mailboxId: mailbox_id };
    await enqueue(forkFor(database, organization_id, signal), reconcileMailboxJob, ids);
  }
  await across.execute(
    `delete from reconciliation where id in (
       select id from reconciliation where created_at < ? and state not in ('QUEUED', 'RUNNING') limit 1000
     )`,
    [new Date(now.getTime() - KEPT)],
  );
}

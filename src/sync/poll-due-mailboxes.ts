import { toError } from '../errors.ts';
import type { JobContext } from '../jobs/define-job.ts';
import { liveJobExists } from '../jobs/live-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { requestSync } from './request-sync.ts';
import { syncMailboxJob } from './sync.jobs.ts';

/** Mailboxes asked for at one tick; the others are still due at the next. */
const MAILBOXES_PER_TICK = 500;

/**
 * Asks for a sync of every mailbox, of whatever organization, whose polling interval has passed. One whose run waits is
 * left alone, but for a run that nothing will ever take: its job has used up its tries while the database was away.
 */
export async function pollDueMailboxes(
  { database, clock }: { database: Database; clock: Clock },
  { logger, signal }: Pick<JobContext, 'logger' | 'signal'>,
): Promise<void> {
  // Across organizations: the clock ticks for all of them. Each mailbox is then read within its own.
  const due = await forkAcrossOrganizations(database).execute<{ id: string; organization_id: string }[]>(
    `select mailbox.id, mailbox.organization_id from mailbox
       left join sync_state on sync_state.mailbox_id = mailbox.id
     where mailbox.incoming_enabled and (sync_state.id is null or sync_state.next_poll_at <= ?
       or (sync_state.next_poll_at is null))
       and not (
         exists (select from sync_run where sync_run.mailbox_id = mailbox.id and sync_run.state = 'QUEUED')
         and ${liveJobExists('?', 'mailbox.id')}
       )
     order by sync_state.next_poll_at nulls first limit ${MAILBOXES_PER_TICK}`,
    [clock.now(), syncMailboxJob.name],
  );
  for (const row of due) {
    signal.throwIfAborted();
    try {
      const em = forkFor(database, row.organization_id, signal);
      const mailbox = await em.findOne(Mailbox, { id: row.id });
      if (mailbox?.incomingEnabled) await requestSync(em, mailbox, 'POLL');
    } catch (thrown) {
      // One mailbox's trouble must not keep the others from being polled.
      logger.error({ err: toError(thrown), mailboxId: row.id }, 'could not ask for a sync');
    }
  }
}

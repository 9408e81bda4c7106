import type { JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { forkFor } from '../platform/database.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import type { SyncDependencies } from './run-sync.ts';

/** Messages moved before the result is written down: five `$batch` requests. */
const MESSAGES_PER_STEP = 100;

/**
 * Moves the mailbox's processed mail to its archive folder, as the settings say now. Idempotent: ids are immutable, a
 * mail that is there already or that somebody has deleted counts as done, and what a crash forgot is moved once more.
 */
export async function archiveMail(
  { database, mail, clock }: SyncDependencies,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const em = forkFor(database, organizationId, signal);
    const mailbox = await em.findOne(Mailbox, { id: mailboxId });
    if (!mailbox) return;
    const due = await em.find(
      InboundMessage,
      { mailbox: mailboxId, archiveState: 'DUE' },
      { limit: MESSAGES_PER_STEP, orderBy: { id: 'asc' } },
    );
    if (due.length === 0) return;
    const { archiveFolder, afterProcessing } = mailbox;
    if (afterProcessing !== 'ARCHIVE' || !archiveFolder) {
      for (const row of due) row.archiveState = 'NOT_WANTED';
      await em.flush();
      continue;
    }
    const ids = due.map(({ graphMessageId }) => graphMessageId);
    const outcomes = await mail.moveMails(accessOf(mailbox), ids, archiveFolder.id, signal);
    let postponed: GraphError | undefined;
    for (const row of due) {
      const outcome = outcomes.get(row.graphMessageId);
      if (outcome === 'MOVED' || outcome === 'GONE') {
        em.assign(row, { archiveState: 'DONE', archivedAt: clock.now() });
      } else if (outcome instanceof GraphError && !outcome.isTransient) {
        em.assign(row, { archiveState: 'FAILED', problem: outcome.toProblem(clock.now()) });
        logger.warn({ err: outcome, inboundMessageId: row.id }, 'a message could not be archived');
      } else {
        postponed = outcome ?? postponed;
      }
    }
    await em.flush();
    // Thrown after the others are written down: the queue tries what is left again, later and later.
    if (postponed) throw postponed;
  }
}

import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { isThrottling, postponementOf } from '../microsoft365/graph-postpone.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import { forkFor } from '../platform/database.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import type { SyncDependencies } from './run-sync.ts';
import { archiveMailJob } from './sync.jobs.ts';

/** Messages moved before the result is written down: five `$batch` requests. */
const MESSAGES_PER_STEP = 100;

/** For a mail that an answer says nothing about. */
const UNKNOWN_OUTCOME = new GraphError(
  'GRAPH_UNAVAILABLE',
  'Microsoft Graph did not say whether it moved the mail.',
);

/**
 * Moves the mailbox's processed mail to its archive folder, as the settings say now. Idempotent: ids are immutable, a
 * mail that is there already or that somebody has deleted counts as done, and what a crash forgot is moved once more.
 */
export async function archiveMail(
  { database, mail, clock }: SyncDependencies,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  { signal, logger, isLastAttempt }: Pick<JobContext, 'signal' | 'logger' | 'isLastAttempt'>,
): Promise<void> {
  let postponed: GraphError | undefined;
  // Goes on behind what has to wait: one mail that cannot be moved for now keeps no other where it is.
  for (let after: string | null = null; ; ) {
    signal.throwIfAborted();
    const em = forkFor(database, organizationId, signal);
    const mailbox = await em.findOne(Mailbox, { id: mailboxId });
    if (!mailbox) return;
    const due: InboundMessage[] = await em.find(
      InboundMessage,
      { mailbox: mailboxId, archiveState: 'DUE', ...(after === null ? {} : { id: { $gt: after } }) },
      { limit: MESSAGES_PER_STEP, orderBy: { id: 'asc' } },
    );
    const last = due.at(-1);
    // After the others are written down: the queue tries what is left again.
    if (!last && postponed) return await later(postponed);
    if (!last) return;
    after = last.id;
    const { archiveFolder, afterProcessing } = mailbox;
    if (afterProcessing !== 'ARCHIVE' || !archiveFolder) {
      for (const row of due) row.archiveState = 'NOT_WANTED';
      await em.flush();
      continue;
    }
    const ids = due.map(({ graphMessageId }) => graphMessageId);
    let outcomes: Awaited<ReturnType<MailApi['moveMails']>>;
    try {
      outcomes = await mail.moveMails(accessOf(mailbox), ids, archiveFolder.id, signal);
    } catch (thrown) {
      return await later(thrown);
    }
    let moved = 0;
    for (const row of due) {
      const outcome = outcomes.get(row.graphMessageId) ?? UNKNOWN_OUTCOME;
      if (outcome === 'MOVED' || outcome === 'GONE') {
        em.assign(row, { archiveState: 'DONE', archivedAt: clock.now() });
        moved += 1;
      } else if (postponementOf(outcome) === null && (!outcome.isTransient || isLastAttempt)) {
        em.assign(row, { archiveState: 'FAILED', problem: outcome.toProblem(clock.now()) });
        logger.warn({ err: outcome, inboundMessageId: row.id }, 'a message could not be archived');
      } else {
        // Throttling tells when to come back; it goes first.
        postponed = isThrottling(postponed) ? postponed : outcome;
      }
    }
    await em.flush();
    // Nothing of a whole step: then it is the mailbox that has to wait, and not a mail.
    if (postponed && (moved === 0 || isThrottling(postponed))) return await later(postponed);
  }

  /** Throttling and trouble of the account do not use up tries: the job ends well, and another one waits. */
  async function later(reason: unknown): Promise<void> {
    const wait = postponementOf(reason);
    if (wait === null) throw reason;
    const runAt = new Date(clock.now().getTime() + wait);
    await enqueue(
      forkFor(database, organizationId, signal),
      archiveMailJob,
      { organizationId, mailboxId },
      { runAt },
    );
  }
}

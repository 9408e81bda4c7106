import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { isThrottling, postponementOf } from '../microsoft365/graph-postpone.ts';
import { SECOND } from '../platform/clock.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { copyMail } from './copy-mail.ts';
import { type DeletionOutcome, deleteMail } from './delete-mail.ts';
import { saveFiling } from './filing-failures.ts';
import { type MoveOutcome, moveMail } from './move-mail.ts';
import type { SyncDependencies } from './run-sync.ts';
import { archiveMailJob } from './sync.jobs.ts';

/** Messages moved before the result is written down: five `$batch` requests. */
const MESSAGES_PER_STEP = 100;

/** For a mail that an answer says nothing about. */
const UNKNOWN_OUTCOME = new GraphError(
  'GRAPH_UNAVAILABLE',
  'Microsoft Graph did not say whether it moved the mail.',
);

/** How long a mail that is to be deleted waits for its files before it is looked at again. */
const HELD_MILLISECONDS = 5 * SECOND;

/**
 * What is done with the mailbox's mail once it is processed, as the settings say now: copied, then moved to the archive
 * folder or deleted. Nothing is moved or deleted whose copy is wanted and not there.
 *
 * Idempotent: ids are immutable, a mail that lies where it belongs or that somebody has deleted counts as done, and what a
 * crash forgot is done once more, or found to be done: see `copyMail`, `moveMail` and `deleteMail`. What a person has filed
 * elsewhere before its turn is left where it is; its copy is made all the same.
 */
export async function archiveMail(
  deps: SyncDependencies,
  input: { organizationId: string; mailboxId: string },
  context: Pick<JobContext, 'signal' | 'logger' | 'isLastAttempt'>,
): Promise<void> {
  const { database, mail, clock } = deps;
  const { organizationId, mailboxId } = input;
  const { signal, logger, isLastAttempt } = context;
  let postponed: GraphError | undefined;
  let isHeld = false;
  try {
    postponed = await copyMail(deps, input, context);
  } catch (thrown) {
    return await later(thrown);
  }
  // Goes on behind what has to wait: one mail that cannot be moved for now keeps no other where it is.
  for (let after: string | null = null; ; ) {
    signal.throwIfAborted();
    const em = forkFor(database, organizationId, signal);
    const mailbox = await em.findOne(Mailbox, { id: mailboxId });
    if (!mailbox || mailbox.removedAt) return;
    const due: InboundMessage[] = await em.find(
      InboundMessage,
      {
        mailbox: mailboxId,
        archiveState: 'DUE',
        copyState: { $in: ['NOT_WANTED', 'DONE'] },
        ...(after === null ? {} : { id: { $gt: after } }),
      },
      { limit: MESSAGES_PER_STEP, orderBy: { id: 'asc' } },
    );
    const last = due.at(-1);
    // After the others are written down: the queue tries what is left again.
    if (!last && postponed) return await later(postponed);
    if (!last && isHeld) await again(HELD_MILLISECONDS);
    if (!last) return;
    after = last.id;
    let outcomes: Map<string, MoveOutcome | DeletionOutcome> | null;
    try {
      outcomes = await fileMails(em, mailbox, due);
    } catch (thrown) {
      return await later(thrown);
    }
    let moved = 0;
    let hasFailures = false;
    for (const row of due) {
      const outcome = outcomes === null ? null : (outcomes.get(row.graphMessageId) ?? UNKNOWN_OUTCOME);
      if (outcome === null || outcome === 'ELSEWHERE') {
        row.archiveState = 'NOT_WANTED';
      } else if (outcome === 'HELD') {
        isHeld = true;
      } else if (outcome === 'INCOMPLETE' || outcome === 'SHORTENED') {
        em.assign(row, { archiveState: 'FAILED', problem: keptProblem(outcome, clock.now()) });
        hasFailures = true;
      } else if (!(outcome instanceof GraphError)) {
        em.assign(row, { archiveState: 'DONE', archivedAt: clock.now() });
        moved += 1;
      } else if (postponementOf(outcome) === null && (!outcome.isTransient || isLastAttempt)) {
        em.assign(row, { archiveState: 'FAILED', problem: outcome.toProblem(clock.now()) });
        hasFailures = true;
        logger.warn({ err: outcome, inboundMessageId: row.id }, 'a message could not be archived or deleted');
      } else {
        // Throttling tells when to come back; it goes first.
        postponed = isThrottling(postponed) ? postponed : outcome;
      }
    }
    await saveFiling(em, input, hasFailures);
    // Nothing of a whole step: then it is the mailbox that has to wait, and not a mail.
    if (postponed && outcomes && (moved === 0 || isThrottling(postponed))) return await later(postponed);
  }

  /** Null: the settings say that mail stays where it is. */
  function fileMails(
    em: EntityManager,
    mailbox: Mailbox,
    rows: readonly InboundMessage[],
  ): Promise<Map<string, MoveOutcome | DeletionOutcome>> | null {
    const { archiveFolder, afterProcessing } = mailbox;
    if (afterProcessing === 'DELETE') return deleteMail(em, { mail, clock, signal }, mailbox, rows);
    if (afterProcessing !== 'ARCHIVE' || !archiveFolder) return null;
    return moveMail(mail, mailbox, rows, archiveFolder.id, signal);
  }

  /** Throttling and trouble of the account do not use up tries: the job ends well, and another one waits. */
  async function later(reason: unknown): Promise<void> {
    const wait = postponementOf(reason);
    if (wait === null) throw reason;
    await again(wait);
  }

  async function again(waitMilliseconds: number): Promise<void> {
    const em = forkFor(database, organizationId, signal);
    await enqueue(em, archiveMailJob, input, { delayMilliseconds: waitMilliseconds });
  }
}

/** Why a mail was not deleted of which the mailbox has the only whole copy. */
function keptProblem(outcome: 'INCOMPLETE' | 'SHORTENED', now: Date): Problem {
  const since = now.toISOString();
  return outcome === 'SHORTENED'
    ? {
        code: 'MESSAGE_SHORTENED',
        message: 'The mail was not deleted: only a part of its text is kept here, as the text itself says.',
        remedy:
          'Archive or delete it in Outlook yourself when nobody needs the rest; `retryInboundMessage` then settles this.',
        since,
      }
    : {
        code: 'ATTACHMENT_NOT_STORED',
        message: 'The mail was not deleted: one of its files is not stored here, and would be lost with it.',
        remedy:
          'Call `retryInboundMessage`: it fetches the file again, and deletes the mail when that succeeds. Or archive or delete it in Outlook yourself; `retryInboundMessage` then settles this.',
        since,
      };
}

import { LockMode } from '@mikro-orm/core';
import { NotFoundError } from '../errors.ts';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf, getMailbox } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { postponementOf } from '../microsoft365/graph-postpone.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { ingestOneAgain } from '../ticketing/ingest.ts';
import { readMails } from '../ticketing/read-mails.ts';
import { fetchFilesAgain } from '../ticketing/retry-attachment.ts';
import { isOverrulable, OVERRULABLE_REASONS } from '../ticketing/wanted-mail.ts';
import type { SyncDependencies } from './run-sync.ts';
import { isFaultOfData } from './store-failure.ts';
import { archiveMailJob, retryInboundMessageJob } from './sync.jobs.ts';
import { InboundMessageNotFailedError, TicketNotOpenedError } from './sync-errors.ts';
import { MESSAGE_ATTEMPTS, messageRetryDelay } from './sync-plan.ts';

/** What a person asks for. */
export interface RetryRequest {
  inboundMessageId: string;
  /** Whether a message that was ignored is to be in a ticket all the same. */
  openTicket: boolean;
}

/**
 * Asks for another try of a message that failed, now; with `openTicket` also of one that was ignored, which then becomes part
 * of a ticket whatever had left it out. One that is part of a ticket already is given back as it is. Throws `NotFoundError`,
 * {@link InboundMessageNotFailedError}, {@link TicketNotOpenedError}.
 */
export async function requestRetry(
  em: EntityManager,
  { inboundMessageId, openTicket }: RetryRequest,
  now: Date,
): Promise<InboundMessage> {
  const row = await em.findOne(InboundMessage, { id: inboundMessageId }, { populate: ['mailbox'] });
  if (!row) throw new NotFoundError('The inbound message');
  // Of a removed mailbox nothing is asked any more.
  await getMailbox(em, row.mailbox.id);
  const input = { organizationId: row.organization.id, mailboxId: row.mailbox.id, inboundMessageId };
  if (openTicket) return em.transactional((tx) => overrule(tx, input));
  if (row.outcome !== 'FAILED') {
    await fileAgain(em, row, now);
    return row;
  }
  await enqueue(em, retryInboundMessageJob, input);
  return row;
}

/** The row is locked: a try of it may be ending at this moment. */
async function overrule(
  em: EntityManager,
  input: { organizationId: string; mailboxId: string; inboundMessageId: string },
): Promise<InboundMessage> {
  const row = await em.findOneOrFail(
    InboundMessage,
    { id: input.inboundMessageId },
    { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
  );
  if (row.outcome === 'TICKET_CREATED' || row.outcome === 'REPLY_ADDED') return row;
  if (row.outcome === 'IGNORED' && !isOverrulable(row)) throw new TicketNotOpenedError(row.reason);
  em.assign(row, { isWanted: true });
  await em.flush();
  await enqueue(em, retryInboundMessageJob, input);
  return row;
}

/** Rows that are to be tried: what failed, and what was ignored and is wanted all the same. */
function dueRow(inboundMessageId: string) {
  return {
    id: inboundMessageId,
    $or: [
      { outcome: 'FAILED' as const },
      { outcome: 'IGNORED' as const, reason: { $in: [...OVERRULABLE_REASONS] }, isWanted: true },
    ],
  };
}

/**
 * What could not be archived, deleted or copied is tried again, with the files that kept it from being deleted. Throws
 * {@link InboundMessageNotFailedError}.
 */
async function fileAgain(em: EntityManager, row: InboundMessage, now: Date): Promise<void> {
  const { archiveState, copyState } = row;
  const lacksFiles = row.problem?.code === 'ATTACHMENT_NOT_STORED';
  if (archiveState !== 'FAILED' && copyState !== 'FAILED') throw new InboundMessageNotFailedError();
  await em.transactional(async (tx) => {
    tx.assign(row, {
      ...(archiveState === 'FAILED' ? { archiveState: 'DUE' } : {}),
      ...(copyState === 'FAILED' ? { copyState: 'DUE' } : {}),
      problem: null,
    });
    await tx.flush();
    if (lacksFiles) await fetchFilesAgain(tx, row, now);
    const [organizationId, mailboxId] = [row.organization.id, row.mailbox.id];
    await enqueue(tx, archiveMailJob, { organizationId, mailboxId });
    await recordEvents(tx, organizationId, [{ type: 'sync-status.changed', mailboxId }]);
  });
}

/**
 * Reads a message that failed, or that a person wants, from the mailbox again and processes it. When it fails once more, the next try waits four
 * times as long; after eight tries a person has to ask for it.
 */
export async function retryInboundMessage(
  { database, mail, clock }: SyncDependencies,
  input: { organizationId: string; mailboxId: string; inboundMessageId: string },
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  const em = forkFor(database, input.organizationId, signal);
  const row = await em.findOne(InboundMessage, dueRow(input.inboundMessageId), { populate: ['mailbox'] });
  if (!row || (await row.mailbox.loadOrFail()).removedAt) return;
  let problem: Problem | null = null;
  try {
    const found = await mail.getMail(accessOf(await row.mailbox.loadOrFail()), row.graphMessageId, signal);
    if (found) await processAgain(found);
    else problem = goneProblem(clock.now());
  } catch (thrown) {
    signal.throwIfAborted();
    const wait = postponementOf(thrown);
    if (wait !== null) return await postpone(wait);
    if (thrown instanceof GraphError) problem = thrown.toProblem(clock.now());
    else if (isFaultOfData(thrown)) problem = storeProblem(clock.now());
    else throw thrown;
    logger.warn({ err: thrown, inboundMessageId: row.id }, 'a message failed again');
  }
  await tryLater(problem);

  /** The mailbox could not be asked, which says nothing about the message: the try does not count. */
  async function postpone(wait: number): Promise<void> {
    const fork = forkFor(database, input.organizationId, signal);
    await enqueue(fork, retryInboundMessageJob, input, { delayMilliseconds: wait });
  }

  async function processAgain(found: IncomingMail): Promise<void> {
    const read = (await readMails([found], signal)).get(found);
    await forkFor(database, input.organizationId, signal).transactional(async (tx) => {
      // Locked first, as where pages are stored: once the mailbox is removed, nothing of it becomes a ticket.
      const mailbox = await tx.findOne(
        Mailbox,
        { id: input.mailboxId },
        { lockMode: LockMode.PESSIMISTIC_READ },
      );
      if (!mailbox || mailbox.removedAt) return;
      // Locked: the schedule and a person may try the same message at the same time.
      const again = await tx.findOne(InboundMessage, dueRow(input.inboundMessageId), {
        lockMode: LockMode.PESSIMISTIC_WRITE,
      });
      if (!again) return;
      const { archiveDue, failures } = await ingestOneAgain(tx, again, found, clock.now(), read);
      for (const err of failures) logger.warn({ err, inboundMessageId: again.id }, 'a message failed again');
      if (archiveDue > 0) {
        const { organizationId } = input;
        await enqueue(tx, archiveMailJob, { organizationId, mailboxId: again.mailbox.id });
      }
    });
  }

  /** `problem` is a failure that came before the processing, which has counted and described its own. */
  async function tryLater(failure: Problem | null): Promise<void> {
    await forkFor(database, input.organizationId).transactional(async (tx) => {
      // Locked: of two tries at the same time both count.
      const failed = await tx.findOne(InboundMessage, dueRow(input.inboundMessageId), {
        lockMode: LockMode.PESSIMISTIC_WRITE,
      });
      if (!failed) return;
      if (failure) tx.assign(failed, { attempts: failed.attempts + 1, problem: failure });
      await tx.flush();
      if (failed.attempts >= MESSAGE_ATTEMPTS) return;
      const delayMilliseconds = messageRetryDelay(failed.attempts);
      await enqueue(tx, retryInboundMessageJob, input, { delayMilliseconds });
    });
  }
}

function storeProblem(now: Date): Problem {
  return {
    code: 'PROCESSING_FAILED',
    message: 'The message could not be stored.',
    remedy: 'It is tried again by itself. If it keeps failing, report it with its id.',
    since: now.toISOString(),
  };
}

function goneProblem(now: Date): Problem {
  return {
    code: 'ITEM_NOT_FOUND',
    message: 'The message is no longer in the mailbox.',
    remedy: 'Somebody deleted it before it could be processed. Restore it in Outlook and try again.',
    since: now.toISOString(),
  };
}

import { z } from 'zod';
import { toError } from '../errors.ts';
import { defineJob, handleJob, type JobContext, type JobHandler } from '../jobs/define-job.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { IncomingAttachment, MailApi, MailboxAccess } from '../microsoft365/mail.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { Attachment } from './attachment.entity.ts';
import { ContentTooLargeError, refuseContent, storeContent } from './attachment-content.ts';
import {
  type AttachmentLimits,
  DEFAULT_ATTACHMENT_LIMITS,
  describeAttachments,
  putAttachmentRows,
  tooLarge,
  unlisted,
} from './attachment-rows.ts';
import { InboundMessage } from './inbound-message.entity.ts';

/** Attachment ids change when a mail moves; after this many attempts a missing attachment is really gone. */
const ATTEMPTS_TO_FIND = 3;

/** Fetches the attachments of a message that became part of a ticket. */
export const storeAttachmentsJob = defineJob({
  name: 'ticketing.store-attachments',
  input: z.object({ organizationId: z.uuid(), inboundMessageId: z.uuid() }),
  key: ({ inboundMessageId }) => inboundMessageId,
});

/** What the jobs work with. */
export interface AttachmentJobsOptions {
  database: Database;
  mail: MailApi;
  clock: Clock;
  limits?: AttachmentLimits;
}

/** The handlers of the jobs of this file. */
export function createAttachmentJobs(options: AttachmentJobsOptions): JobHandler[] {
  return [handleJob(storeAttachmentsJob, (input, context) => storeAttachments(options, input, context))];
}

/**
 * Lists a message's attachments and stores what is not stored yet. Repeating it adds only what is missing.
 *
 * One attachment that fails does not keep the others from being stored. What may heal is thrown at the end, so that the
 * queue tries again; at the last attempt, and when the mail is gone, the attachments say that they failed and why.
 */
async function storeAttachments(
  { database, mail, clock, limits = DEFAULT_ATTACHMENT_LIMITS }: AttachmentJobsOptions,
  { organizationId, inboundMessageId }: z.infer<typeof storeAttachmentsJob.input>,
  { signal, attempt, isLastAttempt, logger }: JobContext,
): Promise<void> {
  const em = forkFor(database, organizationId, signal);
  const seen = await em.findOne(InboundMessage, inboundMessageId, { populate: ['mailbox'] });
  const messageId = seen?.message?.id;
  const ticketId = seen?.ticket?.id;
  if (seen == null || messageId === undefined || ticketId === undefined) return; // deleted since it was queued
  const { graphMessageId } = seen;
  const access = accessOf(await seen.mailbox.loadOrFail());

  const listing = await listOrProblem(mail, access, graphMessageId, { signal, isLastAttempt, clock });
  if ('problem' in listing) {
    logger.warn(
      { inboundMessageId, problem: listing.problem },
      'the attachments of a mail could not be listed',
    );
    await giveUp(em, organizationId, messageId, ticketId, listing.problem, clock.now());
    return;
  }
  const now = clock.now();
  const rows = describeAttachments(listing.attachments, limits, now);
  if (rows.length === 0) return;
  const pending = await em.transactional((inside) =>
    putAttachmentRows(inside, organizationId, messageId, rows, now),
  );
  const failures: Error[] = [];
  for (const row of pending) {
    const listed = listing.attachments[row.position];
    if (listed === undefined) continue;
    try {
      const content = await mail.readAttachment(access, graphMessageId, listed.graphAttachmentId, signal);
      await storeContent(em, row.id, content, limits.maxFileBytes, () => clock.now());
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toError(thrown);
      const outcome = outcomeOf(error, { attempt, isLastAttempt, limits, now: clock.now() });
      if (outcome === null) failures.push(error);
      else await refuseContent(em, row.id, outcome.state, outcome.problem, clock.now());
    }
  }
  await em.transactional((inside) =>
    recordEvents(inside, organizationId, [{ type: 'ticket.updated', ticketId }]),
  );
  const [first] = failures;
  if (first !== undefined) throw first;
}

/** The listing, or why there will never be one. What may heal is thrown, but for the last attempt. */
async function listOrProblem(
  mail: MailApi,
  access: MailboxAccess,
  graphMessageId: string,
  { signal, isLastAttempt, clock }: { signal: AbortSignal; isLastAttempt: boolean; clock: Clock },
): Promise<{ attachments: IncomingAttachment[] } | { problem: Problem }> {
  try {
    return { attachments: await mail.listAttachments(access, graphMessageId, signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof GraphError)) throw error;
    if (error.code === 'ITEM_NOT_FOUND') return { problem: gone(clock.now()) };
    if (isLastAttempt) return { problem: error.toProblem(clock.now()) };
    throw error;
  }
}

/** What becomes of an attachment after a failure; null when it shall be tried again. */
function outcomeOf(
  error: Error,
  {
    attempt,
    isLastAttempt,
    limits,
    now,
  }: { attempt: number; isLastAttempt: boolean; limits: AttachmentLimits; now: Date },
): { state: 'TOO_LARGE' | 'FAILED'; problem: Problem } | null {
  if (error instanceof ContentTooLargeError) return { state: 'TOO_LARGE', problem: tooLarge(limits, now) };
  const isGone =
    error instanceof GraphError && error.code === 'ITEM_NOT_FOUND' && attempt >= ATTEMPTS_TO_FIND;
  if (!isGone && !isLastAttempt) return null;
  return { state: 'FAILED', problem: error instanceof GraphError ? error.toProblem(now) : notStored(now) };
}

/** What an earlier attempt listed has failed; when there was no listing yet, one row says that there was something. */
async function giveUp(
  em: EntityManager,
  organizationId: string,
  messageId: string,
  ticketId: string,
  problem: Problem,
  now: Date,
): Promise<void> {
  await em.transactional(async (inside) => {
    const known = await inside.find(Attachment, { message: messageId });
    if (known.length === 0) {
      await putAttachmentRows(inside, organizationId, messageId, [unlisted(problem)], now);
    }
    for (const { id } of known) await refuseContent(inside, id, 'FAILED', problem, now);
    await recordEvents(inside, organizationId, [{ type: 'ticket.updated', ticketId }]);
  });
}

function gone(now: Date): Problem {
  return {
    code: 'ITEM_NOT_FOUND',
    message: 'The mail was deleted from the mailbox before this file could be fetched.',
    remedy: 'Ask the sender to send it again.',
    since: now.toISOString(),
  };
}

function notStored(now: Date): Problem {
  return {
    code: 'ATTACHMENT_NOT_STORED',
    message: 'The file could not be stored, however often it was tried.',
    remedy: 'Open the message in the mailbox to get it, and look for the cause in the log.',
    since: now.toISOString(),
  };
}

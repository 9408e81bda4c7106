import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import type { ChosenIdentity } from '../mailboxes/choose-identity.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { type Correspondent, Message } from '../ticketing/message.entity.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { deliverJob } from './deliver.jobs.ts';
import { type OutboundKind, OutboundMessage } from './outbound-message.entity.ts';
import { lanesOfTicket } from './outbox-rows.ts';

/** A mail with more bytes of files than this goes by the lane for large ones: they take seconds to minutes to upload. */
const BULKY_BYTES = 3 * 1024 * 1024;

/** Lower goes first: nobody waits for a notification as for an answer. */
const PRIORITIES: Record<OutboundKind, number> = { REPLY: 0, TEST: 0, NOTIFICATION: 10 };

/** A mail that shall be sent, whole: what is queued does not change any more. */
export interface OutboundRequest {
  organizationId: string;
  kind: OutboundKind;
  /** From `chooseIdentity`. */
  chosen: ChosenIdentity;
  ticketId: string | null;
  /** The message of the ticket that it is; its stored attachments are the mail's files. */
  messageId: string | null;
  /** Who asked for it; null for what Deskgraph sends by itself. */
  authorId: string | null;
  /** See `findQueued`. Only with an author. */
  idempotencyKey: string | null;
  to: Correspondent[];
  cc: Correspondent[];
  bcc: Correspondent[];
  subject: string;
  /** The body as it is sent, signature and quoted history included; null: plain text only. */
  bodyHtml: string | null;
  bodyText: string;
  /** With angle brackets. */
  inReplyTo: string | null;
  /** With angle brackets, oldest first. */
  references: string[];
  /** Graph's id of the mail that it answers, where that lies in the mailbox that it is sent from. */
  answersGraphMessageId: string | null;
  isAutomatic: boolean;
  /** The size of all its files together. */
  filesBytes: number;
  now: Date;
}

/**
 * Puts a mail into the outbox: the row, the job that sends it and the event, in the caller's transaction. It flushes `em`.
 * The mail is sent exactly if that transaction is committed. Look with `findQueued` first where the caller named the
 * request: the same name twice breaks a unique index here.
 */
export async function queueOutbound(em: EntityManager, request: OutboundRequest): Promise<OutboundMessage> {
  const { organizationId, kind, chosen, ticketId, messageId, authorId, to, cc, bcc, now } = request;
  const { identity, mailbox } = chosen;
  const outbound = em.create(OutboundMessage, {
    organization: em.getReference(Organization, organizationId),
    kind,
    state: 'QUEUED',
    lane: request.filesBytes > BULKY_BYTES ? 'BULKY' : 'PROMPT',
    priority: PRIORITIES[kind],
    mailbox,
    identity,
    ticket: ticketId === null ? null : em.getReference(Ticket, ticketId),
    message: messageId === null ? null : em.getReference(Message, messageId),
    author: authorId === null ? null : em.getReference(User, authorId),
    idempotencyKey: request.idempotencyKey,
    from: chosen.from,
    replyTo: chosen.replyTo,
    to,
    cc,
    bcc,
    recipientCount: new Set([...to, ...cc, ...bcc].map(({ emailAddress }) => emailAddress.toLowerCase()))
      .size,
    subject: request.subject,
    bodyHtml: request.bodyHtml,
    bodyText: request.bodyText,
    inReplyTo: request.inReplyTo,
    references: request.references,
    answersGraphMessageId: request.answersGraphMessageId,
    isAutomatic: request.isAutomatic,
    dueAt: now,
    createdAt: now,
    updatedAt: now,
  });
  await em.flush();
  // A notification that waits for the limit of notifications, be it in the other lane, takes the part of the reply behind it.
  const lanes =
    kind === 'REPLY' && ticketId !== null
      ? await lanesOfTicket(em, organizationId, ticketId)
      : [{ organizationId, mailboxId: mailbox.id, lane: outbound.lane }];
  await enqueueMany(em, deliverJob, lanes);
  await recordEvents(em, organizationId, [
    { type: 'outbound-message.changed', outboundMessageId: outbound.id, ticketId },
  ]);
  return outbound;
}

/**
 * What the same user queued before under the same name, or null. Until the end of the transaction nobody else gets past
 * here with the same name, so that two requests that come at once are one mail.
 */
export async function findQueued(
  em: EntityManager,
  organizationId: string,
  authorId: string,
  idempotencyKey: string,
): Promise<OutboundMessage | null> {
  await em.execute(`select pg_advisory_xact_lock(hashtextextended(?, 0))`, [
    `outbound:${organizationId}:${authorId}:${idempotencyKey}`,
  ]);
  return await em.findOne(OutboundMessage, { author: authorId, idempotencyKey });
}

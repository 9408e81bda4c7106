import { v7 as uuidv7 } from 'uuid';
import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import type { DomainEvent } from '../realtime/catalogue.ts';
import { recordEvents } from '../realtime/record.ts';
import { Attachment } from '../ticketing/attachment.entity.ts';
import { sanitizeMailHtml } from '../ticketing/html-sanitizing.ts';
import { Message } from '../ticketing/message.entity.ts';
import type { Ticket, TicketStatus } from '../ticketing/ticket.entity.ts';
import { withStatus } from '../ticketing/ticket-state.ts';
import { getTicket, lockTicket, writeNote } from '../ticketing/tickets.ts';
import type { OutboundMessage } from './outbound-message.entity.ts';
import { findQueued, queueOutbound } from './queue-outbound.ts';
import type { ChosenRecipients } from './recipients.ts';
import { IdempotencyKeyReusedError } from './reply-errors.ts';
import { sizeOf } from './reply-files.ts';
import { fingerprintOf, type NewReply, newReply, replyInput } from './reply-input.ts';
import { planReply, type ReplyPlan } from './reply-plan.ts';
import type { ReplyWarning } from './reply-warnings.ts';
import { Upload } from './upload.entity.ts';

/** Who replies, and when. */
export interface ReplyActor {
  actor: { organizationId: string; userId: string };
  now: Date;
}

/** What was told of a reply; the same again for the same request. */
export interface ReplyReport {
  added: ChosenRecipients['added'];
  dropped: ChosenRecipients['dropped'];
  warnings: ReplyWarning[];
}

/** The same as it is kept, with what it was asked by (see {@link fingerprintOf}; absent in older rows). */
type StoredReport = ReplyReport & { fingerprint?: string };

/** A reply that waits to be sent. */
export interface QueuedReply extends ReplyReport {
  message: Message;
  outboundMessage: OutboundMessage;
  ticket: Ticket;
}

/** What would be sent, see {@link planReply}. Writes nothing. */
export async function previewReply(
  em: EntityManager,
  input: Omit<NewReply, 'note' | 'status' | 'idempotencyKey'>,
  { actor, now }: ReplyActor,
): Promise<ReplyPlan> {
  const given = parseInput(replyInput, input);
  const ticket = await getTicket(em, given.ticketId);
  return await planReply(em, ticket, given, { ...actor, now, isForGood: false });
}

/**
 * Answers: the message of the ticket, its files, the mail in the outbox, the note and the change of status, all or nothing.
 * A closed ticket opens again unless `status` says otherwise. The same idempotency key of the same user is the same reply:
 * nothing is written, and the answer is the first one. With another content it is refused: who changed it believes that
 * what they changed was sent.
 *
 * Throws InvalidInputError, NotFoundError, CannotSendError, {@link IdempotencyKeyReusedError} and what is in reply-errors.ts.
 */
export async function replyToTicket(
  em: EntityManager,
  input: NewReply,
  { actor, now }: ReplyActor,
): Promise<QueuedReply> {
  const given = parseInput(newReply, input);
  const { organizationId, userId } = actor;
  return em.transactional(async (inside) => {
    const key = given.idempotencyKey ?? null;
    const queued = key === null ? null : await findQueued(inside, organizationId, userId, key);
    const fingerprint = fingerprintOf(given);
    if (queued !== null) {
      return await answerAgain(inside, organizationId, queued, { ticketId: given.ticketId, fingerprint });
    }

    const ticket = await lockTicket(inside, given.ticketId);
    const plan = await planReply(inside, ticket, given, { ...actor, now, isForGood: true });
    const { chosen, recipients, body } = plan;
    const message = inside.create(Message, {
      organization: inside.getReference(Organization, organizationId),
      ticket,
      kind: 'OUTBOUND',
      from: chosen.from,
      to: recipients.to,
      cc: recipients.cc,
      subject: plan.subject,
      text: body.text,
      html: sanitizeMailHtml(body.html),
      strippedText: body.ownText === '' ? body.text : body.ownText,
      mailbox: chosen.mailbox,
      author: inside.getReference(User, userId),
      createdAt: now,
      updatedAt: now,
    });
    attach(inside, organizationId, message, plan, now);
    await inside.flush();
    await inside.nativeDelete(Upload, { id: { $in: given.uploadIds } });
    await storeParts(inside, organizationId, message.id, plan);
    const outboundMessage = await queueOutbound(inside, {
      organizationId,
      kind: 'REPLY',
      chosen,
      ticketId: ticket.id,
      messageId: message.id,
      authorId: userId,
      idempotencyKey: key,
      to: recipients.to,
      cc: recipients.cc,
      bcc: recipients.bcc,
      subject: plan.subject,
      bodyHtml: body.html,
      bodyText: body.text,
      inReplyTo: plan.inReplyTo,
      references: plan.references,
      answersGraphMessageId: plan.answersGraphMessageId,
      isAutomatic: false,
      filesBytes: sizeOf(plan.files),
      now,
    });
    const report = { added: recipients.added, dropped: recipients.dropped, warnings: plan.warnings };
    await storeReport(inside, organizationId, outboundMessage.id, { ...report, fingerprint });

    const note = given.note ? writeNote(inside, ticket, given.note, actor) : null;
    const isClosed = setStatus(
      ticket,
      given.status ?? (ticket.status === 'CLOSED' ? 'OPEN' : ticket.status),
      now,
    );
    if (ticket.lastMessageAt < now) ticket.lastMessageAt = now;
    await inside.flush();
    await recordEvents(inside, organizationId, [
      { type: 'message.added', ticketId: ticket.id, messageId: message.id },
      ...(note
        ? [{ type: 'message.added', ticketId: ticket.id, messageId: note.id } satisfies DomainEvent]
        : []),
      { type: 'ticket.updated', ticketId: ticket.id },
      ...(isClosed ? [{ type: 'ticket.closed', ticketId: ticket.id } satisfies DomainEvent] : []),
    ]);
    return { message, outboundMessage, ticket, ...report };
  });
}

/** Sets the status; true when that closed the ticket. */
function setStatus(ticket: Ticket, status: TicketStatus, now: Date): boolean {
  const wasClosed = ticket.status === 'CLOSED';
  const state = withStatus({ status: ticket.status, closedAt: ticket.closedAt ?? null }, status, now);
  ticket.status = state.status;
  ticket.closedAt = state.closedAt;
  return !wasClosed && status === 'CLOSED';
}

function attach(
  em: EntityManager,
  organizationId: string,
  message: Message,
  { files }: ReplyPlan,
  now: Date,
): void {
  for (const [position, file] of files.entries()) {
    em.create(Attachment, {
      id: uuidv7(),
      organization: em.getReference(Organization, organizationId),
      message,
      position,
      state: 'STORED',
      ...file,
      createdAt: now,
      updatedAt: now,
    });
  }
}

/** What is folded away of the message, and what it refers to: as ingest keeps it of mail that came. */
async function storeParts(
  em: EntityManager,
  organizationId: string,
  messageId: string,
  { body, quote, references }: ReplyPlan,
): Promise<void> {
  await em.execute(
    `insert into message_detail (organization_id, message_id, quoted_text, signature, internet_references)
     values (?, ?, ?, ?, (select array_agg(value) from json_array_elements_text(?::json)))`,
    [
      organizationId,
      messageId,
      quote === null ? null : `${quote.attribution}\n\n${quote.text}`,
      body.signature,
      JSON.stringify(references),
    ],
  );
}

async function storeReport(
  em: EntityManager,
  organizationId: string,
  outboundMessageId: string,
  report: StoredReport,
): Promise<void> {
  await em.execute(
    'update outbound_message set composition = ?::jsonb where organization_id = ? and id = ?',
    [JSON.stringify(report), organizationId, outboundMessageId],
  );
}

async function answerAgain(
  em: EntityManager,
  organizationId: string,
  outboundMessage: OutboundMessage,
  { ticketId, fingerprint }: { ticketId: string; fingerprint: string },
): Promise<QueuedReply> {
  const [row] = await em.execute<{ composition: StoredReport | null }[]>(
    'select composition from outbound_message where organization_id = ? and id = ?',
    [organizationId, outboundMessage.id],
  );
  const message = (await outboundMessage.message?.loadOrFail()) ?? null;
  // Where the ticket was merged into another one meanwhile, the message went with it.
  if (outboundMessage.kind !== 'REPLY' || message === null) throw new IdempotencyKeyReusedError();
  const ticket = await message.ticket.loadOrFail();
  const isSame = ticket.id === ticketId || outboundMessage.ticket?.id === ticketId;
  const { added = [], dropped = [], warnings = [], fingerprint: known } = row?.composition ?? {};
  if (!isSame || (known !== undefined && known !== fingerprint)) throw new IdempotencyKeyReusedError();
  return { message, outboundMessage, ticket, added, dropped, warnings };
}

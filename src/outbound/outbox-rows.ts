/*
 * The rows of the outbox as the delivery reads and writes them. Every write names the version that it was decided on: should
 * two processes be at the same row (a worker that has lost its database for a moment), the slower one writes nothing more.
 */

import { Organization } from '../access/organization.entity.ts';
import { findSender, refusalOf, type Sender } from '../mailboxes/choose-identity.ts';
import type { CannotSendError } from '../mailboxes/sending-errors.ts';
import type { OutgoingMail } from '../microsoft365/mail-sending.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import {
  type OutboundKind,
  type OutboundLane,
  OutboundMessage,
  type OutboundState,
} from './outbound-message.entity.ts';

/** Another process is at the row: leave it to that one. */
export class LostRowError extends Error {
  constructor() {
    super('Another process is at the mail.');
  }
}

/** A lane of a mailbox. */
export interface Lane {
  organizationId: string;
  mailboxId: string;
  lane: OutboundLane;
}

/** A row that is being delivered, as a plain object: it is written by {@link saveClaimed} alone, never by a flush. */
export interface DeliveryRow {
  readonly id: string;
  readonly organizationId: string;
  readonly mailboxId: string;
  readonly ticketId: string | null;
  readonly messageId: string | null;
  readonly kind: OutboundKind;
  readonly recipientCount: number;
  readonly queuedAt: Date;
  readonly mail: OutgoingMail;
  version: number;
  state: OutboundState;
  attempts: number;
  failures: number;
  graphMessageId: string | null;
  internetMessageId: string | null;
  conversationId: string | null;
  failedSince: Date | null;
  draftAttemptedAt: Date | null;
  filesCompleteAt: Date | null;
  sendAttemptedAt: Date | null;
  sentAt: Date | null;
  problem: Problem | null;
}

/** A mail with what it is sent with. */
export interface LoadedMail {
  row: DeliveryRow;
  sender: Sender;
  /**
   * Why it cannot be sent as things are now. They may have changed since it was queued: a mailbox may have become one
   * person's own, or people may no longer send from their own mailboxes.
   */
  refusal: () => CannotSendError | null;
}

/** A mail with all that it is sent with. Null when it is gone, or not claimed any more. */
export async function loadForDelivery(
  em: EntityManager,
  organizationId: string,
  id: string,
): Promise<LoadedMail | null> {
  const found = await em.findOne(
    OutboundMessage,
    { id, state: 'SENDING' },
    { populate: ['bodyHtml', 'bodyText'], refresh: true },
  );
  const sender = found && (await findSender(em, found.identity.id));
  if (!found || !sender) return null;
  const organization = await em.findOneOrFail(Organization, { id: organizationId }, { refresh: true });
  const html = found.bodyHtml ?? null;
  const mail: OutgoingMail = {
    outboundMessageId: id,
    organizationId,
    from: found.from,
    replyTo: found.replyTo,
    to: found.to,
    cc: found.cc,
    bcc: found.bcc,
    subject: found.subject,
    body: { contentType: html === null ? 'text' : 'html', content: html ?? found.bodyText },
    answersGraphMessageId: found.answersGraphMessageId ?? null,
    inReplyTo: found.inReplyTo ?? null,
    references: found.references,
    isAutomatic: found.isAutomatic,
  };
  const row: DeliveryRow = {
    id,
    organizationId,
    mailboxId: found.mailbox.id,
    ticketId: found.ticket?.id ?? null,
    messageId: found.message?.id ?? null,
    kind: found.kind,
    recipientCount: found.recipientCount,
    queuedAt: found.createdAt,
    mail,
    version: found.version,
    state: found.state,
    attempts: found.attempts,
    failures: found.failures,
    graphMessageId: found.graphMessageId ?? null,
    internetMessageId: found.internetMessageId ?? null,
    conversationId: found.conversationId ?? null,
    failedSince: found.failedSince ?? null,
    draftAttemptedAt: found.draftAttemptedAt ?? null,
    filesCompleteAt: found.filesCompleteAt ?? null,
    sendAttemptedAt: found.sendAttemptedAt ?? null,
    sentAt: found.sentAt ?? null,
    problem: found.problem ?? null,
  };
  const refusal = () => {
    const reason = refusalOf(sender, organization, found.author?.id ?? null);
    // That it is blocked is what the mailbox was told before: this mail finds out whether it still is.
    return reason?.code === 'SENDING_BLOCKED' ? null : reason;
  };
  return { row, sender, refusal };
}

/** What the delivery changes of a row. */
export type OutboundChanges = Partial<
  Pick<
    DeliveryRow,
    | 'state'
    | 'graphMessageId'
    | 'internetMessageId'
    | 'conversationId'
    | 'attempts'
    | 'failures'
    | 'failedSince'
    | 'draftAttemptedAt'
    | 'filesCompleteAt'
    | 'sendAttemptedAt'
    | 'sentAt'
    | 'problem'
  >
>;

/**
 * Writes to a row that is being delivered, here and in the database. Throws {@link LostRowError} when somebody else has
 * written meanwhile.
 */
export async function saveClaimed(
  em: EntityManager,
  row: DeliveryRow,
  changes: OutboundChanges,
  now: Date,
): Promise<void> {
  const { id, organizationId, version } = row;
  const changed = await em.nativeUpdate(
    OutboundMessage,
    { id, organization: organizationId, version, state: 'SENDING' },
    { ...changes, version: version + 1, updatedAt: now },
  );
  if (changed === 0) throw new LostRowError();
  Object.assign(row, changes, { version: version + 1 });
}

/** When a row that waits is due, by the database's clock, as everything that decides about time here. */
export async function postpone(
  em: EntityManager,
  organizationId: string,
  id: string,
  milliseconds: number,
): Promise<void> {
  await em.execute(
    `update outbound_message set due_at = clock_timestamp() + ?::float8 * interval '1 millisecond'
      where organization_id = ? and id = ?`,
    [milliseconds, organizationId, id],
  );
}

/** The lanes in which mails of a ticket wait: one of them may have waited for the one that has just ended. */
export async function lanesOfTicket(
  em: EntityManager,
  organizationId: string,
  ticketId: string,
): Promise<Lane[]> {
  const rows = await em.execute<{ mailbox_id: string; lane: OutboundLane }[]>(
    `select distinct mailbox_id, lane from outbound_message
      where organization_id = ? and ticket_id = ? and state in ('QUEUED', 'SENDING')`,
    [organizationId, ticketId],
  );
  return rows.map(({ mailbox_id: mailboxId, lane }) => ({ organizationId, mailboxId, lane }));
}

/** Gives the message of the ticket the Message-ID, the conversation and the time of the mail that it is. */
export async function nameMessage(
  em: EntityManager,
  { organizationId, messageId, sentAt }: Pick<DeliveryRow, 'organizationId' | 'messageId' | 'sentAt'>,
  { internetMessageId, conversationId }: Pick<DeliveryRow, 'internetMessageId' | 'conversationId'>,
  now: Date,
): Promise<void> {
  if (messageId === null) return;
  await em.execute(
    `update message set internet_message_id = coalesce(?, internet_message_id),
       conversation_id = coalesce(?, conversation_id), sent_at = coalesce(?::timestamptz, sent_at), updated_at = ?
      where organization_id = ? and id = ?`,
    [internetMessageId, conversationId, sentAt, now, organizationId, messageId],
  );
}

/** The time by the database's clock, which all processes share. */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ at: string | Date }[]>('select clock_timestamp() as at');
  return new Date(row?.at ?? Number.NaN);
}

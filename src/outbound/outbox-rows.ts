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
import { recordEvents } from '../realtime/record.ts';
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

/**
 * An earlier mail of the same ticket that is not sent yet. A notification that fails does not hold up what people write.
 * SQL, of `queued` and for `$earlier`.
 */
const BEHIND_ANOTHER = `exists (select from outbound_message as earlier
  where earlier.organization_id = queued.organization_id and earlier.ticket_id = queued.ticket_id
    and earlier.position < queued.position and earlier.state in ('QUEUED', 'SENDING')
    and not (earlier.priority > queued.priority and earlier.failed_since is not null))`;

/** As urgent as the most urgent mail that waits behind it: a reply waits for no other notification than its ticket's own. */
const URGENCY = `least(queued.priority, coalesce((select min(later.priority) from outbound_message as later
  where later.organization_id = queued.organization_id and later.ticket_id = queued.ticket_id
    and later.position > queued.position and later.state = 'QUEUED'), queued.priority))`;

/** Without a problem it is due at once, by whichever clock it was queued. */
const IS_DUE = '(queued.problem is null or queued.due_at <= clock_timestamp())';

/**
 * Takes the next mail of a lane that is due, and says so to everybody. Null when there is none. In one statement with the
 * choice: what was cancelled in the same instant is not taken, and what was taken cannot be cancelled any more.
 */
export async function claimNext(
  em: EntityManager,
  { organizationId, mailboxId, lane }: Lane,
  now: Date,
): Promise<string | null> {
  return await em.transactional(async (inside) => {
    const [row] = await inside.execute<{ id: string; ticket_id: string | null }[]>(
      `update outbound_message as taken
          set state = 'SENDING', attempts = attempts + 1, version = version + 1, updated_at = ?
        where taken.organization_id = ? and taken.state in ('QUEUED', 'SENDING') and taken.id = (
          select id from outbound_message as queued
           where queued.organization_id = ? and queued.mailbox_id = ? and queued.lane = ?
             and queued.state in ('QUEUED', 'SENDING') and ${IS_DUE} and not ${BEHIND_ANOTHER}
           order by ${URGENCY}, queued.position limit 1)
        returning id, ticket_id`,
      [now, organizationId, organizationId, mailboxId, lane],
    );
    if (row === undefined) return null;
    await recordEvents(inside, organizationId, [
      { type: 'outbound-message.changed', outboundMessageId: row.id, ticketId: row.ticket_id },
    ]);
    return row.id;
  });
}

/** After how many milliseconds something of the lane is due; null when nothing waits that only time makes due. */
export async function dueAfter(
  em: EntityManager,
  { organizationId, mailboxId, lane }: Lane,
): Promise<number | null> {
  const [row] = await em.execute<{ milliseconds: number | null }[]>(
    `select (extract(epoch from min(case when problem is null then clock_timestamp() else due_at end)
         - clock_timestamp()) * 1000)::float8 as milliseconds
       from outbound_message as queued
      where organization_id = ? and mailbox_id = ? and lane = ? and state in ('QUEUED', 'SENDING')
        and not ${BEHIND_ANOTHER}`,
    [organizationId, mailboxId, lane],
  );
  return row?.milliseconds == null ? null : Math.max(0, row.milliseconds);
}

/** After how many milliseconds the first of those is due that are waiting for their time; null when none is. */
export async function nextDueAfter(
  em: EntityManager,
  { organizationId, mailboxId, lane }: Lane,
): Promise<number | null> {
  const [row] = await em.execute<{ milliseconds: number | null }[]>(
    `select (extract(epoch from min(due_at) - clock_timestamp()) * 1000)::float8 as milliseconds
       from outbound_message
      where organization_id = ? and mailbox_id = ? and lane = ? and state in ('QUEUED', 'SENDING')
        and problem is not null and due_at > clock_timestamp()`,
    [organizationId, mailboxId, lane],
  );
  return row?.milliseconds == null ? null : Math.max(0, row.milliseconds);
}

/** Whether a more urgent mail of its ticket waits behind a mail. */
export async function holdsUpAnother(
  em: EntityManager,
  { organizationId, id }: Pick<DeliveryRow, 'organizationId' | 'id'>,
): Promise<boolean> {
  const found = await em.execute<object[]>(
    `select from outbound_message as own join outbound_message as later
         on later.organization_id = own.organization_id and later.ticket_id = own.ticket_id
           and later.position > own.position and later.priority < own.priority and later.state = 'QUEUED'
      where own.organization_id = ? and own.id = ? limit 1`,
    [organizationId, id],
  );
  return found.length > 0;
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
  return { row, sender, refusal: () => refusalOf(sender, organization, found.author?.id ?? null) };
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

import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { type ChosenIdentity, chooseIdentity } from '../mailboxes/choose-identity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { CannotSendError } from '../mailboxes/sending-errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { sanitizeMailHtml } from '../ticketing/html-sanitizing.ts';
import { type Correspondent, Message } from '../ticketing/message.entity.ts';
import { ticketToken } from '../ticketing/subject.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { type RenderedMail, renderTemplate, usedTemplate } from './mail-templates.ts';
import { Notification } from './notification.entity.ts';
import {
  chooseRecipient,
  type NotificationCause,
  type Recipient,
  type Skipped,
} from './notification-decision.ts';
import { loadSubject, type NotificationSubject, variablesOf } from './notification-facts.ts';
import { reachedLimit } from './notification-limits.ts';
import { isSwitchedOn } from './notification-settings.ts';
import { queueOutbound } from './queue-outbound.ts';
import { replyAddressOf } from './reply-address.ts';
import { addressesWrittenTo, type MailReferences, referencesOf } from './reply-references.ts';
import { loadReplyThread, type ReplyThread } from './reply-thread.ts';
import { TemplateError } from './template-error.ts';
import { htmlOfText } from './text-html.ts';

/** An event of a ticket that somebody may want to hear of. */
export interface TicketEvent extends Omit<NotificationCause, 'age'> {
  organizationId: string;
  ticketId: string;
  /** The message that it is about; null: the last one. */
  messageId: string | null;
  /** The number of the event in the log. */
  position: bigint;
  recordedAt: Date;
}

/**
 * Tells of an event by mail, if that is switched on, and writes down what was decided: the row, and the mail in the
 * outbox, in the caller's transaction. What is switched off leaves no row. Call it for one event after the other, as the
 * consumer does under its lock: that is what makes the limits hold.
 */
export async function notify(em: EntityManager, event: TicketEvent, now: Date): Promise<void> {
  const { organizationId, kind } = event;
  const loaded = await loadSubject(em, organizationId, event.ticketId, event.messageId);
  // The mail that opened the ticket is answered, also when another one has come meanwhile.
  const subject = loaded && kind === 'RECEIVED' ? { ...loaded, message: loaded.opening } : loaded;
  if (subject === null || !(await isWanted(em, event, subject))) return;
  const thread = await threadOf(em, event, subject);
  const decided = await decide(em, event, subject, thread, now);
  const skipped = 'skipped' in decided ? decided.skipped : null;
  const outboundMessage = 'skipped' in decided ? null : await send(em, event, subject, thread, decided, now);
  em.create(Notification, {
    organization: em.getReference(Organization, organizationId),
    eventPosition: event.position.toString(),
    kind,
    ticket: em.getReference(Ticket, subject.ticket.id),
    mailbox: subject.mailbox === null ? null : em.getReference(Mailbox, subject.mailbox.id),
    recipient: 'skipped' in decided ? decided.skipped.recipient : decided.recipient.emailAddress,
    outcome: skipped === null ? 'QUEUED' : 'SKIPPED',
    reason: skipped?.reason ?? null,
    explanation: skipped?.explanation ?? EXPLANATIONS[kind],
    outboundMessage,
    createdAt: now,
    updatedAt: now,
  });
  await em.flush();
}

const EXPLANATIONS = {
  RECEIVED: 'Sent: a new ticket, and who asked is told that it came.',
  CLOSED: 'Sent: the ticket was closed, and who asked is told.',
  ASSIGNED: 'Sent: the ticket was given to somebody, who is told.',
  REPLIED: 'Sent: somebody wrote, and who works on the ticket is told.',
} as const;

/** Whether somebody may be told at all: of things that are never told of there is no row either. */
async function isWanted(
  em: EntityManager,
  { organizationId, kind, recordedAt }: TicketEvent,
  { ticket, opening, message, group, mailbox, assignee }: NotificationSubject,
): Promise<boolean> {
  // A person opened it, or moved a message out of another ticket: nothing was received.
  if (kind === 'RECEIVED' && (opening === null || ticket.isMadeOfMessage)) return false;
  if (kind === 'REPLIED') {
    const isReply = message?.kind === 'INBOUND' && message.id !== opening?.id;
    if (!isReply || assignee === null) return false;
  }
  return isSwitchedOn(em, organizationId, {
    kind,
    groupId: group?.id ?? null,
    mailboxId: mailbox?.id ?? null,
    recordedAt,
  });
}

/** A mail that is ready to be queued. */
interface Decided {
  recipient: Recipient;
  chosen: ChosenIdentity;
  mail: RenderedMail;
}

async function decide(
  em: EntityManager,
  event: TicketEvent,
  subject: NotificationSubject,
  thread: ReplyThread | null,
  now: Date,
): Promise<Decided | { skipped: Skipped }> {
  const { organizationId, kind } = event;
  const own = await ownAddresses(em, organizationId, subject);
  // Mail may have lain in the mailbox for long: while nothing ran, or until it was found missing here.
  const receivedAt = (kind === 'RECEIVED' ? subject.opening?.receivedAt : null) ?? Number.POSITIVE_INFINITY;
  const happenedAt = Math.min(event.recordedAt.getTime(), receivedAt);
  const cause = { ...event, age: now.getTime() - happenedAt };
  const recipient = chooseRecipient(cause, subject, (address) => own.has(address));
  if ('reason' in recipient) return { skipped: recipient };
  const { emailAddress } = recipient;
  const skip = (reason: Skipped['reason'], because: string) => ({
    skipped: { reason, explanation: `Not sent: ${because}.`, recipient: emailAddress },
  });
  const limit = await reachedLimit(em, event, subject, recipient, now);
  if (limit !== null) return skip(limit.reason, limit.because);
  const { chosen, refusal } = await chooseSender(em, organizationId, subject, thread, now);
  if (chosen === null) return skip('CANNOT_SEND', refusal.message.replace(/\.$/, ''));
  try {
    const actor = event.byUserId ? await em.findOne(User, { id: event.byUserId }) : null;
    const variables = {
      ...variablesOf(kind, subject, actor?.name ?? null),
      mailbox: { name: chosen.from.name, address: chosen.from.emailAddress },
    };
    const mail = renderTemplate(await usedTemplate(em, kind), variables);
    return { recipient, chosen, mail: recipient.isUser ? mail : finished(mail, chosen, subject) };
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    return skip('TEMPLATE_FAILED', thrown.message.replace(/\.$/, ''));
  }
}

/** Mail to a customer carries the token of its ticket and the signature of its sender. */
function finished(
  { subject, html, text }: RenderedMail,
  { signature }: ChosenIdentity,
  { ticket: { number } }: NotificationSubject,
): RenderedMail {
  const token = ticketToken(number);
  const signatureHtml = signature.html ?? (signature.text === null ? null : htmlOfText(signature.text));
  return {
    subject: subject.includes(token) ? subject : `${subject.slice(0, 240)} ${token}`.trim(),
    html: signatureHtml === null ? html : `${html}\n<br>\n<div>${signatureHtml}</div>`,
    text: signature.text === null ? text : `${text}\n\n-- \n${signature.text.trim()}`,
  };
}

/** Those of the addresses that this may go to which are our own; a user's own mailbox is theirs. */
async function ownAddresses(
  em: EntityManager,
  organizationId: string,
  { requester, opening, assignee }: NotificationSubject,
): Promise<Set<string>> {
  const addresses = [requester.emailAddress, opening?.from?.emailAddress, assignee?.emailAddress];
  const asked = addresses.filter((address) => address != null);
  const rows = await em.execute<{ address: string }[]>(
    `select lower(email_address) as address from mailbox
       where organization_id = ? and removed_at is null and lower(email_address) in (?)
         and personal_user_id is distinct from ?::uuid
     union
     select identity.email_address from identity
       join mailbox on mailbox.organization_id = identity.organization_id and mailbox.id = identity.mailbox_id
       where identity.organization_id = ? and identity.removed_at is null and mailbox.removed_at is null
         and identity.email_address in (?) and mailbox.personal_user_id is distinct from ?::uuid`,
    [organizationId, asked, assignee?.id ?? NOBODY, organizationId, asked, assignee?.id ?? NOBODY],
  );
  return new Set(rows.map(({ address }) => address));
}

/** An id that no row has: mailboxes that are nobody's own stay ours. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

async function chooseSender(
  em: EntityManager,
  organizationId: string,
  { mailbox, message }: NotificationSubject,
  thread: ReplyThread | null,
  now: Date,
): Promise<{ chosen: ChosenIdentity; refusal: null } | { chosen: null; refusal: CannotSendError }> {
  const named = [...(message?.to ?? []), ...(message?.cc ?? [])].map(({ emailAddress }) => emailAddress);
  const writtenTo = thread === null ? named : addressesWrittenTo(thread);
  const mailboxId = mailbox?.id ?? null;
  try {
    const wish = {
      organizationId,
      mailboxId,
      addressedTo: writtenTo,
      wantedIdentityId: null,
      userId: null,
      now,
    };
    const chosen = await chooseIdentity(em, wish);
    const conversation = { mailboxIds: [mailboxId], writtenTo, mails: thread?.mails ?? [] };
    const { replyTo } = await replyAddressOf(em, organizationId, chosen, conversation);
    return { chosen: { ...chosen, replyTo }, refusal: null };
  } catch (thrown) {
    if (!(thrown instanceof CannotSendError)) throw thrown;
    return { chosen: null, refusal: thrown };
  }
}

async function send(
  em: EntityManager,
  event: TicketEvent,
  subject: NotificationSubject,
  thread: ReplyThread | null,
  { recipient, chosen, mail }: Decided,
  now: Date,
) {
  const { organizationId } = event;
  const { ticket } = subject;
  const to: Correspondent[] = [{ name: recipient.name, emailAddress: recipient.emailAddress }];
  // Only what a customer gets is part of the conversation, and answers their mail; colleagues' mail is a thread of its own.
  const shown = recipient.isUser
    ? null
    : createMessage(em, organizationId, subject, { to, chosen, mail, now });
  await em.flush();
  const references = thread === null ? NO_THREAD : await referencesOf(em, thread, chosen.mailbox.id);
  const outbound = await queueOutbound(em, {
    organizationId,
    kind: 'NOTIFICATION',
    chosen,
    ticketId: ticket.id,
    messageId: shown?.id ?? null,
    authorId: null,
    idempotencyKey: null,
    to,
    cc: [],
    bcc: [],
    subject: mail.subject,
    bodyHtml: mail.html,
    bodyText: mail.text,
    ...references,
    isAutomatic: true,
    filesBytes: 0,
    now,
  });
  if (shown !== null) {
    await recordEvents(em, organizationId, [
      { type: 'message.added', ticketId: ticket.id, messageId: shown.id },
    ]);
  }
  return outbound;
}

function createMessage(
  em: EntityManager,
  organizationId: string,
  { ticket }: NotificationSubject,
  { to, chosen, mail, now }: { to: Correspondent[]; chosen: ChosenIdentity; mail: RenderedMail; now: Date },
): Message {
  return em.create(Message, {
    organization: em.getReference(Organization, organizationId),
    ticket: em.getReference(Ticket, ticket.id),
    kind: 'OUTBOUND',
    from: chosen.from,
    to,
    cc: [],
    subject: mail.subject,
    text: mail.text,
    html: sanitizeMailHtml(mail.html),
    strippedText: mail.text,
    mailbox: chosen.mailbox,
    automatic: 'AUTO_GENERATED',
    createdAt: now,
    updatedAt: now,
  });
}

const NO_THREAD: MailReferences = { inReplyTo: null, references: [], answersGraphMessageId: null };

/**
 * What a mail to a customer answers: the mail that opened the ticket, or what a reply to them would answer now, and so
 * nothing that a supplier wrote whom they do not know of. Null for a colleague.
 */
async function threadOf(
  em: EntityManager,
  { organizationId, kind }: TicketEvent,
  { ticket, opening }: NotificationSubject,
): Promise<ReplyThread | null> {
  if (kind !== 'RECEIVED' && kind !== 'CLOSED') return null;
  const row = await em.findOneOrFail(Ticket, { id: ticket.id });
  return loadReplyThread(em, organizationId, row, kind === 'RECEIVED' ? (opening?.id ?? null) : null);
}

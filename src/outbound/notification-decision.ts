import { DAY } from '../platform/clock.ts';
import { isByPerson } from '../ticketing/automatic-mail.ts';
import { isNoReplyAddress } from './no-reply-address.ts';
import type { NotificationKind, SkipReason } from './notification.entity.ts';
import type { NotificationSubject } from './notification-facts.ts';
import { isMailAddress } from './recipients.ts';

/** What happened longer ago is not told any more: nothing ran meanwhile, and people have seen it by now. */
export const MAX_AGE = 1 * DAY;

/** Something that happened to a ticket. */
export interface NotificationCause {
  kind: NotificationKind;
  /** Of `ASSIGNED`: to whom, and by whom; null: by a rule. */
  assigneeId?: string | null;
  byUserId?: string | null;
  /** How long ago, in milliseconds. */
  age: number;
}

/** Whom to tell. */
export interface Recipient {
  name: string | null;
  emailAddress: string;
  isUser: boolean;
}

/** Why nobody is told. */
export interface Skipped {
  reason: SkipReason;
  explanation: string;
  recipient: string | null;
}

/**
 * Whom a notification goes to, or why to nobody, as far as the ticket tells. Pure. Customers are never written to over
 * what machines or history wrote: that is what makes loops.
 */
export function chooseRecipient(
  cause: NotificationCause,
  subject: NotificationSubject,
  /** Whether the address is one of our mailboxes or identities. */
  isOwnAddress: (address: string) => boolean,
): Recipient | Skipped {
  const isToCustomer = cause.kind === 'RECEIVED' || cause.kind === 'CLOSED';
  const found = isToCustomer ? customer(cause, subject) : colleague(cause, subject);
  if ('reason' in found) return found;
  const { emailAddress } = found;
  const skipped = skip(emailAddress);
  if (cause.age > MAX_AGE) {
    return skipped('TOO_OLD', 'it happened more than a day before anything could be sent');
  }
  if (!isMailAddress(emailAddress)) return skipped('NO_RECIPIENT', `${emailAddress} is no address of mail`);
  if (isNoReplyAddress(emailAddress)) {
    return skipped('NO_REPLY_ADDRESS', `nobody reads ${emailAddress}, as its name says`);
  }
  if (isOwnAddress(emailAddress)) {
    return skipped('OWN_ADDRESS', `${emailAddress} is one of your own mailboxes or identities`);
  }
  return found;
}

function customer(
  { kind }: NotificationCause,
  { ticket, requester, opening, message }: NotificationSubject,
): Recipient | Skipped {
  const skipped = skip(requester.emailAddress);
  if (ticket.isImported || opening?.isImported) {
    return skipped('IMPORTED', 'the ticket is history that was imported');
  }
  if (opening !== null && opening.automatic !== null) {
    return skipped('AUTOMATIC', `a machine opened the ticket (${opening.automatic})`);
  }
  if (kind === 'RECEIVED') {
    if (opening === null) return skipped('NO_RECIPIENT', 'no mail opened the ticket');
    // The requester may be another by now; and who wrote is whom this is for.
    if (opening.from === null) return skipped('NO_RECIPIENT', 'the mail names no sender');
    return { ...opening.from, isUser: false };
  }
  if (ticket.status !== 'CLOSED') return skipped('OUTDATED', 'the ticket was opened again meanwhile');
  if (message !== null && message.automatic === 'STORM') {
    return skipped('AUTOMATIC', 'the last message was one of too many of its sender');
  }
  return { ...requester, isUser: false };
}

function colleague(
  { kind, assigneeId, byUserId }: NotificationCause,
  { ticket, assignee, message }: NotificationSubject,
): Recipient | Skipped {
  const skipped = skip(assignee?.emailAddress ?? null);
  if (assignee === null) return skipped('OUTDATED', 'nobody works on the ticket any more');
  if (kind === 'ASSIGNED' && assignee.id !== assigneeId) {
    return skipped('OUTDATED', 'the ticket was given to somebody else meanwhile');
  }
  if (kind === 'ASSIGNED' && assignee.id === byUserId) {
    return skipped('OWN_DOING', `${assignee.name} has taken the ticket`);
  }
  if (assignee.isDisabled) return skipped('NO_RECIPIENT', `${assignee.name} is disabled`);
  if (assignee.emailAddress === null) return skipped('NO_RECIPIENT', `${assignee.name} has no mail address`);
  if (kind === 'REPLIED') {
    // Mail of today may well answer a ticket that was imported.
    if (message === null ? ticket.isImported : message.isImported) {
      return skipped('IMPORTED', 'it is history that was imported');
    }
    if (message && !isByPerson(message.automatic)) {
      return skipped('AUTOMATIC', `a machine wrote the message (${message.automatic})`);
    }
    if (message?.from?.emailAddress === assignee.emailAddress) {
      return skipped('OWN_DOING', `${assignee.name} wrote the message`);
    }
  }
  return { name: assignee.name, emailAddress: assignee.emailAddress, isUser: true };
}

function skip(recipient: string | null) {
  return (reason: SkipReason, because: string): Skipped => ({
    reason,
    explanation: `Not sent: ${because}.`,
    recipient: recipient?.slice(0, 320) ?? null,
  });
}

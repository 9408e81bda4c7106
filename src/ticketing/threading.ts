import type { InboundReason } from './inbound-message.entity.ts';
import { baseSubject, ticketNumbersIn } from './subject.ts';

/** Most references of one mail that are looked up: the nearest ones and the root of the thread. */
const MAX_REFERENCES = 60;

/** A ticket that a mail could belong to. */
export interface CandidateTicket {
  id: string;
  number: number;
  /** When it was closed; null or left out while it is not. */
  closedAt?: Date | null;
}

/** A ticket with a message of the same Outlook conversation in the same mailbox. */
export interface ConversationCandidate {
  ticket: CandidateTicket;
  /** Base subjects of those messages, see {@link baseSubject}. */
  baseSubjects: ReadonlySet<string>;
}

/** What the choice looks at. Ids have their angle brackets, addresses are in lower case. */
export interface ThreadMail {
  internetMessageId: string | null;
  inReplyTo: readonly string[];
  /** Oldest first, as the header has them (RFC 5322, 3.6.4). */
  references: readonly string[];
  subject: string;
  conversationId: string | null;
  senderAddress: string | null;
}

/** What is known that could fit. */
export interface ThreadCandidates {
  ticketByMessageId: ReadonlyMap<string, CandidateTicket>;
  /** Further tickets with a message of the same Message-ID: ids are meant to be unique, and some robots' are not. */
  rivalsByMessageId?: ReadonlyMap<string, readonly CandidateTicket[]>;
  ticketByNumber: ReadonlyMap<number, CandidateTicket>;
  /** Numbers of tickets that were deleted. */
  deletedNumbers?: ReadonlySet<number>;
  /** Within one mailbox: conversation ids mean nothing elsewhere. The newest ticket first. */
  conversations: ReadonlyMap<string, readonly ConversationCandidate[]>;
  /** By ticket id, the addresses of its requester and of everybody in its messages. */
  participants: ReadonlyMap<string, ReadonlySet<string>>;
  /** The organization's mailboxes. They are in every ticket, so they prove nothing. */
  ownAddresses: ReadonlySet<string>;
}

/** The ticket that a mail belongs to, or null for a new one, and why. */
export interface ThreadChoice {
  ticketId: string | null;
  reason: Extract<InboundReason, 'NEW_CONVERSATION' | 'REFERENCES' | 'TICKET_TOKEN' | 'CONVERSATION'>;
  /** The decision in a sentence that an administrator can read. */
  explanation: string;
  /** What who works on a new ticket should know of the choice; null when that is nothing. */
  note: string | null;
}

/**
 * Chooses the ticket of a mail, the surest sign first:
 *
 * 1. `In-Reply-To` and `References`, nearest first. Message-IDs are unguessable for who never saw the thread.
 * 2. The token `[#123]` in the subject. Numbers are guessable, so only from somebody who takes part in that ticket.
 * 3. Outlook's conversation. It joins unrelated mails with equal subjects, so only with a known participant and the same
 *    base subject.
 *
 * `From` can be forged: 2 and 3 keep strangers out of tickets, they do not prove who wrote.
 */
export function chooseThread(mail: ThreadMail, candidates: ThreadCandidates): ThreadChoice {
  return (
    byReferences(mail, candidates) ??
    byToken(mail, candidates) ??
    byConversation(mail, candidates) ?? {
      ticketId: null,
      reason: 'NEW_CONVERSATION',
      explanation: explainNew(mail, candidates),
      note: noteOfNew(mail, candidates),
    }
  );
}

/** The Message-IDs that a mail refers to, nearest first: `In-Reply-To`, then `References` from the last backwards. */
export function nearestReferences(mail: ThreadMail): string[] {
  const backwards = mail.references.toReversed();
  const root = backwards.at(-1);
  const nearest = [...mail.inReplyTo.slice(0, 10), ...backwards].slice(0, MAX_REFERENCES);
  const all = new Set(root === undefined ? nearest : [...nearest, root]);
  if (mail.internetMessageId !== null) all.delete(mail.internetMessageId); // a mail that names itself
  return [...all];
}

function byReferences(mail: ThreadMail, candidates: ThreadCandidates): ThreadChoice | null {
  for (const id of nearestReferences(mail)) {
    const first = candidates.ticketByMessageId.get(id);
    if (first === undefined) continue;
    const rivals = candidates.rivalsByMessageId?.get(id) ?? [];
    const known = [first, ...rivals].find((one) => takesPart(mail.senderAddress, one, candidates));
    const ticket = rivals.length === 0 ? first : (known ?? first);
    const header = mail.inReplyTo.includes(id) ? 'In-Reply-To' : 'References';
    const names = `A reply: its ${header} names a message of ticket #${ticket.number}`;
    return {
      ticketId: ticket.id,
      reason: 'REFERENCES',
      explanation: `${names}${rivals.length === 0 ? '' : explainRivals(mail, ticket === known)}.`,
      note: null,
    };
  }
  return null;
}

function explainRivals({ senderAddress }: ThreadMail, takesPartInIt: boolean): string {
  const others = 'messages of other tickets have the same Message-ID, but ';
  return takesPartInIt
    ? `; ${others}${senderAddress} takes part in this one`
    : `; ${others}this one is of the same mailbox or the oldest`;
}

function byToken(mail: ThreadMail, candidates: ThreadCandidates): ThreadChoice | null {
  for (const number of ticketNumbersIn(mail.subject)) {
    const ticket = candidates.ticketByNumber.get(number);
    if (ticket === undefined || !takesPart(mail.senderAddress, ticket, candidates)) continue;
    return {
      ticketId: ticket.id,
      reason: 'TICKET_TOKEN',
      explanation: `A reply: its subject names ticket #${number}, and ${mail.senderAddress} takes part in it.`,
      note: null,
    };
  }
  return null;
}

function byConversation(mail: ThreadMail, candidates: ThreadCandidates): ThreadChoice | null {
  const subject = baseSubject(mail.subject);
  // Without a subject "the same subject" says nothing.
  if (mail.conversationId === null || subject === '') return null;
  for (const { ticket, baseSubjects } of candidates.conversations.get(mail.conversationId) ?? []) {
    if (!baseSubjects.has(subject) || !takesPart(mail.senderAddress, ticket, candidates)) continue;
    return {
      ticketId: ticket.id,
      reason: 'CONVERSATION',
      explanation:
        `A reply: the same Outlook conversation and subject as ticket #${ticket.number}, ` +
        `and ${mail.senderAddress} takes part in it.`,
      note: null,
    };
  }
  return null;
}

function takesPart(
  address: string | null,
  ticket: CandidateTicket,
  { participants, ownAddresses }: ThreadCandidates,
): boolean {
  if (address === null || ownAddresses.has(address)) return false;
  return participants.get(ticket.id)?.has(address) ?? false;
}

/** A token of a ticket in a ticket that is another: whoever reads it asks why. */
function noteOfNew(mail: ThreadMail, { ticketByNumber }: ThreadCandidates): string | null {
  const named = ticketNumbersIn(mail.subject)[0];
  if (named === undefined || !ticketByNumber.has(named)) return null;
  const sender = mail.senderAddress ?? 'a sender without an address';
  return `The subject names ticket #${named}, but ${sender} takes no part in that ticket and may have guessed the number: so this is a ticket of its own. If it belongs there, merge the two.`;
}

/** Why nothing fitted: what came nearest is what an administrator will ask about. */
function explainNew(mail: ThreadMail, candidates: ThreadCandidates): string {
  const sender = mail.senderAddress ?? 'a sender without an address';
  const named = ticketNumbersIn(mail.subject)[0];
  if (named !== undefined) {
    return candidates.ticketByNumber.has(named)
      ? `A new conversation: the subject names ticket #${named}, but ${sender} takes no part in it.`
      : `A new conversation: the subject names ticket #${named}, which ${candidates.deletedNumbers?.has(named) ? 'was deleted' : 'does not exist'}.`;
  }
  const neighbours =
    mail.conversationId === null ? [] : (candidates.conversations.get(mail.conversationId) ?? []);
  const neighbour = neighbours[0];
  if (neighbour !== undefined) {
    return (
      `A new conversation: Outlook groups it with ticket #${neighbour.ticket.number}, ` +
      `but its subject differs or ${sender} takes no part in that ticket.`
    );
  }
  return nearestReferences(mail).length > 0
    ? 'A new conversation: it refers to messages that are not known here.'
    : 'A new conversation: it refers to no other message.';
}

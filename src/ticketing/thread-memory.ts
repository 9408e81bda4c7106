import type { PreparedMail } from './prepare-mail.ts';
import { baseSubject } from './subject.ts';
import type { CandidateTicket, ThreadCandidates } from './threading.ts';

/** A message that is part of a ticket, as far as recognising a copy of it needs. */
export interface KnownOriginal {
  mailboxId: string;
  contentDigest: string;
  ticket: CandidateTicket;
}

/**
 * What is known about existing conversations while a page is taken in: loaded once from the database, then extended by
 * each mail of the page, so that the page's later mails see its earlier ones without a query.
 */
export class ThreadMemory {
  readonly #tickets = new Map<string, CandidateTicket>();
  readonly #byMessageId = new Map<string, CandidateTicket>();
  readonly #byNumber = new Map<number, CandidateTicket>();
  readonly #conversations = new Map<string, { ticket: CandidateTicket; baseSubjects: Set<string> }[]>();
  readonly #participants = new Map<string, Set<string>>();
  readonly #originals = new Map<string, KnownOriginal[]>();
  readonly #mailboxId: string;
  /** What the choice of a thread looks at. */
  readonly candidates: ThreadCandidates;

  constructor(mailboxId: string, ownAddresses: ReadonlySet<string>) {
    this.#mailboxId = mailboxId;
    this.candidates = {
      ticketByMessageId: this.#byMessageId,
      ticketByNumber: this.#byNumber,
      conversations: this.#conversations,
      participants: this.#participants,
      ownAddresses,
    };
  }

  addMessageId(messageId: string, ticket: CandidateTicket): void {
    this.#byMessageId.set(messageId, this.#know(ticket));
  }

  addNumber(ticket: CandidateTicket): void {
    this.#byNumber.set(ticket.number, this.#know(ticket));
  }

  addConversation(conversationId: string, ticket: CandidateTicket, subject: string): void {
    const known = this.#conversations.get(conversationId) ?? [];
    const same = known.find((candidate) => candidate.ticket.id === ticket.id);
    if (same === undefined)
      known.push({ ticket: this.#know(ticket), baseSubjects: new Set([baseSubject(subject)]) });
    else same.baseSubjects.add(baseSubject(subject));
    this.#conversations.set(conversationId, known);
  }

  addParticipants(ticketId: string, addresses: readonly string[]): void {
    const known = this.#participants.get(ticketId) ?? new Set();
    for (const address of addresses) known.add(address);
    this.#participants.set(ticketId, known);
  }

  addOriginal(internetMessageId: string, original: KnownOriginal): void {
    const known = this.#originals.get(internetMessageId) ?? [];
    known.push({ ...original, ticket: this.#know(original.ticket) });
    this.#originals.set(internetMessageId, known);
  }

  /** The ticket of this id; null when nothing here mentioned it. */
  ticket(id: string): CandidateTicket | null {
    return this.#tickets.get(id) ?? null;
  }

  /**
   * The ticket that holds the message of which `mail` is a copy, or null: same Message-ID, sender and body, and either
   * in the same mailbox (copied between folders) or in the ticket that the copy would join (one mail to two mailboxes).
   * A mail to two mailboxes that starts a conversation opens one ticket in each: they may be different teams.
   */
  originalOf(mail: PreparedMail, mailboxId: string, chosenTicketId: string | null): CandidateTicket | null {
    const { internetMessageId } = mail.summary;
    if (internetMessageId === null) return null;
    const original = this.#originals
      .get(internetMessageId)
      ?.find(
        (known) =>
          known.contentDigest === mail.contentDigest &&
          (known.mailboxId === mailboxId || known.ticket.id === chosenTicketId),
      );
    return original?.ticket ?? null;
  }

  /** Learns that `mail` is now a message of `ticket`. */
  remember(mail: PreparedMail, ticket: CandidateTicket): void {
    const { internetMessageId, conversationId, subject } = mail.thread;
    this.addNumber(ticket);
    this.addParticipants(ticket.id, [
      mail.sender.emailAddress,
      ...[...mail.to, ...mail.cc].map(({ emailAddress }) => emailAddress),
    ]);
    if (conversationId !== null) this.addConversation(conversationId, ticket, subject);
    if (internetMessageId === null || mail.contentDigest === null) return;
    // The first message of an id keeps it: a later one with the same id is odd, and may be a forgery.
    if (!this.#byMessageId.has(internetMessageId)) this.addMessageId(internetMessageId, ticket);
    this.addOriginal(internetMessageId, {
      mailboxId: this.#mailboxId,
      contentDigest: mail.contentDigest,
      ticket,
    });
  }

  #know(ticket: CandidateTicket): CandidateTicket {
    const known = this.#tickets.get(ticket.id);
    if (known !== undefined) return known;
    this.#tickets.set(ticket.id, ticket);
    return ticket;
  }
}

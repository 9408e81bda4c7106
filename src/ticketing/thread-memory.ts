import { hasDigest } from './content-digest.ts';
import { type CopyPolicy, isCopyOf, type KnownOriginal, type Tombstone } from './copies.ts';
import type { PreparedMail } from './prepare-mail.ts';
import { baseSubject } from './subject.ts';
import { type CandidateTicket, nearestReferences, type ThreadCandidates } from './threading.ts';

/** Most tickets that are looked at for one Message-ID. */
const MAX_RIVALS = 5;

/**
 * What is known about existing conversations while a page is taken in: loaded once from the database, then extended by
 * each mail of the page, so that the page's later mails see its earlier ones without a query.
 */
export class ThreadMemory {
  readonly #tickets = new Map<string, CandidateTicket>();
  readonly #byMessageId = new Map<string, CandidateTicket>();
  readonly #rivals = new Map<string, CandidateTicket[]>();
  readonly #byNumber = new Map<number, CandidateTicket>();
  readonly #conversations = new Map<string, { ticket: CandidateTicket; baseSubjects: Set<string> }[]>();
  readonly #participants = new Map<string, Set<string>>();
  readonly #originals = new Map<string, KnownOriginal[]>();
  readonly #tombstones = new Map<string, Tombstone[]>();
  readonly #deletedNumbers = new Set<number>();
  readonly #followUps = new Map<string, CandidateTicket>();
  /** By Message-ID and address: the user whom that notification went to. */
  readonly #notified = new Map<string, string>();
  readonly #notifications = new Set<string>();
  readonly #sent = new Set<string>();
  readonly #ownAddresses = new Set<string>();
  readonly #mailboxId: string;
  /** What the choice of a thread looks at. */
  readonly candidates: ThreadCandidates;

  constructor(mailboxId: string) {
    this.#mailboxId = mailboxId;
    this.candidates = {
      ticketByMessageId: this.#byMessageId,
      rivalsByMessageId: this.#rivals,
      ticketByNumber: this.#byNumber,
      deletedNumbers: this.#deletedNumbers,
      conversations: this.#conversations,
      participants: this.#participants,
      ownAddresses: this.#ownAddresses,
    };
  }

  /** Learns an address of ours, in lower case. */
  addOwnAddress(address: string): void {
    this.#ownAddresses.add(address);
  }

  /** The first ticket of an id keeps it, whoever writes it later: further ones are its rivals. */
  addMessageId(messageId: string, ticket: CandidateTicket): void {
    const first = this.#byMessageId.get(messageId);
    if (first === undefined) this.#byMessageId.set(messageId, this.#know(ticket));
    if (first === undefined || first.id === ticket.id) return;
    const rivals = this.#rivals.get(messageId) ?? [];
    if (rivals.length >= MAX_RIVALS || rivals.some(({ id }) => id === ticket.id)) return;
    this.#rivals.set(messageId, [...rivals, this.#know(ticket)]);
  }

  /** Learns of a notification to people here, which is no message of its ticket; `user`: to whom it went. */
  addNotification(
    messageId: string,
    ticket: CandidateTicket,
    user: { id: string; emailAddress: string } | null,
  ): void {
    this.addMessageId(messageId, ticket);
    this.#notifications.add(messageId);
    if (user !== null) this.#notified.set(`${messageId} ${user.emailAddress}`, user.id);
  }

  /** Whether the mail answers a notification to people here, whoever got it. */
  answersNotification({ thread }: PreparedMail): boolean {
    return nearestReferences(thread).some((id) => this.#notifications.has(id));
  }

  /** The id of the user who answers a notification that was sent to them, from the address it went to; else null. */
  notifiedSender({ thread }: PreparedMail): string | null {
    const known = nearestReferences(thread).map((id) => this.#notified.get(`${id} ${thread.senderAddress}`));
    return known.find((id) => id !== undefined) ?? null;
  }

  /** Learns that Deskgraph has sent a mail of this Message-ID. */
  addSent(messageId: string): void {
    this.#sent.add(messageId);
  }

  /** Whether the mail is one that Deskgraph has sent. Who else writes under its Message-ID is not meant. */
  isSentFromHere({ summary, thread }: PreparedMail): boolean {
    const { internetMessageId } = summary;
    if (internetMessageId === null || !this.#sent.has(internetMessageId)) return false;
    return thread.senderAddress !== null && this.candidates.ownAddresses.has(thread.senderAddress);
  }

  addNumber(ticket: CandidateTicket): void {
    this.#byNumber.set(ticket.number, this.#know(ticket));
  }

  /** Learns that a number that a merged ticket had leads to `ticket`, or, without one, to what was deleted. */
  addFormerNumber(number: number, ticket: CandidateTicket | null): void {
    if (ticket === null) this.#deletedNumbers.add(number);
    else this.#byNumber.set(number, this.#know(ticket));
  }

  addTombstone(internetMessageId: string, tombstone: Tombstone): void {
    const known = this.#tombstones.get(internetMessageId) ?? [];
    this.#tombstones.set(internetMessageId, [...known, tombstone]);
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

  /** Learns that `ticket` is the last of those that followed the ticket of this id up. */
  addFollowUp(ticketId: string, ticket: CandidateTicket): void {
    this.#followUps.set(ticketId, this.#know(ticket));
  }

  /** The last ticket that followed this one up; null when none did. */
  lastFollowUpOf(ticketId: string): CandidateTicket | null {
    let last = this.#followUps.get(ticketId) ?? null;
    // One that was opened in this page follows the last that was loaded.
    if (last !== null) last = this.#followUps.get(last.id) ?? last;
    return last;
  }

  /** The tickets that are closed, of all that were mentioned here. */
  closedTicketIds(): string[] {
    return [...this.#tickets.values()].flatMap(({ id, closedAt }) => (closedAt ? [id] : []));
  }

  /** The ticket of this id; null when nothing here mentioned it. */
  ticket(id: string): CandidateTicket | null {
    return this.#tickets.get(id) ?? null;
  }

  /** What is known of the message of which `mail` is a copy, or null: see {@link isCopyOf}. */
  originalOf(mail: PreparedMail, mailboxId: string, policy: CopyPolicy): KnownOriginal | null {
    return this.#sameIdAs(mail).find((known) => isCopyOf({ ...mail, mailboxId }, known, policy)) ?? null;
  }

  /** What is known of the same mail in another mailbox; null when there is none. Only where copies get tickets. */
  twinOf(mail: PreparedMail): KnownOriginal | null {
    const isTwin = ({ mailboxId, contentDigest }: KnownOriginal) =>
      mailboxId !== this.#mailboxId && hasDigest(mail, contentDigest);
    return this.#sameIdAs(mail).find(isTwin) ?? null;
  }

  /** What is known of the same mail as a message of this very ticket; null when it is none. */
  sameIn(mail: PreparedMail, ticket: CandidateTicket): KnownOriginal | null {
    const isSame = (known: KnownOriginal) =>
      known.ticket.id === ticket.id && hasDigest(mail, known.contentDigest);
    return this.#sameIdAs(mail).find(isSame) ?? null;
  }

  /** What is left of the mail of which `mail` is a copy, when its ticket was deleted; else null. */
  tombstoneOf(mail: PreparedMail, mailboxId: string, policy: CopyPolicy): Tombstone | null {
    const known = this.#tombstones.get(mail.summary.internetMessageId ?? '') ?? [];
    return known.find((one) => isCopyOf({ ...mail, mailboxId }, one, policy)) ?? null;
  }

  /** A ticket with another message of the same Message-ID: another sender, or another text. Null when there is none. */
  namesakeOf(mail: PreparedMail): CandidateTicket | null {
    const other = this.#sameIdAs(mail).find(({ contentDigest }) => !hasDigest(mail, contentDigest));
    return other?.ticket ?? null;
  }

  #sameIdAs({ summary: { internetMessageId } }: PreparedMail): readonly KnownOriginal[] {
    return internetMessageId === null ? [] : (this.#originals.get(internetMessageId) ?? []);
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
    // Its copy in another mailbox has its own ticket: replies that come here belong to the one here.
    if (this.twinOf(mail) !== null) this.#byMessageId.set(internetMessageId, this.#know(ticket));
    this.addMessageId(internetMessageId, ticket);
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

import { isByPerson } from './automatic-mail.ts';
import type { Decision } from './ingest-plan.ts';
import type { CandidateTicket } from './threading.ts';

/** Milliseconds in which messages are counted. */
export const STORM_WINDOW = 60 * 60 * 1_000;

/** A message that became part of a ticket, as far as counting needs. */
export interface CountedMail {
  ticket: CandidateTicket;
  receivedAt: Date;
  /** Whether it opened the ticket, or would have but for a storm. */
  isOpening: boolean;
  /** Whether it was one too many: its ticket is then the sender's storm ticket. */
  isStorm: boolean;
}

/** How much is too much; null: nothing is. */
export interface StormLimits {
  /** Tickets that one sender may open within an hour. */
  perSender: number | null;
  /** Messages of one sender to one ticket within an hour that count as written by a person. */
  perTicket: number | null;
}

/**
 * Turns a flood into one ticket. Headers do not matter: this holds for robots that follow no rule. A sender may open
 * so many tickets within an hour in the organization; the next mail opens the *storm ticket*, and further ones join it.
 * Within one ticket, what comes after so many messages of one sender in an hour counts as automatic: it neither reopens
 * the ticket nor is answered, which ends the game of two robots that answer each other. Nothing is lost: each mail is a
 * message of a ticket.
 */
export class StormWatch {
  readonly #limits: StormLimits;
  readonly #counted = new Map<string, CountedMail[]>();

  constructor(limits: StormLimits) {
    this.#limits = limits;
  }

  /** Learns what `sender` sent. */
  count(sender: string, counted: CountedMail): void {
    const known = this.#counted.get(sender) ?? [];
    known.push(counted);
    this.#counted.set(sender, known);
  }

  /** The decision about a mail as it becomes when there are too many like it. Learns of it. */
  calm(decision: Decision, now: Date): Decision {
    const { senderAddress } = decision.mail.mail.thread;
    if (senderAddress === null || decision.ticket === null || decision.mail.restoreTo) return decision;
    const receivedAt = decision.mail.mail.summary.receivedAt ?? now;
    const isOpening = decision.mail.outcome === 'TICKET_CREATED';
    const calmed = isOpening
      ? this.#calmOpening(decision, senderAddress, receivedAt)
      : this.#calmReply(decision, senderAddress, receivedAt);
    const { ticket } = calmed;
    if (ticket !== null) {
      const isStorm = calmed.mail.reason === 'STORM';
      this.count(senderAddress, { ticket, receivedAt, isOpening, isStorm });
    }
    return calmed;
  }

  #calmOpening(decision: Decision, sender: string, receivedAt: Date): Decision {
    const { perSender } = this.#limits;
    const opened = this.#within(sender, receivedAt).filter(({ isOpening }) => isOpening);
    if (perSender === null || opened.length < perSender) return decision;
    const many = `${sender} has opened ${perSender} tickets within an hour`;
    const storm = opened.findLast(({ isStorm, ticket }) => isStorm && !ticket.closedAt)?.ticket;
    if (storm === undefined) {
      const explanation = `A storm: ${many}. Further messages join this ticket, and nothing answers them.`;
      return { ...decision, mail: { ...decision.mail, reason: 'STORM', explanation, automatic: 'STORM' } };
    }
    return {
      mail: {
        ...decision.mail,
        outcome: 'REPLY_ADDED',
        reason: 'STORM',
        explanation: `A storm: ${many}. It joins ticket #${storm.number} with the others, and nothing answers it.`,
        ticketId: storm.id,
        automatic: 'STORM',
      },
      ticket: storm,
    };
  }

  #calmReply(decision: Decision, sender: string, receivedAt: Date): Decision {
    const { mail, ticket } = decision;
    const { perTicket } = this.#limits;
    const same = this.#within(sender, receivedAt).filter((counted) => counted.ticket.id === ticket?.id);
    if (!isByPerson(mail.automatic) || perTicket === null || same.length < perTicket) return decision;
    const explanation = `${mail.explanation} ${sender} has sent ${perTicket} messages to this ticket within an hour: it does not reopen the ticket, and nothing answers it.`;
    return { ...decision, mail: { ...mail, explanation, automatic: 'STORM' } };
  }

  #within(sender: string, until: Date): CountedMail[] {
    const since = until.getTime() - STORM_WINDOW;
    return (this.#counted.get(sender) ?? []).filter(({ receivedAt }) => {
      const time = receivedAt.getTime();
      return time > since && time <= until.getTime();
    });
  }
}

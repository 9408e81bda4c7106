import { createDice, type Dice } from './random.ts';
import type { StagedMailbox } from './stage.ts';

/** A mail that will arrive. */
export interface PlannedMail {
  mailbox: string;
  messageId: string;
  inReplyTo: string | null;
  subject: string;
  from: string;
  /** The size of its file; null without one. */
  attachmentBytes: number | null;
}

/** Mails that arrive at one moment. */
export interface PlannedDelivery {
  /** Milliseconds since the traffic began. */
  at: number;
  mails: PlannedMail[];
}

interface Thread {
  mailbox: string;
  topic: string;
  customer: string;
  /** What has arrived of it, and can be answered. */
  arrived: string[];
}

const PREFIXES = ['Re: ', 'RE: ', 'AW: ', 'Re: Re: '];
const MEAN_PAUSE_MILLISECONDS = 450;
/** Which share of mails waits for its answer to arrive before it. */
const EARLY_ANSWERS = 0.06;

/**
 * What arrives when. Threads stay inside of their mailbox. A mail whose answer arrives first has the same author as the answer:
 * it names nothing, so that Outlook's conversation and the author are all that joins them.
 */
export function planTraffic(
  seed: number,
  milliseconds: number,
  mailboxes: readonly StagedMailbox[],
): PlannedDelivery[] {
  const dice = createDice(seed, 'traffic');
  const desk = new Correspondence(seed, dice);
  const deliveries: PlannedDelivery[] = [];
  const bursts = Math.max(1, Math.round(milliseconds / 20_000));
  const burstTimes = Array.from({ length: bursts }, () => dice.between(0, milliseconds));
  for (let at = 0; at < milliseconds; at += dice.between(0, 2 * MEAN_PAUSE_MILLISECONDS)) {
    const mails = desk.overdue(at);
    for (let more = dice.whole(1, 4); more > 0; more -= 1) {
      mails.push(desk.next(dice.pick(mailboxes).name, at));
    }
    deliveries.push({ at, mails });
  }
  for (const at of burstTimes) {
    const { name } = dice.pick(mailboxes);
    // Nothing in a burst answers what has not arrived: deliveries are sorted by time afterwards.
    const size = dice.whole(100, 300);
    deliveries.push({ at, mails: desk.burst(name, size) });
  }
  deliveries.push({ at: milliseconds, mails: desk.overdue(Number.POSITIVE_INFINITY) });
  return deliveries.filter(({ mails }) => mails.length > 0).toSorted((one, other) => one.at - other.at);
}

class Correspondence {
  readonly #seed: number;
  readonly #dice: Dice;
  readonly #threads = new Map<string, Thread[]>();
  #waiting: { at: number; thread: Thread; mail: PlannedMail }[] = [];
  #mails = 0;
  #topics = 0;

  constructor(seed: number, dice: Dice) {
    this.#seed = seed;
    this.#dice = dice;
  }

  /** The originals whose answers have come before them, and whose time has come now. */
  overdue(at: number): PlannedMail[] {
    const due = this.#waiting.filter((one) => one.at <= at);
    this.#waiting = this.#waiting.filter((one) => one.at > at);
    for (const { thread, mail } of due) thread.arrived.push(mail.messageId);
    return due.map(({ mail }) => mail);
  }

  next(mailbox: string, at: number): PlannedMail {
    const dice = this.#dice;
    if (dice.chance(EARLY_ANSWERS)) return this.#answerBeforeItsOriginal(mailbox, at);
    const known = this.#threads.get(mailbox) ?? [];
    if (known.length === 0 || dice.chance(0.5)) return this.#opening(this.#newThread(mailbox));
    return this.#answer(dice.pick(dice.chance(0.8) ? known.slice(-20) : known));
  }

  /** Threads of its own, which nothing outside of the burst answers: it may come at any time. */
  burst(mailbox: string, size: number): PlannedMail[] {
    const threads: Thread[] = [];
    return Array.from({ length: size }, () => {
      const thread = threads.length > 0 && this.#dice.chance(0.4) ? this.#dice.pick(threads) : undefined;
      if (thread) return this.#answer(thread);
      const fresh = this.#thread(mailbox);
      threads.push(fresh);
      return this.#opening(fresh);
    });
  }

  #answerBeforeItsOriginal(mailbox: string, at: number): PlannedMail {
    const thread = this.#newThread(mailbox);
    const original = this.#mail(thread, thread.topic, null, thread.customer);
    const answer = this.#mail(
      thread,
      this.#dice.pick(PREFIXES) + thread.topic,
      original.messageId,
      thread.customer,
    );
    thread.arrived.push(answer.messageId);
    this.#waiting.push({ at: at + this.#dice.between(0, 8_000), thread, mail: original });
    return answer;
  }

  #opening(thread: Thread): PlannedMail {
    const mail = this.#mail(thread, thread.topic, null, thread.customer);
    thread.arrived.push(mail.messageId);
    return mail;
  }

  #answer(thread: Thread): PlannedMail {
    const author = this.#dice.chance(0.5)
      ? thread.customer
      : `colleague-${this.#dice.whole(1, 5)}@tailspin.example`;
    const mail = this.#mail(
      thread,
      this.#dice.pick(PREFIXES) + thread.topic,
      this.#dice.pick(thread.arrived),
      author,
    );
    thread.arrived.push(mail.messageId);
    return mail;
  }

  #newThread(mailbox: string): Thread {
    const thread = this.#thread(mailbox);
    this.#threads.set(mailbox, [...(this.#threads.get(mailbox) ?? []), thread]);
    return thread;
  }

  #thread(mailbox: string): Thread {
    this.#topics += 1;
    const topic = `Topic ${this.#seed}-${this.#topics}`;
    return { mailbox, topic, customer: `customer-${this.#dice.whole(1, 60)}@fabrikam.example`, arrived: [] };
  }

  #mail(thread: Thread, subject: string, inReplyTo: string | null, from: string): PlannedMail {
    this.#mails += 1;
    return {
      mailbox: thread.mailbox,
      messageId: `<chaos-${this.#seed}-${this.#mails}@fabrikam.example>`,
      inReplyTo,
      subject,
      from,
      attachmentBytes: this.#dice.chance(0.1) ? this.#dice.whole(1, 20_000) : null,
    };
  }
}

import type { DeltaPage } from '../microsoft365/mail.ts';

/**
 * A round of a delta query: from its first page to the `deltaLink` that ends it. One that began at a time carries a
 * filter, and Graph ends it after 5,000 messages: how far it has come is stored with its cursor, so that a crash in the
 * middle does not make a cut round look like a complete one.
 */
export interface Round {
  /** Where it began. */
  start: Date;
  /** When its first page was asked for: what was received before is covered once it is complete. */
  begunAt: Date;
  /** Whether it began at a time, and not from a `deltaLink`. */
  isFiltered: boolean;
  /** Messages listed so far. */
  listed: number;
  /** The newest `receivedDateTime` so far. */
  newest: Date | null;
}

/** A filtered round under way, as it is stored. Times are RFC 3339. */
export interface StoredRound {
  start: string;
  begunAt: string;
  listed: number;
  newest: string | null;
}

/** A round that begins. */
export function newRound(start: Date, begunAt: Date, isFiltered: boolean): Round {
  return { start, begunAt, isFiltered, listed: 0, newest: null };
}

/** The round after one more page. */
export function withPage(round: Round, { mails }: DeltaPage): Round {
  const newest = mails.reduce<Date | null>(
    (known, { receivedAt }) => (receivedAt && (!known || receivedAt > known) ? receivedAt : known),
    round.newest,
  );
  return { ...round, listed: round.listed + mails.length, newest };
}

/** What to store of a round under way; null when there is nothing to remember. */
export function storeRound({ isFiltered, start, begunAt, listed, newest }: Round): StoredRound | null {
  if (!isFiltered) return null;
  return {
    start: start.toISOString(),
    begunAt: begunAt.toISOString(),
    listed,
    newest: newest?.toISOString() ?? null,
  };
}

/** The filtered round that was under way when it was stored. */
export function resumeRound({ start, begunAt, listed, newest }: StoredRound): Round {
  return {
    start: new Date(start),
    begunAt: new Date(begunAt),
    isFiltered: true,
    listed,
    newest: newest === null ? null : new Date(newest),
  };
}

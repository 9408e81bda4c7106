import { SECOND } from '../platform/clock.ts';
import type { SyncTrigger } from './sync-run.entity.ts';

/*
 * What is decided about mail that Microsoft announced and that the folder does not show yet, apart from all input and output.
 *
 * "There may be some delay before a change shows": a delta query right after a notification may not have the mail, and nothing
 * else would look before the next poll, for up to an hour. So announcements are counted: each run knows how many mails it is
 * *expected* to bring, and when it brings fewer, the folder is read again, twice. What is still *awaited* then is left to the
 * next poll, which is told: mail that was announced is no proof that push fails.
 * https://learn.microsoft.com/graph/delta-query-overview
 *
 * It is a count of notifications, not a list of mails. Doubled ones, and those about mail that an earlier run has brought, are
 * too many, which costs two small requests and nothing else.
 */

/** Until the folder is read again after a run that brought too little, and again after that: in all 3 s and 20 s later. */
const PAUSES_BEFORE_LOOKS: readonly number[] = [3 * SECOND, 17 * SECOND];

/** A run that has read the folder to its end. */
export interface ReadingFacts {
  trigger: SyncTrigger;
  /** Mails that were announced and that no earlier run has brought. */
  expected: number;
  /** Mails that were new to the ledger. */
  brought: number;
  /** Whether any of them was announced for this run, rather than for an earlier one. */
  isFresh: boolean;
  /** How often it was looked again for what earlier runs did not bring. */
  looks: number;
}

/** What is left to wait for. */
export interface Awaited {
  awaited: number;
  looks: number;
  /** When to look again; null: the next poll is soon enough. */
  lookInMilliseconds: number | null;
}

/** Decides whether a run that has read the folder to its end has brought what was announced, and when to look again if not. */
export function afterReading({ trigger, expected, brought, isFresh, looks }: ReadingFacts): Awaited {
  const awaited = Math.max(expected - brought, 0);
  if (awaited === 0) return { awaited: 0, looks: 0, lookInMilliseconds: null };
  const isLook = trigger === 'PUSH' && !isFresh;
  const made = isFresh ? 0 : looks + (isLook ? 1 : 0);
  const lookInMilliseconds = PAUSES_BEFORE_LOOKS[made] ?? null;
  // Neither the looks nor a later poll found anything: it was no new mail, or it is gone. To wait for it any longer would hide
  // mail that is not announced.
  const isOver = lookInMilliseconds === null && !isLook;
  return isOver
    ? { awaited: 0, looks: 0, lookInMilliseconds: null }
    : { awaited, looks: made, lookInMilliseconds };
}

import { HOUR, MINUTE, SECOND } from '../platform/clock.ts';

/**
 * What a sync run decides, apart from all input and output.
 *
 * The states of a mailbox's sync: *fresh* (no cursor: the round starts from a time), *paging* (a `nextLink`: a round is
 * under way, also across a crash), *waiting* (a `deltaLink`: the next round lists what has changed since). An expired or
 * repeating cursor leads back to *fresh*, with overlap; the ledger absorbs the repeats.
 */

/** How far a restart goes back behind what is certain to be covered: a late-listed mail must not fall into the gap. */
export const RESTART_OVERLAP = 1 * HOUR;

/** A delta round with a filter ends after this many messages, whether or not there are more: graph.md, "Reading mail". */
export const FILTERED_ROUND_LIMIT = 5_000;

/** How far the window after a cut round goes back: mails of one second may lie on both sides of the cut. */
const WINDOW_OVERLAP = 1 * MINUTE;

/** The failures after which the waiting time grows no more. */
const FIRST_RETRY = 10 * SECOND;
const LONGEST_RETRY = 15 * MINUTE;

/** Where a fresh round starts: where everything before is covered, less the overlap, and never before `receiveFrom`. */
export function startOfRound(receiveFrom: Date, coveredUntil: Date | null): Date {
  if (!coveredUntil) return receiveFrom;
  return new Date(Math.max(receiveFrom.getTime(), coveredUntil.getTime() - RESTART_OVERLAP));
}

/** What follows a page. */
export type NextStep =
  /** Read the next page. */
  | { kind: 'CONTINUE' }
  /** The folder is read to its end. */
  | { kind: 'DONE' }
  /** The round hit Graph's limit: start another one from the newest message seen. */
  | { kind: 'NEXT_WINDOW'; from: Date }
  /** Graph gave a link that this run has followed already: start over once. */
  | { kind: 'RESTART' }
  /** It did so again: give up, with the reason, until the next poll. */
  | { kind: 'LOOP' };

/** What is known of the run when a page has been stored. */
export interface RunProgress {
  isLastPage: boolean;
  /** Whether the page's cursor was seen before in this run. */
  cursorRepeats: boolean;
  /** Whether this run has restarted because of a repeated link before. */
  hasRestarted: boolean;
  /** Whether the round began from a time (with a filter), and not from a stored cursor. */
  isFilteredRound: boolean;
  /** Messages listed in this round. */
  listedInRound: number;
  /** The newest `receivedDateTime` of this round. */
  newestInRound: Date | null;
  /** Where the round began. */
  roundStart: Date;
}

/** Decides what follows a page. */
export function nextStep(progress: RunProgress): NextStep {
  if (progress.isLastPage) {
    const { newestInRound, roundStart } = progress;
    const isCut = progress.isFilteredRound && progress.listedInRound >= FILTERED_ROUND_LIMIT;
    // Without a newer message the same window would be read for ever: 5,000 mails of one second end the run.
    if (isCut && newestInRound && newestInRound > roundStart) {
      const overlapped = new Date(newestInRound.getTime() - WINDOW_OVERLAP);
      return { kind: 'NEXT_WINDOW', from: overlapped > roundStart ? overlapped : newestInRound };
    }
    return { kind: 'DONE' };
  }
  if (!progress.cursorRepeats) return { kind: 'CONTINUE' };
  return progress.hasRestarted ? { kind: 'LOOP' } : { kind: 'RESTART' };
}

/** How long to wait after the nth failure in a row (1 = the first), never longer than the polling interval. */
export function retryDelay(consecutiveFailures: number, intervalMinutes: number): number {
  const backoff = FIRST_RETRY * 2 ** Math.min(consecutiveFailures - 1, 20);
  return Math.min(backoff, LONGEST_RETRY, Math.max(intervalMinutes * MINUTE, FIRST_RETRY));
}

/** How long to wait before a message that failed is tried again; the nth try (1 = the first). */
export function messageRetryDelay(attempts: number): number {
  return Math.min(30 * SECOND * 4 ** (attempts - 1), 6 * HOUR);
}

/** How often a message that fails is tried before a person must ask for it. */
export const MESSAGE_ATTEMPTS = 8;

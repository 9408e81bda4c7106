import { MINUTE, SECOND } from '../platform/clock.ts';

/** What one attempt of a request came to, as far as repeating it is concerned. */
export interface FailedAttempt {
  /** HTTP status; null when no whole answer came (connection reset, deadline). */
  status: number | null;
  /** `Retry-After` in milliseconds; null without one. */
  retryAfterMilliseconds: number | null;
  /** How many attempts were made, this one included. */
  attempts: number;
  /** Since the first attempt began, in milliseconds. */
  elapsedMilliseconds: number;
  /** Whether doing it twice does what doing it once does. */
  isRepeatable: boolean;
}

/** What all attempts of one request may cost together. */
export interface RetryBudget {
  attempts: number;
  milliseconds: number;
  /** How long pauses that Microsoft asks for are sat out, counted from the first attempt; see {@link JOB_PAUSE}. */
  pauseMilliseconds?: number;
}

/**
 * What a job sits out. Hardly anything: who waits in a job keeps one of the process's few places, and a few mailboxes that
 * are told to come back in some seconds stopped all others. The job ends instead, and comes back when the pause is over.
 */
export const JOB_PAUSE = 1.5 * SECOND;

/** For jobs. */
export const DEFAULT_BUDGET: RetryBudget = { attempts: 5, milliseconds: 15 * SECOND };

/** For what a person waits for. */
export const PATIENT_BUDGET: RetryBudget = { ...DEFAULT_BUDGET, pauseMilliseconds: 8 * SECOND };

export type RetryDecision =
  | { action: 'GIVE_UP' }
  /** Wait, then try again. `pausesMailbox`: Microsoft asked for quiet, so every request of the mailbox waits. */
  | { action: 'RETRY'; waitMilliseconds: number; pausesMailbox: boolean };

const FIRST_BACKOFF_MILLISECONDS = 500;
const LONGEST_BACKOFF_MILLISECONDS = 20 * SECOND;

/** Whoever is told to wait longer asks again after this: a date far away, by whatever mistake, is the end of nothing. */
const LONGEST_RETRY_AFTER_MILLISECONDS = 60 * MINUTE;

/** Refused before anything was done, so even what must not happen twice may be tried again. */
const REFUSED_STATUSES: ReadonlySet<number> = new Set([429]);
/** Anything may have happened; 509 is Graph's bandwidth limit. */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 500, 502, 503, 504, 509]);

/**
 * Whether to try again, and after how long. `Retry-After` is obeyed to the millisecond; without it the wait is random up
 * to a doubling limit ("full jitter"), so that clients that failed together do not come back together.
 * https://learn.microsoft.com/graph/throttling
 *
 * `random` is in [0, 1).
 */
export function decideRetry(failed: FailedAttempt, budget: RetryBudget, random: number): RetryDecision {
  const isRefused = failed.status !== null && REFUSED_STATUSES.has(failed.status);
  const isTransient = failed.status === null || TRANSIENT_STATUSES.has(failed.status);
  if (!isRefused && !(isTransient && failed.isRepeatable)) return { action: 'GIVE_UP' };
  const limit = Math.min(
    FIRST_BACKOFF_MILLISECONDS * 2 ** (failed.attempts - 1),
    LONGEST_BACKOFF_MILLISECONDS,
  );
  const waitMilliseconds = failed.retryAfterMilliseconds ?? Math.ceil(random * limit);
  const pausesMailbox = isRefused || failed.retryAfterMilliseconds !== null;
  const longest = pausesMailbox
    ? Math.min(budget.milliseconds, budget.pauseMilliseconds ?? JOB_PAUSE)
    : budget.milliseconds;
  // Nobody waits for what will not be tried: the caller learns now and can come back later.
  const isSpent =
    failed.attempts >= budget.attempts || failed.elapsedMilliseconds + waitMilliseconds > longest;
  if (isSpent) return { action: 'GIVE_UP' };
  return { action: 'RETRY', waitMilliseconds, pausesMailbox };
}

/**
 * `Retry-After` (RFC 9110, 10.2.3) in milliseconds: seconds, also with a fraction as Graph sends them, or an HTTP date.
 * An hour at most. Null when it is absent or makes no sense.
 */
export function parseRetryAfter(value: string | null, now: Date): number | null {
  const text = value?.trim() ?? '';
  const limited = (milliseconds: number) =>
    Math.max(0, Math.min(milliseconds, LONGEST_RETRY_AFTER_MILLISECONDS));
  if (/^\d+(\.\d+)?$/.test(text)) return limited(Math.ceil(Number(text) * SECOND));
  const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : limited(at - now.getTime());
}

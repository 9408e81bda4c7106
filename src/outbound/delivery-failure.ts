/*
 * What becomes of a mail whose attempt failed. Pure.
 */
import { ExpectedError } from '../errors.ts';
import { CannotSendError } from '../mailboxes/sending-errors.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { postponementOf } from '../microsoft365/graph-postpone.ts';
import { HOUR, MINUTE, SECOND } from '../platform/clock.ts';
import { ObjectMissingError, ObjectStorageUnavailableError } from '../platform/object-storage.ts';
import type { Problem } from '../platform/problem.ts';

/** For how long a mail that fails for reasons that pass is tried again. */
export const GIVES_UP_AFTER = 24 * HOUR;

/** The waits after a failure; the last one is repeated. */
const BACKOFF = [
  2 * SECOND,
  5 * SECOND,
  15 * SECOND,
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
];

/** Why a mailbox cannot send until a person has seen to its account; the mail is hurried then. */
const HEALS: ReadonlySet<string> = new Set(['SIGN_IN_REQUIRED', 'CONSENT_REQUIRED', 'CREDENTIAL_REFUSED']);
const ACCOUNT_MILLISECONDS = 5 * MINUTE;
/** Until an administrator has released the account at Microsoft, which nobody tells us. */
const BLOCKED_MILLISECONDS = 15 * MINUTE;
/** Where Microsoft does not say how long. */
const LIMIT_MILLISECONDS = 1 * MINUTE;
/** "At once", told again and again, would spend the requests of the mailbox on it. */
const SHORTEST_MILLISECONDS = 1 * SECOND;

/**
 * What Microsoft says to a mail and means of all mail of the mailbox. What is wrong with a sign-in is not among it: it is
 * asked of the account, here, and ends when a person signs in.
 */
const PAUSES_MAILBOX: ReadonlySet<string> = new Set([
  'SENDING_BLOCKED',
  'SENDING_LIMIT_REACHED',
  'THROTTLED',
]);

/** What the row says about earlier failures. */
export interface FailureFacts {
  failedSince: Date | null;
  /** Failures before this one. Workers that died count as attempts, and not here: the mail had no part in that. */
  failures: number;
  now: Date;
}

export type FailureOutcome =
  /** It passes by itself: again later. */
  | { kind: 'RETRY'; milliseconds: number; problem: Problem }
  /**
   * Not the mail's failure: the mailbox as a whole has to wait, and the attempt does not count. `isPause`: Microsoft asked
   * for it, so that nothing else of the mailbox may be tried before.
   */
  | { kind: 'WAIT'; milliseconds: number; problem: Problem; isPause: boolean }
  /** Until a person has done something and retries it. */
  | { kind: 'FAIL'; problem: Problem; isSendAsDenied: boolean };

/** Decides. */
export function failureOutcome(error: unknown, { failedSince, failures, now }: FailureFacts): FailureOutcome {
  const problem = problemOf(error, now);
  if (error instanceof GraphError && error.code === 'ACCOUNT_DISCONNECTED') return failed(problem);
  const wait = waitOf(error);
  if (wait !== null) {
    const isPause = error instanceof GraphError && PAUSES_MAILBOX.has(error.code);
    return { kind: 'WAIT', milliseconds: wait, problem: { ...problem, retryAt: later(now, wait) }, isPause };
  }
  if (!passes(error)) return failed(problem);
  const since = failedSince ?? now;
  if (now.getTime() - since.getTime() >= GIVES_UP_AFTER) return failed(problem);
  const milliseconds = BACKOFF[Math.min(failures, BACKOFF.length - 1)] ?? 15 * MINUTE;
  return {
    kind: 'RETRY',
    milliseconds,
    problem: { ...problem, since: since.toISOString(), retryAt: later(now, milliseconds) },
  };
}

/**
 * Whether Microsoft said clearly that it did not do it. Only then may a write be repeated: after everything else
 * (timeouts, 5xx, an answer in an unknown form, an error of our own) it may have been done.
 */
export function isClearRefusal(error: unknown): error is GraphError {
  return error instanceof GraphError && !error.isUnclear;
}

/** For how long the mailbox as a whole has to wait; null when it need not. */
function waitOf(error: unknown): number | null {
  if (error instanceof CannotSendError) return HEALS.has(error.code) ? ACCOUNT_MILLISECONDS : null;
  if (!(error instanceof GraphError)) return null;
  if (error.code === 'SENDING_BLOCKED') {
    return Math.max(error.retryAfterMilliseconds ?? 0, BLOCKED_MILLISECONDS);
  }
  if (error.code === 'SENDING_LIMIT_REACHED') {
    return Math.max(error.retryAfterMilliseconds ?? LIMIT_MILLISECONDS, SHORTEST_MILLISECONDS);
  }
  // The sign-in service that is away passes like Graph that is away.
  return error.code === 'LOGIN_UNAVAILABLE' ? null : postponementOf(error);
}

function failed(problem: Problem): FailureOutcome {
  return { kind: 'FAIL', problem, isSendAsDenied: problem.code === 'SEND_AS_DENIED' };
}

/** What is unknown counts as passing: a defect of ours is mended by the next version, and no mail is lost to it. */
function passes(error: unknown): boolean {
  if (error instanceof ObjectMissingError) return false;
  if (!(error instanceof ExpectedError)) return true;
  return (
    error instanceof GraphError &&
    (error.isTransient || error.code === 'UNEXPECTED_ANSWER' || error.code === 'ITEM_NOT_FOUND')
  );
}

function problemOf(error: unknown, now: Date): Problem {
  if (error instanceof GraphError) return error.toProblem(now);
  const since = now.toISOString();
  if (error instanceof ExpectedError) {
    return { code: error.code, message: error.message, remedy: error.remedy, since };
  }
  if (error instanceof ObjectStorageUnavailableError) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      message: 'A file of the mail could not be read from where it is kept.',
      remedy: 'Nothing to do: it is tried again. If it lasts, the log has the reason.',
      since,
    };
  }
  if (error instanceof ObjectMissingError) {
    return {
      code: 'FILE_MISSING',
      message: 'A file of the mail is not kept any more.',
      remedy: 'Write the mail again, with the file.',
      since,
    };
  }
  return {
    code: 'INTERNAL_SERVER_ERROR',
    message: 'Something unexpected happened while the mail was sent.',
    remedy: 'Nothing to do: it is tried again. The log has the reason; report it.',
    since,
  };
}

function later(now: Date, milliseconds: number): string {
  return new Date(now.getTime() + milliseconds).toISOString();
}

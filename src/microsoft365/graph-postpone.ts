import { MINUTE, SECOND } from '../platform/clock.ts';
import { GraphError, type GraphErrorCode } from './graph-error.ts';

/** Without a `Retry-After`. */
const THROTTLED_MILLISECONDS = 15 * SECOND;
/** Longer pauses are looked at again after this. */
const LONGEST_MILLISECONDS = 60 * MINUTE;
/** "At once" may mean a date that our clock believes to be over: asked again and again, the whole budget would be spent on it. */
const SHORTEST_MILLISECONDS = 1 * SECOND;
/** A little later than asked for: our clock is not Microsoft's, and the pause must be over when the job is there. */
const MARGIN_MILLISECONDS = 50;
/** Until a person has signed in again; the sync finds out sooner, and hurries what waits. */
const ACCOUNT_MILLISECONDS = 5 * MINUTE;
/** Until the sign-in service can be reached again. */
const LOGIN_MILLISECONDS = 15 * SECOND;

/** Says nothing about the mail or the file that was asked for: the account as a whole has no access for now. */
const ACCOUNT_CODES: ReadonlySet<GraphErrorCode> = new Set<GraphErrorCode>([
  'SIGN_IN_REQUIRED',
  'TOKEN_REVOKED',
  'ACCOUNT_DISCONNECTED',
  'MFA_REQUIRED',
  'ACCOUNT_NOT_FOUND',
  'ACCOUNT_DISABLED',
  'APP_NOT_ASSIGNED',
  'CONDITIONAL_ACCESS',
  'CONSENT_REQUIRED',
  'CREDENTIAL_REFUSED',
]);

/** Whether Microsoft asked us to slow down, Graph or the sign-in service, or we did so ourselves: no failure of anything. */
export function isThrottling(error: unknown): boolean {
  if (!(error instanceof GraphError)) return false;
  return error.code === 'THROTTLED' || (error.code === 'LOGIN_UNAVAILABLE' && isTold(error));
}

function isTold({ retryAfterMilliseconds }: GraphError): boolean {
  return retryAfterMilliseconds !== null;
}

/**
 * After how many milliseconds to try again what met this error, when the try does not count: throttling and trouble of the
 * account are nobody's failure. Null when it counts.
 */
export function postponementOf(error: unknown): number | null {
  if (!(error instanceof GraphError)) return null;
  if (ACCOUNT_CODES.has(error.code)) return ACCOUNT_MILLISECONDS;
  if (error.code === 'LOGIN_UNAVAILABLE' && !isTold(error)) return LOGIN_MILLISECONDS;
  if (error.code !== 'THROTTLED' && error.code !== 'LOGIN_UNAVAILABLE') return null;
  const told = error.retryAfterMilliseconds ?? THROTTLED_MILLISECONDS;
  return Math.max(Math.min(told, LONGEST_MILLISECONDS), SHORTEST_MILLISECONDS) + MARGIN_MILLISECONDS;
}

/* What it means that mail could not be stored. */
import { ExpectedError, toError } from '../errors.ts';
import type { Problem } from '../platform/problem.ts';

/** Another run has moved the cursor meanwhile: this one lost its connection or its worker was believed dead. */
export class SupersededError extends Error {
  constructor() {
    super('Another run of this mailbox has gone on; this one stops.');
  }
}

/** What people are told of a mail that could not be stored. */
export function processingProblem(error: unknown, now: Date): Problem {
  const isExpected = error instanceof ExpectedError;
  return {
    code: isExpected ? error.code : 'PROCESSING_FAILED',
    // An unexpected error's text may quote the mail; what people see must not depend on it.
    message: isExpected ? error.message : 'The message could not be stored.',
    remedy: isExpected
      ? error.remedy
      : 'It is tried again by itself. If it keeps failing, report it with its id.',
    since: now.toISOString(),
  };
}

/** What pg, its pool and MikroORM say of a connection that broke without a word of the server: these have no code. */
const LOST_CONNECTION =
  /connection (terminated|ended|error)|not queryable|client (was|has) (been )?closed|timeout exceeded when trying to connect|query read timeout/i;

/**
 * Whether the data is at fault (then the other messages can still be stored) or the database, the connection or this
 * process (then nothing can be said about the data). SQLSTATE classes 22 and 23 are bad data and broken constraints,
 * 54 is a limit exceeded: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isFaultOfData(thrown: unknown): boolean {
  if (thrown instanceof SupersededError) return false;
  const error = toError(thrown) as Error & { code?: unknown };
  if (error.name === 'AbortError') return false;
  if (typeof error.code !== 'string') return !LOST_CONNECTION.test(error.message);
  if (/^[0-9A-Z]{5}$/.test(error.code)) return /^(22|23|54)/.test(error.code);
  return error instanceof ExpectedError;
}

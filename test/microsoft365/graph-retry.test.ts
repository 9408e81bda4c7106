import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_BUDGET,
  decideRetry,
  type FailedAttempt,
  PATIENT_BUDGET,
  parseRetryAfter,
} from '../../src/microsoft365/graph-retry.ts';
import { MINUTE, SECOND } from '../../src/platform/clock.ts';

const failed = (change: Partial<FailedAttempt>): FailedAttempt => ({
  status: 503,
  retryAfterMilliseconds: null,
  attempts: 1,
  elapsedMilliseconds: 0,
  isRepeatable: true,
  ...change,
});

describe('whether to try again', () => {
  test.each<[string, Partial<FailedAttempt>, string]>([
    ['throttled', { status: 429 }, 'RETRY'],
    ['throttled, and must not happen twice: nothing was done', { status: 429, isRepeatable: false }, 'RETRY'],
    ['unavailable', { status: 503 }, 'RETRY'],
    ['unavailable, and must not happen twice', { status: 503, isRepeatable: false }, 'GIVE_UP'],
    ['gateway timeout', { status: 504 }, 'RETRY'],
    [
      'gateway timeout of something sent: it may have gone out',
      { status: 504, isRepeatable: false },
      'GIVE_UP',
    ],
    ['server error', { status: 500 }, 'RETRY'],
    ['bandwidth', { status: 509 }, 'RETRY'],
    ['no answer', { status: null }, 'RETRY'],
    ['no answer, and must not happen twice', { status: null, isRepeatable: false }, 'GIVE_UP'],
    ['forbidden', { status: 403 }, 'GIVE_UP'],
    ['not found', { status: 404 }, 'GIVE_UP'],
    ['bad request', { status: 400 }, 'GIVE_UP'],
    ['attempts used up', { attempts: 5 }, 'GIVE_UP'],
    ['time used up', { elapsedMilliseconds: 3 * MINUTE }, 'GIVE_UP'],
    [
      'asked to wait longer than there is time',
      { status: 429, retryAfterMilliseconds: 10 * MINUTE },
      'GIVE_UP',
    ],
  ])('%s', (_name, change, action) => {
    expect(decideRetry(failed(change), DEFAULT_BUDGET, 0.5).action).toBe(action);
  });

  test('Retry-After is obeyed to the millisecond, and pauses the mailbox', () => {
    expect(decideRetry(failed({ retryAfterMilliseconds: 1_128 }), DEFAULT_BUDGET, 0.9)).toEqual({
      action: 'RETRY',
      waitMilliseconds: 1_128,
      pausesMailbox: true,
    });
  });

  test('a job does not sit out a pause of more than about a second; a person has a little more patience', () => {
    const told = failed({ retryAfterMilliseconds: 3_000 });
    expect(decideRetry(told, DEFAULT_BUDGET, 0)).toEqual({ action: 'GIVE_UP' });
    expect(decideRetry(told, PATIENT_BUDGET, 0)).toMatchObject({ action: 'RETRY', waitMilliseconds: 3_000 });
    // Of many short ones no more than of one long one.
    const again = failed({ retryAfterMilliseconds: 1_000, elapsedMilliseconds: 1_000, attempts: 2 });
    expect(decideRetry(again, DEFAULT_BUDGET, 0)).toEqual({ action: 'GIVE_UP' });
  });

  test('without it the wait is random below a limit that doubles and ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempts, random) => {
          const budget = { attempts: 100, milliseconds: 60 * MINUTE };
          const decision = decideRetry(failed({ attempts }), budget, random);
          if (decision.action !== 'RETRY') throw new Error('gave up');
          expect(decision.waitMilliseconds).toBeGreaterThanOrEqual(0);
          expect(decision.waitMilliseconds).toBeLessThanOrEqual(
            Math.min(500 * 2 ** (attempts - 1), 20 * SECOND),
          );
          expect(decision.pausesMailbox).toBe(false);
        },
      ),
    );
  });
});

describe('Retry-After', () => {
  const now = new Date('2026-11-21T08:00:00.250Z');
  test.each([
    ['3', 3_000],
    ['0', 0],
    ['2.128', 2_128],
    [' 10 ', 10_000],
    ['Sat, 21 Nov 2026 08:00:05 GMT', 4_750],
    ['Sat, 21 Nov 2026 07:00:00 GMT', 0],
    // By whatever mistake: a mailbox shall not be left alone for years, nor a time become one that no calendar has.
    ['99999999999999', 3_600_000],
    ['Thu, 31 Dec 2099 00:00:00 GMT', 3_600_000],
    ['soon', null],
    ['-1', null],
    ['', null],
    [null, null],
  ])('%o is %o milliseconds', (value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });
});

import { describe, expect, test } from 'vitest';
import { ACCOUNT_STATUSES, type AccountStatus } from '../../src/microsoft365/account.entity.ts';
import {
  type AccountSignal,
  type AccountState,
  isRecheckDue,
  mayAskForToken,
  nextAccountState,
  RECHECK_MILLISECONDS,
  retryAfterRefusal,
} from '../../src/microsoft365/account-status-plan.ts';
import { MINUTE } from '../../src/platform/clock.ts';

const NOW = new Date('2026-11-21T12:00:00.000Z');
const EARLIER = '2026-11-21T11:00:00.000Z';
const problem = (code: string, since = NOW.toISOString()) => ({ code, message: 'M.', remedy: 'R.', since });
const CODES: Record<AccountStatus, string | null> = {
  ACTIVE: null,
  NEEDS_SIGN_IN: 'SIGN_IN_REQUIRED',
  NEEDS_CONSENT: 'CONSENT_REQUIRED',
  CREDENTIAL_EXPIRED: 'CREDENTIAL_REFUSED',
  THROTTLED: 'THROTTLED',
  UNREACHABLE: 'LOGIN_UNAVAILABLE',
  DISCONNECTED: 'ACCOUNT_DISCONNECTED',
};
const state = (status: AccountStatus, code = CODES[status]): AccountState => ({
  status,
  problem: code === null ? null : problem(code, EARLIER),
});
const refused = (status: 'NEEDS_SIGN_IN' | 'NEEDS_CONSENT' | 'CREDENTIAL_EXPIRED' | 'UNREACHABLE') => ({
  kind: 'TOKEN_REFUSED' as const,
  status,
  problem: problem(CODES[status] ?? ''),
});
const throttled = (milliseconds: number): AccountSignal => ({
  kind: 'THROTTLED',
  problem: problem('THROTTLED'),
  milliseconds,
});
const silent = (failures: number): AccountSignal => ({
  kind: 'NOT_REACHED',
  problem: problem('GRAPH_UNAVAILABLE'),
  failures,
});

/** The status after each signal, by the status before, in the order of SIGNALS. */
const SIGNALS: [string, AccountSignal][] = [
  ['signed in', { kind: 'SIGNED_IN' }],
  ['token', { kind: 'TOKEN_ISSUED' }],
  ['sign-in asked for', refused('NEEDS_SIGN_IN')],
  ['consent asked for', refused('NEEDS_CONSENT')],
  ['credential refused', refused('CREDENTIAL_EXPIRED')],
  ['login away', refused('UNREACHABLE')],
  ['reached', { kind: 'REACHED' }],
  ['throttled 61 s', throttled(MINUTE + 1_000)],
  ['throttled 60 s', throttled(MINUTE)],
  ['Graph away once', silent(1)],
  ['Graph away twice', silent(2)],
  ['disconnected', { kind: 'DISCONNECTED', problem: problem('ACCOUNT_DISCONNECTED') }],
];
const [A, S, C, E, T, U, D] = ACCOUNT_STATUSES;
const TABLE: Record<AccountStatus, readonly AccountStatus[]> = {
  //                   in  token  sign  cons  cred  login  ok  61s  60s  one  two  off
  ACTIVE: /*        */ [A, A, S, C, E, U, A, T, A, A, U, D],
  NEEDS_SIGN_IN: /* */ [A, A, S, C, E, S, S, S, S, S, S, D],
  NEEDS_CONSENT: /* */ [A, A, S, C, E, C, C, C, C, C, C, D],
  CREDENTIAL_EXPIRED: [A, A, S, C, E, E, E, E, E, E, E, D],
  THROTTLED: /*     */ [A, T, S, C, E, U, A, T, T, T, U, D],
  UNREACHABLE: /*   */ [A, A, S, C, E, U, A, T, U, U, U, D],
  DISCONNECTED: /*  */ [A, D, D, D, D, D, D, D, D, D, D, D],
};

describe.each(ACCOUNT_STATUSES)('an account that is %s', (before) => {
  test.each(SIGNALS.map(([name, signal], index) => [name, signal, TABLE[before][index]] as const))(
    '%s',
    (_name, signal, after) => {
      const next = nextAccountState(state(before), signal, NOW);
      expect(next.status).toBe(after);
      expect(next.problem === null).toBe(after === 'ACTIVE');
    },
  );
});

test('the same trouble again keeps since when it is, another has its own', () => {
  expect(nextAccountState(state('NEEDS_CONSENT'), refused('NEEDS_CONSENT'), NOW).problem?.since).toBe(
    EARLIER,
  );
  expect(nextAccountState(state('NEEDS_CONSENT'), refused('NEEDS_SIGN_IN'), NOW).problem?.since).toBe(
    NOW.toISOString(),
  );
});

test('what changes nothing gives the very same state, so that nothing is written', () => {
  const active = state('ACTIVE');
  expect(nextAccountState(active, { kind: 'TOKEN_ISSUED' }, NOW)).toBe(active);
  expect(nextAccountState(active, { kind: 'REACHED' }, NOW)).toBe(active);
  expect(nextAccountState(active, throttled(MINUTE), NOW)).toBe(active);
});

test('throttling says until when, and ends with the first good answer after that', () => {
  const waiting = nextAccountState(state('ACTIVE'), throttled(5 * MINUTE), NOW);
  expect(waiting.problem?.retryAt).toBe('2026-11-21T12:05:00.000Z');
  const after = (minutes: number) =>
    nextAccountState(waiting, { kind: 'REACHED' }, new Date(NOW.getTime() + minutes * MINUTE)).status;
  // Another mailbox of the same account is served meanwhile.
  expect(after(4)).toBe('THROTTLED');
  expect(after(5)).toBe('ACTIVE');
});

test('when Graph is away a token does not make the account well, and a good answer does', () => {
  const away = state('UNREACHABLE', 'GRAPH_TIMEOUT');
  expect(nextAccountState(away, { kind: 'TOKEN_ISSUED' }, NOW).status).toBe('UNREACHABLE');
  expect(nextAccountState(away, { kind: 'REACHED' }, NOW).status).toBe('ACTIVE');
});

test.each([
  [state('ACTIVE'), true],
  [state('NEEDS_SIGN_IN'), false],
  [state('NEEDS_SIGN_IN', 'MFA_REQUIRED'), false],
  [state('NEEDS_SIGN_IN', 'CONDITIONAL_ACCESS'), true],
  [state('NEEDS_SIGN_IN', 'ACCOUNT_DISABLED'), true],
  [state('NEEDS_CONSENT'), true],
  [state('CREDENTIAL_EXPIRED'), true],
  [state('DISCONNECTED'), false],
])('%o: whether Microsoft is asked for a token: %s', (before, isAsked) => {
  expect(mayAskForToken(before, NOW)).toBe(isAsked);
});

describe('Graph refuses a token that Entra has just issued', () => {
  const at = (minutes: number) => new Date(NOW.getTime() + minutes * MINUTE);
  const refusedAt = (before: AccountState, now: Date): AccountState => {
    const retryAt = retryAfterRefusal(before, now).toISOString();
    const signal = { ...refused('NEEDS_SIGN_IN'), problem: { ...problem('SIGN_IN_REQUIRED'), retryAt } };
    return nextAccountState(before, signal, now);
  };
  const first = refusedAt(state('ACTIVE'), NOW);

  test('it is tried again after a quarter of an hour, then after as long as it has lasted, daily in the end', () => {
    expect(first).toMatchObject({ status: 'NEEDS_SIGN_IN', problem: { retryAt: at(15).toISOString() } });
    expect([mayAskForToken(first, at(14)), mayAskForToken(first, at(15))]).toEqual([false, true]);
    const second = refusedAt(first, at(15));
    expect(second.problem).toMatchObject({ since: NOW.toISOString(), retryAt: at(30).toISOString() });
    expect(refusedAt(second, at(90)).problem?.retryAt).toBe(at(180).toISOString());
    expect(retryAfterRefusal(first, at(5 * 24 * 60))).toEqual(at(6 * 24 * 60));
  });

  test('another token says nothing about it, and the first good answer of Graph ends it', () => {
    expect(nextAccountState(first, { kind: 'TOKEN_ISSUED' }, at(15))).toBe(first);
    expect(nextAccountState(first, { kind: 'REACHED' }, at(15)).status).toBe('ACTIVE');
  });

  test('a refusal of Entra afterwards waits for a person', () => {
    const ended = nextAccountState(first, refused('NEEDS_SIGN_IN'), at(15));
    expect(mayAskForToken(ended, at(60))).toBe(false);
  });
});

test('an account that is not well is looked at soon, then less and less often, and never where only a person helps', () => {
  const rounds = (before: AccountState) =>
    Array.from({ length: 40 }, (_, round) => round).filter((round) =>
      isRecheckDue(before, new Date(new Date(EARLIER).getTime() + round * RECHECK_MILLISECONDS)),
    );
  for (const before of [state('NEEDS_CONSENT'), state('UNREACHABLE'), state('CREDENTIAL_EXPIRED')])
    expect(rounds(before)).toEqual([1, 2, 4, 8, 12, 24, 36]);
  for (const before of [state('ACTIVE'), state('NEEDS_SIGN_IN'), state('DISCONNECTED')])
    expect(rounds(before)).toEqual([]);
  const waiting = state('THROTTLED');
  if (waiting.problem) waiting.problem.retryAt = '2026-11-21T11:15:00.000Z';
  expect(rounds(waiting)).toEqual([4, 8, 12, 24, 36]);
});

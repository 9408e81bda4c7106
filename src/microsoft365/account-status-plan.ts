import { DAY, HOUR, MINUTE } from '../platform/clock.ts';
import type { Problem } from '../platform/problem.ts';
import type { AccountStatus } from './account.entity.ts';
import { mayPassByItself } from './account-refusals.ts';

/** Whether an account can act, and why not. */
export interface AccountState {
  status: AccountStatus;
  problem: Problem | null;
}

/** What a refused token can mean for an account. */
export type RefusalStatus = 'NEEDS_SIGN_IN' | 'NEEDS_CONSENT' | 'CREDENTIAL_EXPIRED' | 'UNREACHABLE';

/** What we learn about an account. */
export type AccountSignal =
  /** Somebody signed in, or an administrator consented. */
  | { kind: 'SIGNED_IN' }
  /** The sign-in service gave a token. */
  | { kind: 'TOKEN_ISSUED' }
  /** The sign-in service gave none, or Graph took none. */
  | { kind: 'TOKEN_REFUSED'; status: RefusalStatus; problem: Problem }
  /** Graph did what was asked. */
  | { kind: 'REACHED' }
  /** Graph asked us to wait for so long. */
  | { kind: 'THROTTLED'; problem: Problem; milliseconds: number }
  /** Graph did not answer, so many times in a row. */
  | { kind: 'NOT_REACHED'; problem: Problem; failures: number }
  | { kind: 'DISCONNECTED'; problem: Problem };

/** Being asked to wait is everyday; only what lasts longer is worth a word. */
const SHORTEST_THROTTLING = MINUTE;
/** One failure may be a hiccup, and a run has tried several times before it fails. */
const FAILURES_OUT_OF_REACH = 2;

/** How long Graph is left alone that refused a fresh token. */
const SHORTEST_REFUSAL = 15 * MINUTE;
const LONGEST_REFUSAL = DAY;

/** Trouble that only a good answer of Graph ends: a token says nothing about it. */
const TROUBLE_WITH_GRAPH: ReadonlySet<string> = new Set(['THROTTLED', 'GRAPH_UNAVAILABLE', 'GRAPH_TIMEOUT']);

/**
 * The state of an account after a signal: all that there is to say about it, in one place. What needs a person outweighs
 * what passes by itself, and only a sign-in ends `DISCONNECTED`. The same trouble again keeps its `since`. Gives `state`
 * itself when nothing changes.
 */
export function nextAccountState(state: AccountState, signal: AccountSignal, now: Date): AccountState {
  if (signal.kind === 'SIGNED_IN') return activeFrom(state);
  if (signal.kind === 'DISCONNECTED') return troubled(state, 'DISCONNECTED', signal.problem);
  if (state.status === 'DISCONNECTED') return state;
  switch (signal.kind) {
    case 'TOKEN_ISSUED':
      return isTroubleWithGraph(state) || isRefusedByGraph(state) ? state : activeFrom(state);
    case 'TOKEN_REFUSED':
      // That nobody answers now does not undo what was answered before.
      if (signal.status === 'UNREACHABLE' && needsPerson(state) && state.problem) return state;
      return troubled(state, signal.status, signal.problem);
    case 'REACHED':
      if (isRefusedByGraph(state)) return activeFrom(state);
      // Another mailbox of the account may be served while one still has to wait.
      if (needsPerson(state) || isWaiting(state, now)) return state;
      return activeFrom(state);
    case 'THROTTLED': {
      if (signal.milliseconds <= SHORTEST_THROTTLING || needsPerson(state)) return state;
      const retryAt = new Date(now.getTime() + signal.milliseconds).toISOString();
      return troubled(state, 'THROTTLED', { ...signal.problem, retryAt });
    }
    case 'NOT_REACHED':
      if (signal.failures < FAILURES_OUT_OF_REACH || needsPerson(state)) return state;
      return troubled(state, 'UNREACHABLE', signal.problem);
  }
}

/**
 * Whether asking the sign-in service for a token could succeed. Where a person has to sign in it could not, and every
 * request would count against the tenant; but what an administrator of the tenant has forbidden, they may allow again, and
 * what Graph refused, it may take again.
 */
export function mayAskForToken(state: AccountState, now: Date): boolean {
  const { status, problem } = state;
  if (status === 'DISCONNECTED') return false;
  if (isRefusedByGraph(state)) return !isWaiting(state, now);
  return status !== 'NEEDS_SIGN_IN' || (problem !== null && mayPassByItself(problem.code));
}

/** Until when the sign-in service wants to be left alone; null when it did not say so. It may be over. */
export function loginQuietUntil({ status, problem }: AccountState): Date | null {
  const isAsked = status === 'UNREACHABLE' && problem?.code === 'LOGIN_UNAVAILABLE';
  return isAsked && problem.retryAt !== undefined ? new Date(problem.retryAt) : null;
}

/**
 * When to try again an account whose fresh token Graph refused: Entra has nothing against it, so its sign-in may be as good
 * as ever and Graph be mistaken. After a quarter of an hour at first, then after as long as it has lasted, once a day in
 * the end.
 */
export function retryAfterRefusal({ status, problem }: AccountState, now: Date): Date {
  const since = status === 'NEEDS_SIGN_IN' && problem ? new Date(problem.since) : now;
  const lasted = now.getTime() - since.getTime();
  return new Date(now.getTime() + Math.min(Math.max(lasted, SHORTEST_REFUSAL), LONGEST_REFUSAL));
}

/** Nobody looks more often than this at an account that is not well, unless its mailboxes are polled. */
export const RECHECK_MILLISECONDS = 5 * MINUTE;
/** Of the rounds after which it is looked at; every hour in the end. */
const RECHECK_ROUNDS: readonly number[] = [1, 2, 4, 8];
const ROUNDS_PER_HOUR = HOUR / RECHECK_MILLISECONDS;

/**
 * Whether an account that is not well is to be looked at in the round of `now`, of one every
 * {@link RECHECK_MILLISECONDS}: soon after it became so, then less and less often.
 */
export function isRecheckDue(state: AccountState, now: Date): boolean {
  const { status, problem } = state;
  if (status === 'ACTIVE' || problem === null || !mayAskForToken(state, now) || isWaiting(state, now)) {
    return false;
  }
  const round = Math.floor((now.getTime() - new Date(problem.since).getTime()) / RECHECK_MILLISECONDS);
  return RECHECK_ROUNDS.includes(round) || (round > 0 && round % ROUNDS_PER_HOUR === 0);
}

/**
 * Whether somebody has to do something. Then only a token fresh from Microsoft shows that the account is well again: one that
 * was stored before may last for another hour, and the status would go to and fro.
 */
export function needsPerson({ status }: AccountState): boolean {
  return status === 'NEEDS_SIGN_IN' || status === 'NEEDS_CONSENT' || status === 'CREDENTIAL_EXPIRED';
}

function isTroubleWithGraph({ status, problem }: AccountState): boolean {
  return (
    !!problem && (status === 'THROTTLED' || status === 'UNREACHABLE') && TROUBLE_WITH_GRAPH.has(problem.code)
  );
}

/** Graph refused a token that Entra had just issued: only then somebody has to sign in and a time is set all the same. */
function isRefusedByGraph({ status, problem }: AccountState): boolean {
  return status === 'NEEDS_SIGN_IN' && problem?.retryAt !== undefined;
}

function isWaiting({ problem }: AccountState, now: Date): boolean {
  return problem?.retryAt !== undefined && new Date(problem.retryAt) > now;
}

function activeFrom(state: AccountState): AccountState {
  return state.status === 'ACTIVE' && state.problem === null ? state : { status: 'ACTIVE', problem: null };
}

function troubled(state: AccountState, status: AccountStatus, problem: Problem): AccountState {
  const isSame = state.status === status && state.problem?.code === problem.code;
  return {
    status,
    problem: { ...problem, since: isSame ? (state.problem?.since ?? problem.since) : problem.since },
  };
}

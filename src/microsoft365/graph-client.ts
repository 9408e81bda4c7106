import { randomUUID } from 'node:crypto';
import { type Clock, delay, HOUR, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import type { AccessToken, AccessTokens } from './access-token.ts';
import { type Deadline, startDeadline } from './deadline.ts';
import { readFailure, readJson, readStream, timeoutError, unreachableError } from './graph-answer.ts';
import type { GraphBudget } from './graph-budget.ts';
import { budgetKey } from './graph-budget-key.ts';
import { GraphError } from './graph-error.ts';
import type { GraphSubject } from './graph-failure.ts';
import { type GraphGate, type PauseKind, SLOTS_PER_MAILBOX } from './graph-gate.ts';
import { DEFAULT_BUDGET, decideRetry, JOB_PAUSE, type RetryBudget } from './graph-retry.ts';
import type { GraphTransport } from './graph-transport.ts';
import type { MailboxAccess, RequestCounter } from './mail.ts';

/** How long one attempt may take from sending to the end of its answer, or a stream may stand still. */
const ATTEMPT_MILLISECONDS = 30 * SECOND;
/** Tokens that are refused one after another before a call gives up, should others go on fetching ones that are no better. */
const MOST_REFUSALS = 5;
/** A pause outlasts its call; a date in the far future, by whatever mistake, shall not close a mailbox until a restart. */
const LONGEST_PAUSE_MILLISECONDS = HOUR;
/** JSON beyond this is not read: a page of a hundred huge mails would take the process down with it. */
const LARGEST_ANSWER_BYTES = 100 * 1_024 * 1_024;
const IMMUTABLE_IDS = 'IdType="ImmutableId"';

/** One call of Graph, whatever number of requests it takes. */
export interface GraphCall {
  /** Its name in metrics, such as `message.delta`. */
  operation: string;
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** A path below the version (`/me/messages`), or a link that Graph gave. */
  target: string;
  /** What a 404 is about. */
  subject: GraphSubject;
  /** Preferences besides immutable ids, which every call asks for. */
  preferences?: readonly string[];
  body?: unknown;
  /** Whether doing it twice does what doing it once does. GET is by itself. */
  isRepeatable?: boolean;
  /** The requests inside of a batch: Microsoft runs four of them at a time, and counts each. */
  parts?: number;
  /** About a user and not about mail: the directory has limits of its own, and nothing of the mailbox's is used. */
  isDirectory?: boolean;
  /** Moves have a pause and a share of the budget of their own, and never keep reads out. */
  isMove?: boolean;
  budget?: RetryBudget;
  /** How long one attempt may take, where more is sent than usual. */
  attemptMilliseconds?: number;
}

/** Who calls, for how long, and who counts. */
export interface GraphScope {
  mailbox: MailboxAccess;
  signal: AbortSignal;
  counter: RequestCounter | null;
}

/** What was sent and what came of it; for metrics. Called synchronously: keep it quick, and do not throw. */
export interface GraphObserver {
  /** After each request; `status` is null when no answer came. */
  onRequest?(request: { operation: string; status: number | null; seconds: number }): void;
  /** Before each wait for another attempt. */
  onRetry?(retry: { operation: string; status: number | null; waitSeconds: number }): void;
}

/** Calls Graph within the limits of each mailbox. Every method throws `GraphError`, or the signal's reason. */
export interface GraphClient {
  /** The JSON of the answer; null when it has no content. */
  json(call: GraphCall, scope: GraphScope): Promise<unknown>;
  /** The bytes of the answer. Holds a slot of the mailbox until it is read to its end or left. */
  stream(call: GraphCall, scope: GraphScope): Promise<AsyncIterable<Uint8Array>>;
  /** Lets nobody, or no moves, into the mailbox for that long: for a `Retry-After` inside of a batch. */
  pause(mailbox: MailboxAccess, milliseconds: number, kind: PauseKind): Promise<void>;
}

export interface GraphClientDeps {
  transport: GraphTransport;
  tokens: AccessTokens;
  gate: GraphGate;
  budget: GraphBudget;
  clock: Clock;
  observer: GraphObserver;
  /** In [0, 1). */
  random(): number;
  /** For tests: how long an attempt may take. */
  attemptMilliseconds?: number;
  /** For tests: how large an answer in JSON may be. */
  largestAnswerBytes?: number;
}

/** How far the attempts of a call have come. */
interface Progress {
  attempts: number;
  startedAt: number;
  budget: RetryBudget;
  lane: string;
  signal: AbortSignal;
}

/** What an attempt may do with a good answer. */
interface Attempt {
  response: Response;
  deadline: Deadline;
  /** Keeps slot and deadline beyond the attempt; whoever calls it calls what it gives. */
  keep(): () => void;
}

/** Makes the client. */
export function createGraphClient(deps: GraphClientDeps): GraphClient {
  const { transport, tokens, gate, clock, observer } = deps;
  const budgetOfAll = deps.budget;

  async function perform<T>(call: GraphCall, scope: GraphScope, read: (attempt: Attempt) => Promise<T>) {
    const budget = call.budget ?? DEFAULT_BUDGET;
    const startedAt = monotonicMilliseconds();
    // Waiting for a slot counts as well: a line that does not move ends for its callers, too.
    const wholeDeadline = startDeadline(
      budget.milliseconds + (call.attemptMilliseconds ?? ATTEMPT_MILLISECONDS),
      timeoutError(call.operation),
    );
    const signal = AbortSignal.any([scope.signal, wholeDeadline.signal]);
    let refused: { token: string; at: number } | undefined;
    let refusals = 0;
    try {
      for (let attempts = 1; ; attempts += 1) {
        const token = await tokens.get(scope.mailbox, signal, refused?.token);
        const leave = await enter(call, laneOf(token, scope), startedAt, budget, signal);
        try {
          return await attempt(call, scope, token, leave, read);
        } catch (error) {
          if (scope.signal.aborted || !(error instanceof GraphError)) throw error;
          if (error.status === 401) {
            refusals += 1;
            // Only a token that Microsoft issued after the refusal of another says that a person is needed: the first
            // may have lain here for an hour, and the second may be one that another process fetched as long ago.
            if (refused !== undefined && token.issuedAt !== null && token.issuedAt >= refused.at) {
              await tokens.giveUp(scope.mailbox, token.value, error.requestId);
              throw error;
            }
            if (refusals >= MOST_REFUSALS) throw error;
            refused = { token: token.value, at: monotonicMilliseconds() };
            continue;
          }
          await waitOrGiveUp(call, error, {
            attempts,
            startedAt,
            budget,
            lane: laneOf(token, scope),
            signal,
          });
        }
      }
    } finally {
      wholeDeadline.clear();
    }
  }

  /** Stands in line; throws `THROTTLED` rather than stand in a line that moves only after the budget is spent. */
  function enter(
    call: GraphCall,
    lane: string,
    startedAt: number,
    budget: RetryBudget,
    signal: AbortSignal,
  ): Promise<() => void> {
    const left = budget.milliseconds - (monotonicMilliseconds() - startedAt);
    return gate.enter(
      lane,
      {
        slots: Math.min(call.parts ?? 1, SLOTS_PER_MAILBOX),
        isMove: call.isMove ?? false,
        patienceMilliseconds: Math.max(0, Math.min(left, budget.pauseMilliseconds ?? JOB_PAUSE)),
      },
      signal,
    );
  }

  /** Waits until the next attempt may be made; throws the error when there shall be none. */
  async function waitOrGiveUp(
    call: GraphCall,
    error: GraphError,
    { attempts, startedAt, budget, lane, signal }: Progress,
  ): Promise<void> {
    const { status, retryAfterMilliseconds } = error;
    const decision = decideRetry(
      {
        status,
        retryAfterMilliseconds,
        attempts,
        elapsedMilliseconds: monotonicMilliseconds() - startedAt,
        isRepeatable: (call.isRepeatable ?? call.method === 'GET') && error.isTransient,
      },
      budget,
      deps.random(),
    );
    const pause = (milliseconds: number) => {
      // The limits of Exchange on what is sent say nothing about reading.
      if (error.code !== 'SENDING_LIMIT_REACHED')
        pauseLane(lane, milliseconds, call.isMove ? 'MOVES' : 'ALL');
    };
    if (decision.action === 'GIVE_UP') {
      // The next caller shall not run into what this one was told.
      if (retryAfterMilliseconds !== null) pause(retryAfterMilliseconds);
      throw error;
    }
    const { waitMilliseconds } = decision;
    observer.onRetry?.({ operation: call.operation, status, waitSeconds: waitMilliseconds / SECOND });
    if (decision.pausesMailbox) pause(waitMilliseconds);
    else await delay(waitMilliseconds, signal);
  }

  /** Every process must know: Microsoft counts all of them together. */
  function pauseLane(lane: string, milliseconds: number, kind: PauseKind): void {
    const limited = Math.min(milliseconds, LONGEST_PAUSE_MILLISECONDS);
    gate.pause(lane, limited, kind);
    budgetOfAll.pause(lane, limited, kind);
  }

  async function attempt<T>(
    call: GraphCall,
    scope: GraphScope,
    token: AccessToken,
    leave: () => void,
    read: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    const deadline = startDeadline(
      deps.attemptMilliseconds ?? call.attemptMilliseconds ?? ATTEMPT_MILLISECONDS,
      timeoutError(call.operation),
    );
    const release = () => {
      deadline.clear();
      leave();
    };
    let isKept = false;
    const startedAt = monotonicMilliseconds();
    let status: number | null = null;
    try {
      if (scope.counter !== null) scope.counter.requests += 1;
      if (!call.isDirectory) budgetOfAll.count(laneOf(token, scope), call.parts ?? 1, call.isMove ?? false);
      const response = await transport({
        cloud: token.cloud,
        accessToken: token.value,
        method: call.method,
        target: call.target,
        headers: headersOf(call),
        body: call.body,
        // The caller's own signal, not the whole deadline: a stream outlives the call that opened it.
        signal: AbortSignal.any([scope.signal, deadline.signal]),
      });
      status = response.status;
      if (!response.ok) throw await readFailure(response, call.subject, clock.now());
      const keep = () => {
        isKept = true;
        return release;
      };
      return await read({ response, deadline, keep });
    } catch (error) {
      if (scope.signal.aborted) throw scope.signal.reason;
      throw error instanceof GraphError ? error : unreachableError(call.operation, error);
    } finally {
      if (!isKept) release();
      const seconds = (monotonicMilliseconds() - startedAt) / SECOND;
      observer.onRequest?.({ operation: call.operation, status, seconds });
    }
  }

  return {
    json: (call, scope) =>
      perform(call, scope, ({ response }) =>
        readJson(response, deps.largestAnswerBytes ?? LARGEST_ANSWER_BYTES),
      ),
    stream: (call, scope) =>
      perform(call, scope, async ({ response, deadline, keep }) => {
        const release = keep();
        // A stream that nobody begins to read, or stops reading, gives its slot back all the same.
        AbortSignal.any([scope.signal, deadline.signal]).addEventListener('abort', release, { once: true });
        return readStream(response, call.operation, scope.signal, deadline, release);
      }),
    async pause(mailbox, milliseconds, kind) {
      const token = await tokens.get(mailbox, AbortSignal.timeout(ATTEMPT_MILLISECONDS));
      pauseLane(laneOf(token, { mailbox }), milliseconds, kind);
    },
  };
}

/** Limits are per app and mailbox, whichever of our accounts opens it. */
function laneOf(
  { clientId, tenantId }: AccessToken,
  { mailbox: { emailAddress } }: Pick<GraphScope, 'mailbox'>,
): string {
  return budgetKey({ clientId, tenantId, emailAddress });
}

function headersOf({ preferences = [] }: GraphCall): Record<string, string> {
  return {
    accept: 'application/json',
    // One header, joined: of several Prefer headers Graph has been seen to read the first only.
    prefer: [IMMUTABLE_IDS, ...preferences].join(', '),
    'client-request-id': randomUUID(),
    'return-client-request-id': 'true',
  };
}

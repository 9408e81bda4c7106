import { z } from 'zod';
import { type Clock, delay } from '../platform/clock.ts';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { type GraphSubject, toGraphError } from './graph-failure.ts';
import { DEFAULT_BUDGET, decideRetry, type RetryBudget } from './graph-retry.ts';

/** https://learn.microsoft.com/graph/json-batching */
export const MOST_PARTS = 20;
/** A part of a batch may be tried this often; each round is a whole call with a budget of its own. */
const PART_ATTEMPTS = 4;

/** One request inside of a batch; it must be safe to repeat, unless the batch says otherwise. */
export interface BatchPart {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the version: `/me/messages/…`. */
  path: string;
  subject: GraphSubject;
  body?: unknown;
}

/** What a batch works with. */
export interface BatchDeps {
  clock: Clock;
  random(): number;
  /** Whether its parts move mail: see `GraphCall`. */
  isMove?: boolean;
  /** False: repeated is only what was certainly not carried out. True when left out. */
  isRepeatable?: boolean;
  /** Of each call; that of a job when left out. */
  budget?: RetryBudget;
}

/** What became of a part: the JSON of its answer (null without content), or why it failed. */
export type BatchOutcome = { json: unknown } | { error: GraphError };

const answer = z.object({
  responses: z.array(
    z.object({
      id: z.string(),
      status: z.number().int(),
      headers: z.record(z.string(), z.unknown()).nullish(),
      body: z.unknown().optional(),
    }),
  ),
});

/**
 * Runs any number of requests, 20 in a call, one call after the other, and gives their outcomes in their order. Parts that
 * were throttled or met a fault are repeated alone: a batch that answers 200 may hold both. What one call has done is never
 * lost by the failure of a later one, which is then the outcome of what is left; only when nothing was answered it throws.
 */
export async function runBatch(
  client: GraphClient,
  deps: BatchDeps,
  operation: string,
  parts: readonly BatchPart[],
  scope: GraphScope,
): Promise<BatchOutcome[]> {
  const outcomes = new Map<number, BatchOutcome>();
  for (let start = 0; start < parts.length; start += MOST_PARTS) {
    let open = parts.slice(start, start + MOST_PARTS).map((part, index) => ({ part, index: start + index }));
    for (let attempts = 1; open.length > 0; attempts += 1) {
      const round = await runRound(client, deps, operation, open, scope).catch((thrown: unknown) => {
        if (!(thrown instanceof GraphError) || outcomes.size === 0) throw thrown;
        return thrown;
      });
      if (round instanceof GraphError) {
        return parts.map((_, index) => outcomes.get(index) ?? { error: round });
      }
      const again: typeof open = [];
      let waitMilliseconds = 0;
      let pauseMilliseconds = 0;
      for (const entry of open) {
        const outcome = round.get(entry.index) ?? missing(operation);
        outcomes.set(entry.index, outcome);
        if (!('error' in outcome)) continue;
        const { error } = outcome;
        const decision = decideRetry(
          {
            // 424: the part did not run because of another one.
            status: error.status === 424 ? 503 : error.status,
            retryAfterMilliseconds: error.retryAfterMilliseconds,
            attempts,
            elapsedMilliseconds: 0,
            isRepeatable: (error.isTransient && (deps.isRepeatable ?? true)) || error.status === 424,
          },
          { ...(deps.budget ?? DEFAULT_BUDGET), attempts: PART_ATTEMPTS },
          deps.random(),
        );
        // Whoever comes next shall not run into what this part was told, whether or not it is tried again.
        if (error.isTransient) {
          pauseMilliseconds = Math.max(pauseMilliseconds, error.retryAfterMilliseconds ?? 0);
        }
        if (decision.action === 'GIVE_UP') continue;
        again.push(entry);
        waitMilliseconds = Math.max(waitMilliseconds, decision.waitMilliseconds);
        if (decision.pausesMailbox)
          pauseMilliseconds = Math.max(pauseMilliseconds, decision.waitMilliseconds);
      }
      if (pauseMilliseconds > 0) {
        await client.pause(scope.mailbox, pauseMilliseconds, deps.isMove ? 'MOVES' : 'ALL');
      }
      if (again.length > 0 && waitMilliseconds > pauseMilliseconds)
        await delay(waitMilliseconds, scope.signal);
      open = again;
    }
  }
  return parts.map((_, index) => outcomes.get(index) ?? missing(operation));
}

async function runRound(
  client: GraphClient,
  { clock, isMove = false, isRepeatable = true, budget = DEFAULT_BUDGET }: BatchDeps,
  operation: string,
  open: readonly { part: BatchPart; index: number }[],
  scope: GraphScope,
): Promise<Map<number, BatchOutcome>> {
  const requests = open.map(({ part: { method, path, body }, index }) => ({
    id: String(index),
    method,
    url: path,
    headers: {
      Prefer: 'IdType="ImmutableId"',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  }));
  const json = await client.json(
    {
      operation,
      method: 'POST',
      target: '/$batch',
      subject: 'MAILBOX',
      body: { requests },
      isRepeatable,
      parts: requests.length,
      isMove,
      budget,
    },
    scope,
  );
  const parsed = answer.safeParse(json);
  if (!parsed.success) {
    throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph answered a batch in an unknown form.', {
      cause: parsed.error,
    });
  }
  const outcomes = new Map<number, BatchOutcome>();
  for (const { id, status, headers, body } of parsed.data.responses) {
    const entry = open.find(({ index }) => String(index) === id);
    if (entry === undefined) continue;
    const header = (name: string): string | null => {
      const found = Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name);
      return found === undefined ? null : String(found[1]);
    };
    outcomes.set(
      entry.index,
      status < 300
        ? { json: body ?? null }
        : { error: toGraphError({ status, header, body }, entry.part.subject, clock.now()) },
    );
  }
  return outcomes;
}

function missing(operation: string): BatchOutcome {
  return {
    error: new GraphError('GRAPH_UNAVAILABLE', `Microsoft Graph left out a part of a batch (${operation}).`),
  };
}

import { mapAsyncIterator } from '@envelop/core';
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
} from 'graphql';
import { SessionEndedError } from '../access/access-errors.ts';
import type { Session } from '../access/session.ts';
import { ExpectedError, toError } from '../errors.ts';
import { SECOND } from '../platform/clock.ts';
import { refuseComplexity } from './complexity.ts';
import { createContext } from './context.ts';
import { OPERATION_TIMEOUT } from './limits.ts';
import type { Services } from './services.ts';

/** Who asks for an operation, as the transport knows them. */
export interface Caller {
  /** Null without credentials. */
  readonly session: Session | null;
  /** Aborts when the caller has gone, their session has ended or the process stops. */
  readonly signal: AbortSignal;
  /** Reads the session again; null when it has ended. */
  readonly reload: () => Promise<Session | null>;
  /** Accounts for a stream that begins. Throws an ExpectedError when there are too many. */
  readonly openStream: () => OpenStream;
}

/** A stream that is accounted for until it is disposed of. */
export interface OpenStream extends Disposable {
  /** Aborts when the stream must end; an ExpectedError as the reason is told to the consumer. */
  readonly signal: AbortSignal;
}

/** What an operation needs besides its arguments. */
interface Execution {
  services: Services;
  caller: Caller;
  maskError: (error: unknown) => GraphQLError;
}

/** Runs a query or a mutation, with a context of its own and a deadline. Never throws. */
export async function executeOnce(
  args: ExecutionArgs,
  { services, caller }: Execution,
): Promise<ExecutionResult> {
  const refusal = refuseComplexity(args);
  if (refusal) return { errors: [refusal] };
  return withDeadline(caller.signal, async (signal) =>
    execute({ ...args, contextValue: createContext(services, caller.session, signal) }),
  );
}

/**
 * Opens a stream of results. The library's way would keep one context for the life of the stream, and with it one entity
 * manager and one answer to "may they?". Here each event gets a fresh context from the session as it is NOW, so that a
 * permission taken away between two events refuses the second (the scopes on the types see to it).
 *
 * A source that fails ends the stream with one last result that says why: a consumer that was too slow learns so, and
 * resumes. Never throws.
 */
export async function executeStream(
  args: ExecutionArgs,
  { services, caller, maskError }: Execution,
): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
  const refusal = refuseComplexity(args);
  if (refusal) return { errors: [refusal] };
  let stream: OpenStream | undefined;
  try {
    stream = caller.openStream();
    const left = new AbortController();
    const signal = AbortSignal.any([stream.signal, left.signal]);
    const contextValue = createContext(services, caller.session, signal);
    const source = await createSourceEventStream({ ...args, contextValue });
    if (!(Symbol.asyncIterator in source)) {
      stream[Symbol.dispose]();
      return source;
    }
    const deliver = async (event: unknown): Promise<ExecutionResult> => {
      const session = await caller.reload();
      if (session === null) throw new SessionEndedError();
      return withDeadline(signal, async (eventSignal) =>
        execute({ ...args, rootValue: event, contextValue: createContext(services, session, eventSignal) }),
      );
    };
    return endingWith(
      mapAsyncIterator(source, deliver),
      () => {
        left.abort();
        stream?.[Symbol.dispose]();
      },
      maskError,
    );
  } catch (thrown) {
    stream?.[Symbol.dispose]();
    return { errors: [maskError(thrown)] };
  }
}

/** `results`, with a failure turned into a last result, and `release` called at the end however it comes. */
function endingWith(
  results: AsyncIterableIterator<ExecutionResult>,
  release: () => void,
  maskError: (error: unknown) => GraphQLError,
): AsyncIterableIterator<ExecutionResult> {
  let hasFailed = false;
  return {
    async next() {
      if (hasFailed) return { done: true, value: undefined };
      try {
        const next = await results.next();
        if (next.done) release();
        return next;
      } catch (thrown) {
        hasFailed = true;
        release();
        return { done: false, value: { errors: [maskError(toError(thrown))] } };
      }
    },
    async return() {
      // First: a generator queues return() behind the next() that still waits, and only the signal ends that one.
      release();
      await results.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Runs one execution for at most {@link OPERATION_TIMEOUT}; at the end of it, its signal aborts and the answer says so. */
async function withDeadline(
  callerSignal: AbortSignal,
  run: (signal: AbortSignal) => Promise<ExecutionResult>,
): Promise<ExecutionResult> {
  const deadline = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<ExecutionResult>((resolve) => {
    timer = setTimeout(() => {
      const error = timeoutError();
      deadline.abort(error);
      resolve({ errors: [error] });
    }, OPERATION_TIMEOUT);
  });
  try {
    const result = await Promise.race([run(AbortSignal.any([callerSignal, deadline.signal])), timedOut]);
    // Whatever failed then failed because it was ended: that is no error of ours to be logged.
    return callerSignal.aborted ? { errors: [endedError(callerSignal.reason)] } : result;
  } finally {
    clearTimeout(timer);
  }
}

function endedError(reason: unknown): GraphQLError {
  return reason instanceof ExpectedError
    ? new GraphQLError(reason.message, { originalError: reason })
    : new GraphQLError('The caller left before the answer.', {
        extensions: { code: 'BAD_REQUEST', remedy: 'Stay connected until the answer comes.' },
      });
}

function timeoutError(): GraphQLError {
  return new GraphQLError(`The operation took longer than ${OPERATION_TIMEOUT / SECOND} s and was ended.`, {
    extensions: { code: 'TIMEOUT', remedy: 'Ask for less at a time.', http: { status: 504 } },
  });
}

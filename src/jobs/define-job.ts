import type { z } from 'zod';
import type { EntityManager } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';

/** How often a job is tried by default; with exponential backoff the tenth try comes after about six hours. */
const DEFAULT_MAX_ATTEMPTS = 10;
/** Each needs a worker that takes the job within the same millisecond. */
export const ENQUEUE_TRIES = 5;

/** A kind of background work: its wire name and the ids it works on. Payloads carry ids, never state. */
export interface Job<Input> {
  readonly name: string;
  readonly input: z.ZodType<Input>;
  readonly maxAttempts: number;
  /** Of jobs that are due the lowest number goes first; 0 unless it can wait behind everything else. */
  readonly priority: number;
  /** Jobs with the same queue run one after the other, over all processes. */
  readonly queue: ((input: Input) => string) | null;
  /** Of the jobs with the same key only one waits: enqueueing again while one waits changes nothing. */
  readonly key: ((input: Input) => string) | null;
}

/** What a handler gets besides its input. */
export interface JobContext {
  /** Aborts when the process gives up waiting for what runs. Pass it to every outside call. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** 1 at the first try. */
  readonly attempt: number;
  /** Whether a failure now is final. */
  readonly isLastAttempt: boolean;
}

/** A job together with the code that does it. */
export interface JobHandler {
  readonly name: string;
  readonly handle: (payload: unknown, context: JobContext) => Promise<void>;
}

/** Defines a job. The name is stored in the database: never rename it without a migration. */
export function defineJob<Input>(definition: {
  name: string;
  input: z.ZodType<Input>;
  maxAttempts?: number;
  priority?: number;
  queue?: (input: Input) => string;
  key?: (input: Input) => string;
}): Job<Input> {
  return { maxAttempts: DEFAULT_MAX_ATTEMPTS, priority: 0, queue: null, key: null, ...definition };
}

/** Ties the code to the job. The payload is parsed again when it runs: it may be older than the code. */
export function handleJob<Input>(
  job: Job<Input>,
  run: (input: Input, context: JobContext) => Promise<void>,
): JobHandler {
  return { name: job.name, handle: (payload, context) => run(job.input.parse(payload), context) };
}

/** When a job runs. */
export interface EnqueueOptions {
  /** Not before this instant by the database's clock; at once when left out. For a wait, say `delayMilliseconds`. */
  runAt?: Date;
  /**
   * Not before so long from now, by the database's clock, which the workers go by: an instant that this process computes
   * is long over where its clock is behind, and what should wait would be tried again and again without a pause.
   */
  delayMilliseconds?: number;
  /**
   * A job that waits under the same key keeps its time. For a run that asks for its own next one: whoever asked for a run
   * meanwhile wants it now, and must not be put off.
   */
  keepsWaiting?: boolean;
}

/**
 * Enqueues in the caller's transaction: the job exists exactly if the change that asks for it was committed.
 * Throws a ZodError when the input does not fit.
 */
export async function enqueue<Input>(
  em: EntityManager,
  job: Job<Input>,
  input: Input,
  { runAt, delayMilliseconds = 0, keepsWaiting = false }: EnqueueOptions = {},
): Promise<void> {
  const payload = job.input.parse(input);
  // A job that waits under the key is replaced, which only moves its time. One that already runs is left to finish, and
  // the new one runs after it (through the queue): work asked for while a run is under way is never swallowed by it.
  // A worker that takes the waiting job in the middle of `add_job` makes it do nothing at all, and say so by a row of
  // nulls. The second time it sees the job locked, and makes another.
  for (let tries = 0; tries < ENQUEUE_TRIES; tries += 1) {
    const [added] = await em.execute<{ id: string | null }[]>(
      `select id from graphile_worker.add_job(?, payload := ?::json, queue_name := ?, max_attempts := ?, job_key := ?,
         run_at := coalesce(?::timestamptz, now() + ?::float8 * interval '1 millisecond'), job_key_mode := ?, priority := ?)`,
      [
        job.name,
        JSON.stringify(payload),
        job.queue?.(input) ?? null,
        job.maxAttempts,
        job.key ? `${job.name}:${job.key(input)}` : null,
        runAt ?? null,
        Math.max(0, delayMilliseconds),
        keepsWaiting ? 'preserve_run_at' : 'replace',
        job.priority,
      ],
    );
    if (added && added.id !== null) return;
  }
  throw new Error(`The job ${job.name} could not be enqueued: it was taken again and again meanwhile.`);
}

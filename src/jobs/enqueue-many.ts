import type { EntityManager } from '../platform/database.ts';
import { ENQUEUE_TRIES, type Job } from './define-job.ts';

/**
 * Enqueues one job for each input in the caller's transaction, in one statement however many there are. Otherwise as
 * `enqueue`: a job that waits under the same key is replaced. Two inputs of one call must not have the same key.
 *
 * Throws a ZodError when an input does not fit; nothing is enqueued then.
 */
export async function enqueueMany<Input>(
  em: EntityManager,
  job: Job<Input>,
  inputs: readonly Input[],
): Promise<void> {
  if (inputs.length === 0) return;
  // In the order of their keys, as everybody: two that replace the same jobs wait for each other, never in a circle.
  const specs = inputs
    .map((input) => jobSpec(job, input))
    .toSorted((left, right) => ((left.job_key ?? '') < (right.job_key ?? '') ? -1 : 1));
  // One by one, still in one statement: of a whole list `add_jobs` joins its tables in the order that PostgreSQL plans, which
  // differs between sessions, and two lists of the same jobs waited for each other (a deadlock, which failed a reply).
  // As in `enqueue`: a job that is taken at this moment is left out of the answer. Replacing the others again is harmless.
  for (let tries = 0; tries < ENQUEUE_TRIES; tries += 1) {
    const added = await em.execute<unknown[]>(
      `select added.id from json_populate_recordset(null::graphile_worker.job_spec, ?::json) as spec
         cross join lateral graphile_worker.add_jobs(array[spec]) as added`,
      [JSON.stringify(specs)],
    );
    // Without a key nothing stands in the way, and a second time would be a second job.
    if (added.length === specs.length || job.key === null) return;
  }
  throw new Error(`Jobs ${job.name} could not be enqueued: one was taken again and again meanwhile.`);
}

/** A job as `graphile_worker.job_spec` has it, for statements of one's own. Throws a ZodError when the input does not fit. */
export function jobSpec<Input>(job: Job<Input>, input: Input) {
  return {
    identifier: job.name,
    payload: job.input.parse(input),
    queue_name: job.queue?.(input) ?? null,
    max_attempts: job.maxAttempts,
    priority: job.priority,
    job_key: job.key ? `${job.name}:${job.key(input)}` : null,
  };
}

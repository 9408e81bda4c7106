import type { EntityManager } from '../platform/database.ts';
import type { Job } from './define-job.ts';

/**
 * Enqueues one job for each input in the caller's transaction, in one statement however many there are. Otherwise as
 * `enqueue`. Throws a ZodError when an input does not fit; nothing is enqueued then.
 */
export async function enqueueMany<Input>(
  em: EntityManager,
  job: Job<Input>,
  inputs: readonly Input[],
): Promise<void> {
  if (inputs.length === 0) return;
  const rows = inputs.map((input) => ({
    payload: job.input.parse(input),
    queue: job.queue?.(input) ?? null,
    key: job.key ? `${job.name}:${job.key(input)}` : null,
  }));
  await em.execute(
    `select graphile_worker.add_job(?, payload := row.payload, queue_name := row.queue, max_attempts := ?,
       job_key := row.key, job_key_mode := 'replace')
     from json_to_recordset(?::json) as row(payload json, queue text, key text)`,
    [job.name, job.maxAttempts, JSON.stringify(rows)],
  );
}

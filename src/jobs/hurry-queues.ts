import type { EntityManager } from '../platform/database.ts';

/**
 * Makes jobs that wait for a later time due now: for when what they wait for has come earlier. Takes the names that the
 * jobs' `queue` gives. Jobs that run are left alone.
 */
export async function hurryQueues(em: EntityManager, queueNames: readonly string[]): Promise<void> {
  await em.execute(
    `update graphile_worker._private_jobs as job set run_at = now(), updated_at = now()
     from graphile_worker._private_job_queues as queue
     where queue.id = job.job_queue_id and queue.queue_name = any(?::text[])
       and job.locked_at is null and job.run_at > now() and job.attempts < job.max_attempts`,
    [`{${queueNames.map((name) => JSON.stringify(name)).join(',')}}`],
  );
}

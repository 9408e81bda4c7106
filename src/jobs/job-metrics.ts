import { Gauge, Histogram, type Registry } from 'prom-client';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { JobWorkerOptions } from './worker.ts';

/**
 * Tells Prometheus how jobs fare: how long tries took and how they ended, and how many jobs wait or have failed for good.
 * Returns what the worker calls after each try.
 */
export function createJobMetrics(
  registry: Registry,
  database: Database,
): NonNullable<JobWorkerOptions['onAttempt']> {
  const duration = new Histogram({
    name: 'deskgraph_job_duration_seconds',
    help: 'How long a try of a job took, by job and outcome.',
    labelNames: ['job', 'outcome'],
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120],
    registers: [registry],
  });
  new Gauge({
    name: 'deskgraph_jobs',
    help: 'Jobs in the queue: due now, due later, or failed for good.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      // Over all organizations: the queue is the process's, not an organization's.
      const [row] = await forkAcrossOrganizations(database).execute<
        Record<'due' | 'later' | 'failed', number>[]
      >(
        `select count(*) filter (where attempts < max_attempts and run_at <= now())::int as due,
           count(*) filter (where attempts < max_attempts and run_at > now())::int as later,
           -- Without an error it was replaced, or killed, while it ran, and another one has taken its place.
           count(*) filter (where attempts >= max_attempts and locked_at is null and last_error is not null)::int as failed
         from graphile_worker._private_jobs`,
      );
      for (const state of ['due', 'later', 'failed'] as const) this.set({ state }, row?.[state] ?? 0);
    },
  });
  return ({ job, succeeded, isFinal, seconds }) =>
    duration.observe({ job, outcome: succeeded ? 'done' : isFinal ? 'failed' : 'retried' }, seconds);
}

import { Cron } from 'croner';
import { toError } from '../errors.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { enqueue, type Job } from './define-job.ts';

/** A job that is enqueued again and again. Its key makes the ticks of many processes one job. */
export interface ScheduleEntry {
  readonly job: Job<Record<string, never>>;
  /** A cron pattern with seconds (croner's six fields), in UTC. */
  readonly pattern: string;
}

/**
 * Starts the timers. They only enqueue: what is due is decided, and done, by the job. Disposing stops them, and waits for
 * what is just being enqueued.
 */
export function startSchedule(
  entries: readonly ScheduleEntry[],
  { database, logger }: { database: Database; logger: Logger },
): AsyncDisposable {
  const enqueuing = new Set<Promise<void>>();
  const tick = async (job: Job<Record<string, never>>) => {
    try {
      await enqueue(forkAcrossOrganizations(database), job, {});
    } catch (thrown) {
      // The next tick tries again; a schedule must survive a database that is away for a moment.
      logger.warn({ err: toError(thrown), job: job.name }, 'could not enqueue a scheduled job');
    }
  };
  const timers = entries.map(
    ({ job, pattern }) =>
      new Cron(pattern, { timezone: 'UTC', protect: true, unref: true }, async () => {
        const ticking = tick(job).finally(() => enqueuing.delete(ticking));
        enqueuing.add(ticking);
        await ticking;
      }),
  );
  return {
    async [Symbol.asyncDispose]() {
      for (const timer of timers) timer.stop();
      await Promise.all(enqueuing);
    },
  };
}

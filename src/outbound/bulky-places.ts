import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { SECOND } from '../platform/clock.ts';
import { forkFor } from '../platform/database.ts';
import { deliverJob } from './deliver.jobs.ts';
import { deliverLane } from './deliver.ts';
import type { DeliveryDeps } from './delivery.ts';
import type { Lane } from './outbox-rows.ts';

/**
 * Lanes of large mails that a process is at, of its 16 places for jobs. An upload may take minutes, and stands still for as
 * long when the hosts for uploads do, for all mailboxes at once: syncs and replies keep the other places.
 */
export const MOST_BULKY_RUNS = 6;
const AGAIN = 5 * SECOND;

/** `deliverLane` with no more than so many lanes of large mails at a time; the others come back a little later. */
export function limitBulky(most: number): typeof deliverLane {
  let running = 0;
  return async (deps: DeliveryDeps, lane: Lane, context: Pick<JobContext, 'signal' | 'logger'>) => {
    if (lane.lane !== 'BULKY') return await deliverLane(deps, lane, context);
    if (running >= most) {
      const em = forkFor(deps.database, lane.organizationId, context.signal);
      await enqueue(em, deliverJob, lane, { delayMilliseconds: AGAIN, keepsWaiting: true });
      return;
    }
    running += 1;
    try {
      await deliverLane(deps, lane, context);
    } finally {
      running -= 1;
    }
  };
}

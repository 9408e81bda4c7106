import { z } from 'zod';
import { defineJob, handleJob, type JobHandler } from '../jobs/define-job.ts';
import { type Clock, DAY } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';

/** How long events are kept, and so how long a client may be away and still resume without a gap. */
export const EVENT_RETENTION = 7 * DAY;
/** Most events removed in one transaction. */
const BATCH_SIZE = 5_000;

/** Removes events that are older than {@link EVENT_RETENTION}. Any number of ticks are one waiting job. */
export const pruneEventsJob = defineJob({
  name: 'realtime.prune-events',
  input: z.object({}),
  key: () => 'all',
  queue: () => 'realtime.prune-events',
});

/** What does {@link pruneEventsJob}. */
export function createPruneEvents({ database, clock }: { database: Database; clock: Clock }): JobHandler {
  return handleJob(pruneEventsJob, async (_input, { signal }) => {
    const keepFrom = new Date(clock.now().getTime() - EVENT_RETENTION);
    let pruned: number;
    do {
      signal.throwIfAborted();
      pruned = await pruneBatch(database, keepFrom);
    } while (pruned === BATCH_SIZE);
  });
}

/**
 * Removes a batch and raises the watermarks of its organizations, in one statement: a reader sees both or neither.
 * Over all organizations, since age is all that counts.
 */
async function pruneBatch(database: Database, keepFrom: Date): Promise<number> {
  const [row] = await forkAcrossOrganizations(database).execute<{ pruned: number }[]>(
    `with gone as (
       delete from event where position in (
         select position from event
          where created_at < ?::timestamptz and transaction < pg_snapshot_xmin(pg_current_snapshot())
          order by transaction, position limit ?)
       returning organization_id, transaction, position
     ), last as (
       select distinct on (organization_id) organization_id, transaction, position from gone
        order by organization_id, transaction desc, position desc
     ), raised as (
       insert into event_watermark as kept (organization_id, transaction, position) select * from last
       on conflict (organization_id) do update set transaction = excluded.transaction, position = excluded.position
         where (kept.transaction, kept.position) < (excluded.transaction, excluded.position)
     )
     select count(*)::int as pruned from gone`,
    [keepFrom.toISOString(), BATCH_SIZE],
  );
  return row?.pruned ?? 0;
}

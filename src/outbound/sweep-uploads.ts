import { z } from 'zod';
import { defineJob, handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';

/** Uploads deleted in one transaction. */
const BATCH_SIZE = 500;

/** Deletes uploads that nobody used. Their contents follow with the sweep of contents. */
export const sweepUploadsJob = defineJob({
  name: 'outbound.sweep-uploads',
  input: z.object({}),
  key: () => 'all',
  queue: () => 'outbound.sweep-uploads',
});

/** The handler of {@link sweepUploadsJob}. */
export function createUploadSweep({ database, clock }: { database: Database; clock: Clock }): JobHandler {
  return handleJob(sweepUploadsJob, async (_input, { signal }) => {
    for (;;) {
      signal.throwIfAborted();
      const gone = await forkAcrossOrganizations(database, signal).execute<object[]>(
        `delete from upload where id in (
           select id from upload where expires_at < ? order by expires_at limit ? for update skip locked)
         returning id`,
        [clock.now(), BATCH_SIZE],
      );
      if (gone.length < BATCH_SIZE) return;
    }
  });
}

import { z } from 'zod';
import { toError } from '../errors.ts';
import { defineJob, handleJob, type JobHandler } from '../jobs/define-job.ts';
import { type Clock, DAY } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import { discardContent, type NewContent } from './stored-contents.ts';

/** After this a content that is still being written is taken for what a crash has left. No file takes that long. */
export const WRITING_GRACE = DAY;
/** Contents looked at in one transaction. */
const BATCH_SIZE = 100;

/**
 * Deletes contents that no attachment and no upload has any more, and what crashes left behind. Any number of ticks are one waiting job.
 */
export const sweepContentsJob = defineJob({
  name: 'ticketing.sweep-contents',
  input: z.object({}),
  key: () => 'all',
  queue: () => 'ticketing.sweep-contents',
});

/** What the sweep works with. */
export interface SweepOptions {
  database: Database;
  storages: ObjectStorages;
  clock: Clock;
}

/** The handler of {@link sweepContentsJob}. What could not be deleted is left to the next tick. */
export function createContentSweep({ database, storages, clock }: SweepOptions): JobHandler {
  return handleJob(sweepContentsJob, async (_input, { signal, logger }) => {
    const writtenBefore = new Date(clock.now().getTime() - WRITING_GRACE);
    // Forwards by id, so that what cannot be deleted is not taken up again and again.
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      signal.throwIfAborted();
      const { last, doomed } = await takeBatch(database, writtenBefore, after);
      for (const content of doomed) {
        signal.throwIfAborted();
        try {
          await discardContent(forkAcrossOrganizations(database, signal), storages, content, signal);
        } catch (thrown) {
          signal.throwIfAborted();
          logger.warn({ err: toError(thrown), contentId: content.id }, 'a content could not be deleted yet');
        }
      }
      if (last === null) return;
      after = last;
    }
  });
}

/**
 * Decides about the next contents: in which order see stored-contents.ts. Over all organizations, since whether anybody
 * refers to it is all that counts.
 */
async function takeBatch(
  database: Database,
  writtenBefore: Date,
  after: string,
): Promise<{ last: string | null; doomed: NewContent[] }> {
  return forkAcrossOrganizations(database).transactional(async (em) => {
    // What is locked is being stored or released right now: the next tick looks at it.
    const candidates = await em.execute<{ id: string }[]>(
      `select id from stored_content
       where (is_released or state <> 'STORED') and (state <> 'WRITING' or created_at < ?) and id > ?
       order by id limit ? for update skip locked`,
      [writtenBefore, after, BATCH_SIZE],
    );
    const ids = candidates.map(({ id }) => id);
    if (ids.length === 0) return { last: null, doomed: [] };
    // A statement of its own: it sees what was committed before the rows were held.
    const doomed = await em.execute<
      { id: string; organization_id: string; storage: NewContent['storage'] }[]
    >(
      `update stored_content set state = 'DELETING', is_released = false
       where id in (?) and not exists (
         select from attachment
         where attachment.organization_id = stored_content.organization_id
           and attachment.stored_content_id = stored_content.id)
         and not exists (
         select from upload
         where upload.organization_id = stored_content.organization_id
           and upload.stored_content_id = stored_content.id)
       returning id, organization_id, storage`,
      [ids],
    );
    await em.execute(
      `update stored_content set is_released = false where id in (?) and state = 'STORED' and is_released`,
      [ids],
    );
    return {
      last: ids.length < BATCH_SIZE ? null : (ids.at(-1) ?? null),
      doomed: doomed.map(({ id, organization_id, storage }) => ({
        id,
        organizationId: organization_id,
        storage,
      })),
    };
  });
}

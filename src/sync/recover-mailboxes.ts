import { toError } from '../errors.ts';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import { type Database, type EntityManager, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { watchPushJob } from './push.jobs.ts';
import { requestSync } from './request-sync.ts';
import { recoverMailboxesJob } from './sync.jobs.ts';

/** A mailbox is not read more often than this for the sake of recovery, however many processes come back one by one. */
const RECOVERY_PAUSE = 15 * SECOND;
/** Mailboxes looked up at a time. */
const MAILBOXES_PER_PAGE = 500;

interface Row {
  id: string;
  organization_id: string;
  is_recent: boolean;
}

/**
 * Asks that every mailbox whose mail is announced is read once from now on: what Microsoft announced while nobody here could
 * take it is retried for hours with growing waits, and may never come. Subscriptions are looked at as well. For a process that begins, or begins again, to take
 * notifications; those that only run jobs miss nothing.
 */
export async function requestRecovery(em: EntityManager, clock: Clock): Promise<void> {
  await enqueue(em, recoverMailboxesJob, { since: clock.now().toISOString() });
  // The address that Microsoft calls may be another one now, and what was to be renewed meanwhile was not.
  await enqueue(em, watchPushJob, {});
}

/**
 * Asks for a `RECOVERY` sync of every mailbox that has a subscription and has not been read since. Of processes that come
 * back together the first one's run serves all; one that comes back later than that run is served after a pause, together
 * with others. Throws the first error when a mailbox could not be asked for; repeating it asks for the others only.
 */
export async function recoverMailboxes(
  { database, clock }: { database: Database; clock: Clock },
  { since }: { since: string },
  { logger, signal }: Pick<JobContext, 'logger' | 'signal'>,
): Promise<void> {
  // Across organizations: the process was away for all of them. Each mailbox is then read within its own.
  const across = forkAcrossOrganizations(database, signal);
  const now = clock.now();
  let asked = 0;
  let isPostponed = false;
  let failure: Error | undefined;
  let after: string | null = null;
  for (;;) {
    const rows: Row[] = await across.execute<Row[]>(UNREAD, [
      new Date(now.getTime() - RECOVERY_PAUSE),
      after,
      after,
      since,
      since,
    ]);
    for (const { id, organization_id, is_recent } of rows) {
      signal.throwIfAborted();
      if (is_recent) {
        isPostponed = true;
        continue;
      }
      try {
        const em = forkFor(database, organization_id, signal);
        const mailbox = await em.findOne(Mailbox, { id });
        if (mailbox?.incomingEnabled) await requestSync(em, mailbox, 'RECOVERY');
        asked += 1;
      } catch (thrown) {
        // One mailbox's trouble must not keep the others from being read.
        failure ??= toError(thrown);
      }
    }
    after = rows.at(-1)?.id ?? null;
    if (rows.length < MAILBOXES_PER_PAGE) break;
  }
  if (asked > 0) logger.info({ mailboxes: asked, since }, 'asked for what came while nobody listened');
  if (failure) throw failure;
  // With the same instant: a run that has begun since then has seen everything.
  if (isPostponed) {
    await enqueue(across, recoverMailboxesJob, { since }, { delayMilliseconds: RECOVERY_PAUSE });
  }
}

/**
 * Mailboxes with a subscription of which no reading has begun since; whether one was asked for just before. No run waits for
 * a day: the bound is for the index.
 */
const UNREAD = `
  select mailbox.id, mailbox.organization_id, exists (
      select from sync_run
       where sync_run.organization_id = mailbox.organization_id and sync_run.mailbox_id = mailbox.id
         and sync_run.trigger = 'RECOVERY' and sync_run.created_at > ?
    ) as is_recent
    from mailbox
   where mailbox.incoming_enabled and (?::uuid is null or mailbox.id > ?::uuid)
     and exists (
       select from push_subscription
        where push_subscription.mailbox_id = mailbox.id and push_subscription.replaced_at is null)
     and not exists (
       select from sync_run
        where sync_run.organization_id = mailbox.organization_id and sync_run.mailbox_id = mailbox.id
          and sync_run.started_at >= ? and sync_run.created_at >= ?::timestamptz - interval '1 day')
   order by mailbox.id
   limit ${MAILBOXES_PER_PAGE}`;

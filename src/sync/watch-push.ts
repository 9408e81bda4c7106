import type { JobContext } from '../jobs/define-job.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { liveJobExists } from '../jobs/live-job.ts';
import { type Clock, DAY } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import { EVENT_CHANNEL } from '../realtime/record.ts';
import { managePushJob } from './push.jobs.ts';
import { type PushEnvironment, serverObstacle, webhookUrls } from './push-environment.ts';
import { REPLACED_RETENTION } from './push-plan.ts';
import { ANNOUNCEMENT_GRACE } from './push-probe-plan.ts';

/** Mailboxes asked for at one tick, where the others are still due at the next; and in one statement. */
const MAILBOXES_PER_TICK = 500;

/** How long a draft that Microsoft does not let us remove is tried again: the account may be let in again. */
const DRAFT_RETENTION = 30 * DAY;

/** What the watch needs. */
export interface WatchDependencies {
  database: Database;
  clock: Clock;
  environment: PushEnvironment;
}

interface Due {
  organization_id: string;
  mailbox_id: string;
}

/**
 * Asks for whatever is due: subscriptions to make, renew, replace and end, of whatever organization; counts the polls that
 * found mail which should have been announced, and forgets subscriptions that were replaced a day ago.
 */
export async function watchPush(
  { database, clock, environment }: WatchDependencies,
  { logger }: Pick<JobContext, 'logger'>,
): Promise<void> {
  // Across organizations: the clock ticks for all of them, and each job then works within its own.
  const em = forkAcrossOrganizations(database);
  const now = clock.now();
  const silent = await em.execute<Due[]>(COUNT_MISSES, [
    now,
    now,
    new Date(now.getTime() - ANNOUNCEMENT_GRACE),
  ]);
  if (silent.length > 0) logger.warn({ mailboxes: silent.length }, 'polls found mail that was not announced');
  const canPush = serverObstacle(environment) === null;
  const url = canPush ? webhookUrls(environment.publicUrl ?? '').notificationUrl : '';
  const due = await em.execute<Due[]>(DUE, [now, now, url, now, canPush, managePushJob.name]);
  const mailboxes = new Map(
    [...silent, ...due].map(({ organization_id, mailbox_id }) => [
      mailbox_id,
      { organizationId: organization_id, mailboxId: mailbox_id },
    ]),
  );
  await enqueueMany(em, managePushJob, [...mailboxes.values()]);
  await em.execute(
    'delete from push_subscription where replaced_at < ? and (probe_removal_at is null or replaced_at < ?)',
    [new Date(now.getTime() - REPLACED_RETENTION), new Date(now.getTime() - DRAFT_RETENTION)],
  );
}

/**
 * A poll counts when it found something new although, since the last reading that went well, the subscription stood and
 * no notification came, not even late. Mail that was announced and that no earlier run has brought is not counted. A poll
 * that does the work of a failed run is no proof of anything.
 */
const COUNT_MISSES = `
  with missed as (
    update push_subscription
       set missed_count = missed_count + 1, last_missed_at = ?, updated_at = ?
     where id in (
       select subscription.id from push_subscription as subscription
        where subscription.state = 'ACTIVE' and subscription.replaced_at is null and exists (
          select from sync_run as poll
           where poll.organization_id = subscription.organization_id and poll.mailbox_id = subscription.mailbox_id
             and poll.trigger = 'POLL' and poll.state = 'SUCCEEDED' and poll.finished_at <= ?
             and poll.created + poll.appended + poll.ignored > poll.expected
             and poll.created_at > greatest(active_since, last_notification_at, last_missed_at)
             and exists (
               select from sync_run as before
                where before.organization_id = poll.organization_id and before.mailbox_id = poll.mailbox_id
                  and before.state = 'SUCCEEDED' and before.created_at < poll.created_at
                  and before.started_at > greatest(active_since, last_notification_at)
             )
        )
        -- In the order in which the webhook locks them: two that meet wait for each other, never in a circle.
        order by subscription.id for no key update
     )
    returning organization_id, mailbox_id
  ), told as (
    insert into event (organization_id, type, payload)
    select organization_id, 'sync-status.changed', jsonb_build_object('mailboxId', mailbox_id) from missed
    returning pg_notify('${EVENT_CHANNEL}', '')
  )
  select organization_id, mailbox_id from missed`;

/** What is due, as far as SQL can tell; the plan has the last word. What waits for its turn is not asked for again. */
const DUE = `
  select mailbox.organization_id, mailbox.id as mailbox_id
    from mailbox left join push_subscription as subscription
      on subscription.mailbox_id = mailbox.id and subscription.replaced_at is null
   where (
     (subscription.id is not null and (
       subscription.next_step_at <= ? or (subscription.state = 'ACTIVE' and subscription.next_probe_at <= ?)
       or not mailbox.incoming_enabled
       or subscription.folder_id is distinct from mailbox.folder->>'id' or subscription.notification_url <> ?
     )) or exists (
       select from push_subscription as probed where probed.mailbox_id = mailbox.id and probed.probe_removal_at <= ?
     ) or (subscription.id is null and ? and mailbox.incoming_enabled and mailbox.kind <> 'SHARED')
   ) and not ${liveJobExists('?', 'mailbox.id')}
   limit ${MAILBOXES_PER_TICK}`;

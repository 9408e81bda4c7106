import { v7 as uuidv7 } from 'uuid';
import { enqueueMany, jobSpec } from '../jobs/enqueue-many.ts';
import { SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { EVENT_CHANNEL } from '../realtime/record.ts';
import { managePushJob } from './push.jobs.ts';
import { RENEWAL_PAUSE } from './push-plan.ts';
import { PROOF_LIFE } from './push-probe-plan.ts';
import { syncMailboxJob } from './sync.jobs.ts';
import type { SyncTrigger } from './sync-run.entity.ts';

/** A notification so soon after another one proves nothing new. */
const JUST_HEARD = 0.25 * SECOND;

/** A subscription that a notification may be about. */
export interface KnownSubscription {
  id: string;
  organizationId: string;
  mailboxId: string;
  graphSubscriptionId: string;
  sealedClientState: string;
}

/** A subscription whose notifications came. */
export interface Announcement {
  subscription: KnownSubscription;
  /** How many. */
  count: number;
}

/** What Microsoft tells about a subscription itself. */
export const LIFECYCLE_EVENTS = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const;
export type LifecycleEvent = (typeof LIFECYCLE_EVENTS)[number];

/** The subscriptions with these ids of Microsoft's, by them; those that were replaced lately included. */
export async function findSubscriptions(
  em: EntityManager,
  graphSubscriptionIds: readonly string[],
): Promise<Map<string, KnownSubscription>> {
  if (graphSubscriptionIds.length === 0) return new Map();
  // Over all organizations: Microsoft's id is all that a notification says about whose it is.
  const rows = await em.execute<
    {
      id: string;
      organization_id: string;
      mailbox_id: string;
      graph_subscription_id: string;
      sealed_client_state: string;
    }[]
  >(
    `select id, organization_id, mailbox_id, graph_subscription_id, sealed_client_state from push_subscription
      where graph_subscription_id in (select value from json_array_elements_text(?::json))`,
    [JSON.stringify(graphSubscriptionIds)],
  );
  return new Map(
    rows.map((row) => [
      row.graph_subscription_id,
      {
        id: row.id,
        organizationId: row.organization_id,
        mailboxId: row.mailbox_id,
        graphSubscriptionId: row.graph_subscription_id,
        sealedClientState: row.sealed_client_state,
      },
    ]),
  );
}

/**
 * Takes notifications for true: one waiting run per mailbox, with its job and event, and the proof that push works, all in
 * one statement. Nothing is read of the mail: a notification is a hint.
 */
export async function acceptNotifications(
  em: EntityManager,
  announcements: readonly Announcement[],
  now: Date,
): Promise<void> {
  const subscriptions = announcements.map(({ subscription }) => subscription);
  await requestSyncs(em, subscriptions, 'PUSH', { announcements, now });
}

/** Takes lifecycle events for true. Call it inside a transaction. */
export async function acceptLifecycleEvents(
  em: EntityManager,
  events: readonly { subscription: KnownSubscription; event: LifecycleEvent }[],
  now: Date,
): Promise<void> {
  const about = (wanted: LifecycleEvent) =>
    events.filter(({ event }) => event === wanted).map(({ subscription }) => subscription);
  const removed = about('subscriptionRemoved');
  const unauthorized = about('reauthorizationRequired');
  // In the order of their ids before anything else, see `requestSyncs`: two that tell of the same ones the other way round.
  await em.execute(
    `select from push_subscription where id in (select value::uuid from json_array_elements_text(?::json))
      order by id for no key update`,
    [idsOf(events.map(({ subscription }) => subscription))],
  );
  // Each row was found by its secret; of replaced ones nothing is to be renewed or made.
  await em.execute(
    `update push_subscription set state = 'REMOVED', next_step_at = ?, updated_at = ?
      where id in (select value::uuid from json_array_elements_text(?::json)) and replaced_at is null and state = 'ACTIVE'`,
    [now, now, idsOf(removed)],
  );
  await em.execute(
    `update push_subscription set next_step_at = ?, updated_at = ?
      where id in (select value::uuid from json_array_elements_text(?::json)) and replaced_at is null and state = 'ACTIVE'
        and coalesce(renewed_at < ?, true)`,
    [now, now, idsOf(unauthorized), new Date(now.getTime() - RENEWAL_PAUSE)],
  );
  await requestSyncs(em, [...removed, ...about('missed')], 'RECOVERY', null);
  const mailboxes = new Map(
    [...removed, ...unauthorized].map(({ organizationId, mailboxId }) => [
      mailboxId,
      { organizationId, mailboxId },
    ]),
  );
  await enqueueMany(em, managePushJob, [...mailboxes.values()]);
}

function idsOf(subscriptions: readonly KnownSubscription[]): string {
  return JSON.stringify(subscriptions.map(({ id }) => id));
}

/**
 * As `requestSync`, for many mailboxes of whatever organizations at once. Rows are locked in the order of their ids, first
 * subscriptions, then runs, then jobs, as everywhere: two that name the same mailboxes wait for each other, never in a
 * circle. A mailbox that takes no mail in is passed over.
 *
 * A run that waits has its job. One that may be taken is left alone, since whoever takes it waits for the lock on the run:
 * replacing it would push a mailbox that is named often behind all the others, and costs more than all the rest. So is one
 * that was put off because Microsoft asked us to slow down, but not one that failed.
 * A job that a worker takes in the middle of this is asked for again (see `enqueue`) in the same statement: a crash behind
 * it would leave a run that nobody takes before the next poll.
 */
async function requestSyncs(
  em: EntityManager,
  subscriptions: readonly KnownSubscription[],
  trigger: SyncTrigger,
  proof: { announcements: readonly Announcement[]; now: Date } | null,
): Promise<void> {
  if (subscriptions.length === 0) return;
  const byMailbox = new Map(subscriptions.map((subscription) => [subscription.mailboxId, subscription]));
  const { now, announcements } = proof ?? { now: new Date(0), announcements: [] };
  const expected = new Map<string, number>();
  for (const { subscription, count } of announcements) {
    expected.set(subscription.mailboxId, (expected.get(subscription.mailboxId) ?? 0) + count);
  }
  const hints = [...byMailbox.values()].map(({ organizationId, mailboxId }) => ({
    run_id: uuidv7(),
    organization_id: organizationId,
    mailbox_id: mailboxId,
    expected: expected.get(mailboxId) ?? 0,
    spec: jobSpec(syncMailboxJob, { organizationId, mailboxId }),
  }));
  const [stored] = await em.execute<{ is_complete: boolean; probed: string[] }[]>(
    `with known as (
       select id, replaced_at is null and (missed_count > 0 or last_notification_at is null or last_notification_at < ?
           or (probe_started_at > last_notification_at and probe_answered_at is null)) as changes_status
         from push_subscription where id in (select value::uuid from json_array_elements_text(?::json))
          -- Heard of a moment ago, and nothing waits for it: in a burst the same rows would be written again and again.
          and ((last_notification_at > ?) is not true or missed_count + silent_recreations + unanswered_probes > 0
            or probe_removal_at is not null or (probe_started_at > last_notification_at and probe_answered_at is null)
            -- What a poll brings that began since then would count as not announced.
            or exists (
              select from sync_run as poll
               where poll.organization_id = push_subscription.organization_id
                 and poll.mailbox_id = push_subscription.mailbox_id and poll.trigger = 'POLL'
                 and poll.created_at > last_notification_at))
        order by id for no key update
     ), heard as (
       update push_subscription set last_notification_at = ?, missed_count = 0, silent_recreations = 0,
           unanswered_probes = 0, next_probe_at = ?,
           probe_answered_at = case when probe_removal_at is null then probe_answered_at
             else coalesce(probe_answered_at, ?) end,
           -- By the first one only: a removal that was refused waits as long as it was told to.
           probe_removal_at = case when probe_removal_at is null or probe_answered_at is not null then probe_removal_at
             else least(probe_removal_at, ?) end
         from known where push_subscription.id = known.id
       returning organization_id, mailbox_id, known.changes_status,
         probe_removal_at is not null and probe_removal_at <= ? as has_due_draft,
         -- One of them was about the probe's draft, which no run brings.
         probe_removal_at is not null and probe_answered_at = ? as has_answered_probe
     ), hint as (
       select run_id, organization_id, mailbox_id, spec, expected - (
           select count(*) from heard where heard.mailbox_id = hint.mailbox_id and heard.has_answered_probe) as expected
         from json_to_recordset(?::json)
           as hint(run_id uuid, organization_id uuid, mailbox_id uuid, expected integer, spec json)
     ), queued as (
       insert into sync_run (id, organization_id, mailbox_id, trigger, state, announced_at, expected, created_at, updated_at)
       select hint.run_id, mailbox.organization_id, mailbox.id, ?, 'QUEUED', ?::timestamptz, greatest(hint.expected, 0), now(),
           now()
         from hint join mailbox on mailbox.organization_id = hint.organization_id and mailbox.id = hint.mailbox_id
        where mailbox.incoming_enabled and (select count(*) from heard) >= 0
        order by mailbox.id
       on conflict (mailbox_id) where state = 'QUEUED' do update
         set trigger = case when sync_run.trigger = 'POLL' then excluded.trigger else sync_run.trigger end,
           announced_at = coalesce(sync_run.announced_at, excluded.announced_at),
           expected = sync_run.expected + excluded.expected
       returning id, mailbox_id
     ), told as (
       insert into event (organization_id, type, payload)
       select organization_id, 'sync-status.changed', jsonb_build_object('mailboxId', mailbox_id) from (
         select hint.organization_id, hint.mailbox_id from queued join hint on hint.run_id = queued.id
         -- How mail is noticed has changed, also where a run waits that somebody was told of.
         union select organization_id, mailbox_id from heard where changes_status) as changed
       returning pg_notify('${EVENT_CHANNEL}', '')
     ), wanting as (
       select array_agg(json_populate_record(null::graphile_worker.job_spec, hint.spec) order by hint.mailbox_id) as specs,
           count(*) as jobs
         from queued join hint on hint.mailbox_id = queued.mailbox_id
        where hint.run_id = queued.id or not exists (
          select from graphile_worker._private_jobs as job
           where job.key = hint.spec->>'job_key' and job.is_available and (job.run_at <= now() or job.attempts = 0))
       having count(*) > 0
     ), once as materialized (
       select specs, jobs, (select count(*) from graphile_worker.add_jobs(specs)) as added from wanting
     ), again as materialized (
       select (select count(*) from graphile_worker.add_jobs(specs)) >= jobs as is_complete from once where added < jobs
     )
     select coalesce((select bool_and(is_complete) from again), true) as is_complete,
       (select coalesce(json_agg(distinct mailbox_id), '[]') from heard where has_due_draft) as probed`,
    [
      new Date(now.getTime() - PROOF_LIFE),
      idsOf(announcements.map(({ subscription }) => subscription)),
      new Date(now.getTime() - JUST_HEARD),
      now,
      new Date(now.getTime() + PROOF_LIFE),
      now,
      now,
      now,
      now,
      JSON.stringify(hints),
      trigger,
      proof?.now ?? null,
    ],
  );
  if (!stored?.is_complete) {
    await enqueueMany(
      em,
      syncMailboxJob,
      hints.map((hint) => ({ organizationId: hint.organization_id, mailboxId: hint.mailbox_id })),
    );
  }
  // An answered probe has done its work: its draft goes at once. Should we die just here, it goes when its time is over.
  const probed = new Set(stored?.probed);
  const drafts = subscriptions.filter(({ mailboxId }) => probed.delete(mailboxId));
  await enqueueMany(
    em,
    managePushJob,
    drafts.map(({ organizationId, mailboxId }) => ({ organizationId, mailboxId })),
  );
}

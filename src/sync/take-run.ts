import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { EVENT_CHANNEL } from '../realtime/record.ts';
import type { StoredRound } from './round.ts';
import type { SyncState } from './sync-state.entity.ts';

/** The run that a worker has taken, and where the mailbox's sync stands. */
export interface TakenRun {
  runId: string;
  state: Pick<
    SyncState,
    'folderId' | 'cursor' | 'round' | 'coveredUntil' | 'consecutiveFailures' | 'version'
  >;
}

interface TakenRow {
  run_id: string;
  folder_id: string | null;
  cursor: string | null;
  round: StoredRound | null;
  covered_until: string | null;
  consecutive_failures: number;
  version: number;
}

/**
 * Takes the waiting run, and closes those that a killed process left open: without a waiting one, a new run with the
 * trigger `RECOVERY` then goes on from the stored cursor. Null when nothing waits and nothing was left: an earlier job
 * has done this one's work.
 *
 * The run that is taken is expected to bring what was announced and earlier ones did not bring.
 *
 * One statement, which is its own transaction: new mail waits for it. The waiting row is locked first, so that whoever
 * asks for a sync at this moment either is answered by this run, which has not asked Microsoft yet, or waits and then
 * makes a run of their own.
 */
export async function takeRun(
  em: EntityManager,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  clock: Clock,
): Promise<TakenRun | null> {
  const now = clock.now();
  const [row] = await em.execute<TakenRow[]>(
    `with open as (
       select id, state, announced_at, greatest(expected - created - appended - ignored - failed, 0) as awaited from sync_run
        where organization_id = ? and mailbox_id = ? and state in ('QUEUED', 'RUNNING') order by id for no key update
     ), awaiting as (
       select awaited, awaited_since from sync_state
        where organization_id = ? and mailbox_id = ? and (select count(*) from open) > 0 for no key update
     ), carried as (
       select coalesce(sum(awaited), 0) as awaited, max(since) as since from (
         select awaited, awaited_since as since from awaiting where awaited > 0
         union all select awaited, announced_at from open where state = 'RUNNING' and awaited > 0) as left_behind
     ), place as (
       select organization_id, id as mailbox_id, ?::timestamptz as now, ?::timestamptz
           + sync_interval_minutes * interval '1 minute' as next_poll_at
         from mailbox where organization_id = ? and id = ? and exists (select from open)
     ), interrupted as (
       update sync_run set state = 'INTERRUPTED', finished_at = place.now, updated_at = place.now
         from place where id in (select id from open where state = 'RUNNING')
     ), taken as (
       update sync_run set state = 'RUNNING', started_at = place.now, updated_at = place.now,
           expected = sync_run.expected + carried.awaited, announced_at = coalesce(sync_run.announced_at, carried.since)
         from place, carried where id in (select id from open where state = 'QUEUED')
       returning id
     ), recovery as (
       insert into sync_run (id, organization_id, mailbox_id, trigger, state, expected, announced_at, started_at, created_at,
         updated_at)
       select ?::uuid, organization_id, mailbox_id, 'RECOVERY', 'RUNNING', carried.awaited, carried.since, now, now, now
         from place, carried where not exists (select from open where state = 'QUEUED')
       returning id
     ), told as (
       insert into event (organization_id, type, payload)
       select organization_id, 'sync-status.changed', jsonb_build_object('mailboxId', mailbox_id) from place
     ), state as (
       -- Set before the work begins: a run that takes long must not be asked for again at every tick meanwhile.
       insert into sync_state (id, organization_id, mailbox_id, next_poll_at, created_at, updated_at)
       -- Once it is read what is awaited: a row that this statement has changed before shows nothing any more.
       select ?::uuid, organization_id, mailbox_id, next_poll_at, now, now from place where (select count(*) from carried) > 0
       on conflict (mailbox_id) do update set next_poll_at = excluded.next_poll_at, resumes_at = null,
         awaited = 0, updated_at = excluded.updated_at, version = sync_state.version + 1
       returning folder_id, cursor, round, covered_until, consecutive_failures, version
     )
     select run.id as run_id, state.*, pg_notify('${EVENT_CHANNEL}', '')
       from state, (select id from taken union all select id from recovery) as run`,
    [
      organizationId,
      mailboxId,
      organizationId,
      mailboxId,
      now,
      now,
      organizationId,
      mailboxId,
      uuidv7(),
      uuidv7(),
    ],
  );
  if (!row) return null;
  return {
    runId: row.run_id,
    state: {
      folderId: row.folder_id,
      cursor: row.cursor,
      round: row.round,
      coveredUntil: row.covered_until === null ? null : new Date(row.covered_until),
      consecutiveFailures: row.consecutive_failures,
      version: row.version,
    },
  };
}

import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { DeltaPage } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { EVENT_CHANNEL } from '../realtime/record.ts';
import { planLook } from './announced-mail.ts';
import type { StoredRound } from './round.ts';
import { SupersededError } from './store-failure.ts';
import { type MailOwner, storeAndFinish, storeUnreadable } from './store-mails.ts';
import type { SyncTrigger } from './sync-run.entity.ts';

/** The run that a page belongs to. */
export interface PageOwner extends MailOwner {
  /** The version of the sync state when its cursor was last read or written. */
  stateVersion: number;
}

/** The cursor to store with the page. */
export interface CursorMove {
  cursor: string | null;
  /** The filtered round that goes on at the cursor; null when none does. */
  round: StoredRound | null;
  /** Given when the round is complete: everything received until then is covered. */
  coveredUntil: Date | null;
  /** Given when the run ends with this page, and well: the requests to Graph that it took. */
  endsAfterRequests: number | null;
}

/** What came of a page: `null` when the settings have changed so that it no longer counts. */
export type StoredPage = { stateVersion: number } | null;

/**
 * Stores a page: ledger, tickets, messages, events and follow-up jobs, and the cursor that covers them, in one
 * transaction. When one message makes it fail, the page is stored message by message, so that a poison message becomes
 * `FAILED` alone and stops nobody; the cursor still moves last.
 *
 * Throws {@link SupersededError}, and whatever the database throws when it is away.
 */
export function storePage(owner: PageOwner, page: DeltaPage, move: CursorMove): Promise<StoredPage> {
  return storeAndFinish(owner, page, (em, mailbox) => finishPage(em, owner, mailbox, page, move));
}

interface MovedRow {
  version: number;
  looks: number;
  /** Null unless the run ends. */
  trigger: SyncTrigger | null;
  expected: number | null;
  brought: number | null;
  is_fresh: boolean;
  announced_at: string | null;
}

async function finishPage(
  em: EntityManager,
  owner: PageOwner,
  mailbox: Mailbox,
  page: DeltaPage,
  { cursor, round, coveredUntil, endsAfterRequests }: CursorMove,
): Promise<StoredPage> {
  await storeUnreadable(em, owner, mailbox, page.unreadable);
  const { organizationId, mailboxId, runId, folderId, stateVersion } = owner;
  // The run ends in the transaction of its last page, which spares it one of its own; and in the statement that moves
  // the cursor, since new mail waits for each. The run's row first, then the state's, as everywhere.
  const [moved] = await em.execute<MovedRow[]>(
    `with place as (
       select ?::uuid as organization_id, ?::uuid as mailbox_id, ?::timestamptz as now, ?::integer as requests
     ), run as (
       select sync_run.id, sync_run.trigger, sync_run.announced_at, sync_run.expected,
           sync_run.created + sync_run.appended + sync_run.ignored + sync_run.failed as brought
         from sync_run join place using (organization_id)
        where sync_run.id = ? and sync_run.state = 'RUNNING' and place.requests is not null
          for no key update of sync_run
     ), ended as (
       update sync_run set state = 'SUCCEEDED', finished_at = place.now, requests = place.requests, updated_at = place.now
         from place, run where sync_run.id = run.id
     ), told as (
       insert into event (organization_id, type, payload)
       select organization_id, 'sync-status.changed', jsonb_build_object('mailboxId', mailbox_id)
         from place where requests is not null
     ), moved as (
       update sync_state set cursor = ?, round = ?::jsonb, folder_id = ?,
         covered_until = coalesce(?::timestamptz, covered_until),
         last_success_at = case when place.requests is null then last_success_at else place.now end,
         version = version + 1, updated_at = place.now
         from place where sync_state.organization_id = place.organization_id
          and sync_state.mailbox_id = place.mailbox_id and version = ? and (select count(*) from run) >= 0
       returning version, looks, awaited_since
     )
     select moved.version, moved.looks, run.trigger, run.expected, run.brought,
       run.announced_at is distinct from moved.awaited_since as is_fresh, run.announced_at,
       (select pg_notify('${EVENT_CHANNEL}', '') from place where requests is not null)
       from moved left join run on true`,
    [
      organizationId,
      mailboxId,
      owner.clock.now(),
      endsAfterRequests,
      runId,
      cursor,
      round && JSON.stringify(round),
      folderId,
      coveredUntil,
      stateVersion,
    ],
  );
  if (!moved) throw new SupersededError();
  if (moved.expected !== null && moved.brought !== null && moved.expected > moved.brought) {
    await awaitMail(em, { organizationId, mailboxId }, moved);
  }
  return { stateVersion: moved.version };
}

/** Not all of the mail that was announced was there. */
async function awaitMail(
  em: EntityManager,
  ids: { organizationId: string; mailboxId: string },
  { trigger, expected, brought, is_fresh, looks, announced_at }: MovedRow,
): Promise<void> {
  if (trigger === null || expected === null || brought === null) return;
  const after = await planLook(em, ids, { trigger, expected, brought, isFresh: is_fresh, looks });
  await em.execute(
    `update sync_state set awaited = ?, looks = ?, awaited_since = ?::timestamptz
      where organization_id = ? and mailbox_id = ?`,
    [after.awaited, after.looks, announced_at, ids.organizationId, ids.mailboxId],
  );
}

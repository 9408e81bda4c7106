/* What a reconciliation asks the ledger, page by page and set by set: nothing of a folder is ever held in memory. */
import type { ListedMail } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { messageIdsIn } from '../ticketing/message-id.ts';
import { MOST_DIFFERENCES } from './reconcile-plan.ts';
import type { ReconciledFolder } from './reconciliation.entity.ts';

/** The reconciliation that counts. */
export interface Counting {
  em: EntityManager;
  organizationId: string;
  mailboxId: string;
  reconciliationId: string;
}

/**
 * Counts a page of a folder by day, and notes what differs. Mail that the ledger does not know is a difference in the
 * watched folder. In the archive folder it may be what people filed there: there it is one only when a message of ours
 * lacks its row, or when `takesUnknown` says so. Mail of which no time is known counts for the day of `since`.
 */
export async function comparePage(
  { em, organizationId, mailboxId, reconciliationId }: Counting,
  folder: Exclude<ReconciledFolder, 'ELSEWHERE'>,
  takesUnknown: boolean,
  mails: readonly ListedMail[],
  since: Date,
): Promise<void> {
  if (mails.length === 0) return;
  const rows = mails.map(({ graphMessageId, internetMessageId, receivedAt }) => ({
    graph_message_id: graphMessageId,
    internet_message_id: messageIdsIn([internetMessageId ?? ''])[0] ?? null,
    received_at: receivedAt,
  }));
  await em.execute(
    `with page as (
       select * from json_to_recordset(?::json)
         as row(graph_message_id text, internet_message_id text, received_at timestamptz)
     ), compared as (
       select page.graph_message_id, at.received_at, (at.received_at at time zone 'UTC')::date as date,
         case
           when seen.outcome = 'FAILED' then 'FAILED'
           when seen.outcome = 'IGNORED' then 'IGNORED'
           when seen.id is not null and ticket.id is not null then 'STORED'
           when seen.id is not null then 'LOST'
           when ?::boolean or exists (
             select from message as known
             join ticket as its on its.organization_id = known.organization_id and its.id = known.ticket_id
             where known.organization_id = ? and known.mailbox_id = ? and known.kind = 'INBOUND'
               and known.internet_message_id = page.internet_message_id
               and not exists (
                 select from inbound_message as other
                 where other.organization_id = known.organization_id and other.message_id = known.id
                   and other.internet_message_id = known.internet_message_id
               )
           ) then 'UNKNOWN'
           else 'UNRELATED'
         end as fate
       from page
       left join inbound_message as seen on seen.organization_id = ? and seen.mailbox_id = ?
         and seen.graph_message_id = page.graph_message_id
       -- A listing of ids only has no times.
       cross join lateral (select coalesce(page.received_at, seen.received_at, ?::timestamptz) as received_at) as at
       left join message on message.organization_id = seen.organization_id and message.id = seen.message_id
       left join ticket on ticket.organization_id = message.organization_id and ticket.id = message.ticket_id
     ), noted as (
       insert into reconciliation_difference (organization_id, reconciliation_id, graph_message_id, kind, folder, received_at)
       select ?, ?, graph_message_id, fate, ?, received_at from compared where fate in ('UNKNOWN', 'LOST')
       on conflict (reconciliation_id, graph_message_id) do nothing
     )
     insert into reconciliation_day as day
       (organization_id, reconciliation_id, folder, date, listed, stored, ignored, failed, unrelated)
     select ?, ?, ?, date, count(*), count(*) filter (where fate = 'STORED'), count(*) filter (where fate = 'IGNORED'),
       count(*) filter (where fate = 'FAILED'), count(*) filter (where fate = 'UNRELATED')
     from compared group by date
     on conflict (reconciliation_id, folder, date) do update set listed = day.listed + excluded.listed,
       stored = day.stored + excluded.stored, ignored = day.ignored + excluded.ignored,
       failed = day.failed + excluded.failed, unrelated = day.unrelated + excluded.unrelated`,
    [
      JSON.stringify(rows),
      takesUnknown,
      organizationId,
      mailboxId,
      organizationId,
      mailboxId,
      since,
      organizationId,
      reconciliationId,
      folder,
      organizationId,
      reconciliationId,
      folder,
    ],
  );
}

/**
 * Notes the messages that the ledger says are stored and that are not there, in whatever folder their mail lies by now.
 */
export async function noteLost(
  { em, organizationId, mailboxId, reconciliationId }: Counting,
  since: Date,
  until: Date,
): Promise<void> {
  await em.execute(
    `with lost as (
       insert into reconciliation_difference (organization_id, reconciliation_id, graph_message_id, kind, folder, received_at)
       select seen.organization_id, ?, seen.graph_message_id, 'LOST', 'ELSEWHERE', seen.received_at
       from inbound_message as seen
       where seen.organization_id = ? and seen.mailbox_id = ? and seen.outcome in ('TICKET_CREATED', 'REPLY_ADDED')
         -- For the index: a row is made after its mail was received, by clocks that differ a little.
         and seen.created_at >= ?::timestamptz - interval '1 day'
         and seen.received_at between ? and ?
         and not exists (
           select from message
           join ticket on ticket.organization_id = message.organization_id and ticket.id = message.ticket_id
           where message.organization_id = seen.organization_id and message.id = seen.message_id
         )
       order by seen.received_at limit ${MOST_DIFFERENCES}
       on conflict (reconciliation_id, graph_message_id) do nothing
       returning received_at
     )
     insert into reconciliation_day (organization_id, reconciliation_id, folder, date)
     select distinct ?::uuid, ?::uuid, 'ELSEWHERE', (received_at at time zone 'UTC')::date from lost
     on conflict (reconciliation_id, folder, date) do nothing`,
    [reconciliationId, organizationId, mailboxId, since, since, until, organizationId, reconciliationId],
  );
}

/**
 * Drops the differences that are none any more, and counts what became of their mail. Of those that had been confirmed,
 * it counts the repair.
 */
export async function settleDifferences(
  { em, organizationId, mailboxId, reconciliationId }: Counting,
  state: 'OPEN' | 'CONFIRMED',
): Promise<void> {
  await em.execute(
    `with settled as (
       delete from reconciliation_difference as difference using inbound_message as seen
       where difference.organization_id = ? and difference.reconciliation_id = ? and difference.state = ?
         and seen.organization_id = difference.organization_id and seen.mailbox_id = ?
         and seen.graph_message_id = difference.graph_message_id
         and (seen.outcome in ('IGNORED', 'FAILED') or exists (
           select from message
           join ticket on ticket.organization_id = message.organization_id and ticket.id = message.ticket_id
           where message.organization_id = seen.organization_id and message.id = seen.message_id
         ))
       returning difference.folder, (difference.received_at at time zone 'UTC')::date as date, seen.outcome
     ), counted as (
       select folder, date, count(*) as all_of_them, count(*) filter (where outcome = 'IGNORED') as ignored,
         count(*) filter (where outcome = 'FAILED') as failed,
         count(*) filter (where outcome not in ('IGNORED', 'FAILED')) as stored
       from settled group by folder, date
     )
     update reconciliation_day as day set
       -- Mail of other folders is not listed, so it does not count as anything listed either.
       stored = day.stored + case when day.folder = 'ELSEWHERE' then 0 else counted.stored end,
       ignored = day.ignored + case when day.folder = 'ELSEWHERE' then 0 else counted.ignored end,
       failed = day.failed + case when day.folder = 'ELSEWHERE' then 0 else counted.failed end,
       repaired = day.repaired + case when ? = 'CONFIRMED' then counted.all_of_them else 0 end
     from counted
     where day.organization_id = ? and day.reconciliation_id = ? and day.folder = counted.folder
       and day.date = counted.date`,
    [organizationId, reconciliationId, state, mailboxId, state, organizationId, reconciliationId],
  );
}

/** What is still open is a difference, and counts as missing. */
export async function confirmDifferences({ em, organizationId, reconciliationId }: Counting): Promise<void> {
  await em.execute(
    `with confirmed as (
       update reconciliation_difference set state = 'CONFIRMED'
       where organization_id = ? and reconciliation_id = ? and state = 'OPEN'
       returning folder, (received_at at time zone 'UTC')::date as date
     ), counted as (select folder, date, count(*) as missing from confirmed group by folder, date)
     update reconciliation_day as day set missing = day.missing + counted.missing from counted
     where day.organization_id = ? and day.reconciliation_id = ? and day.folder = counted.folder
       and day.date = counted.date`,
    [organizationId, reconciliationId, organizationId, reconciliationId],
  );
}

/** A listed mail that was deleted before it could be read, or is a draft, is no difference, and counts as not listed. */
export async function forgetDeleted(
  { em, organizationId, reconciliationId }: Counting,
  graphMessageIds: readonly string[],
): Promise<void> {
  if (graphMessageIds.length === 0) return;
  await em.execute(
    `with deleted as (
       delete from reconciliation_difference
       where organization_id = ? and reconciliation_id = ? and graph_message_id in (?) and kind = 'UNKNOWN'
       returning folder, (received_at at time zone 'UTC')::date as date
     ), counted as (select folder, date, count(*) as deleted from deleted group by folder, date)
     update reconciliation_day as day set listed = day.listed - counted.deleted, missing = day.missing - counted.deleted
     from counted
     where day.organization_id = ? and day.reconciliation_id = ? and day.folder = counted.folder
       and day.date = counted.date`,
    [organizationId, reconciliationId, graphMessageIds, organizationId, reconciliationId],
  );
}

/** These could not be repaired, and are not tried again by this reconciliation. */
export async function leaveDifferences(
  { em, organizationId, reconciliationId }: Counting,
  graphMessageIds: readonly string[],
): Promise<void> {
  if (graphMessageIds.length === 0) return;
  await em.execute(
    `update reconciliation_difference set state = 'LEFT'
     where organization_id = ? and reconciliation_id = ? and graph_message_id in (?) and state = 'CONFIRMED'`,
    [organizationId, reconciliationId, graphMessageIds],
  );
}

/** A difference to be repaired. */
export interface Difference {
  kind: 'UNKNOWN' | 'LOST';
  /** Where its mail was listed. */
  folder: ReconciledFolder;
  graphMessageId: string;
  /** When its mail was received; when it was listed, where Microsoft does not say. */
  receivedAt: Date;
}

/** The next differences to be repaired, the oldest mail first: a reply must find its original. */
export async function nextDifferences(
  { em, organizationId, reconciliationId }: Counting,
  limit: number,
): Promise<Difference[]> {
  const rows = await em.execute<
    (Pick<Difference, 'kind' | 'folder'> & { graph_message_id: string; received_at: string })[]
  >(
    `select kind, folder, graph_message_id, received_at from reconciliation_difference
     where organization_id = ? and reconciliation_id = ? and state = 'CONFIRMED'
     order by received_at, graph_message_id limit ?`,
    [organizationId, reconciliationId, limit],
  );
  return rows.map(({ kind, folder, graph_message_id, received_at }) => ({
    kind,
    folder,
    graphMessageId: graph_message_id,
    receivedAt: new Date(received_at),
  }));
}

/** How many differences are open, and how many of them are mail that a sync could still explain. */
export async function countDifferences({
  em,
  organizationId,
  reconciliationId,
}: Counting): Promise<{ all: number; unknown: number }> {
  const [row] = await em.execute<{ all_of_them: number; unknown: number }[]>(
    `select count(*)::int as all_of_them, (count(*) filter (where kind = 'UNKNOWN'))::int as unknown
     from reconciliation_difference where organization_id = ? and reconciliation_id = ? and state = 'OPEN'`,
    [organizationId, reconciliationId],
  );
  return { all: row?.all_of_them ?? 0, unknown: row?.unknown ?? 0 };
}

/** The sums over all folders and days, and the mails of the window that the ledger has and neither folder holds. */
export async function readTotals(
  { em, organizationId, mailboxId, reconciliationId }: Counting,
  since: Date,
  until: Date,
): Promise<
  Record<'listed' | 'stored' | 'ignored' | 'failed' | 'unrelated' | 'missing' | 'repaired' | 'gone', number>
> {
  const [row] = await em.execute<
    Record<
      'listed' | 'stored' | 'ignored' | 'failed' | 'unrelated' | 'missing' | 'repaired' | 'known',
      number
    >[]
  >(
    `select coalesce(sum(listed), 0)::int as listed, coalesce(sum(stored), 0)::int as stored,
       coalesce(sum(ignored), 0)::int as ignored, coalesce(sum(failed), 0)::int as failed,
       coalesce(sum(unrelated), 0)::int as unrelated, coalesce(sum(missing), 0)::int as missing,
       coalesce(sum(repaired), 0)::int as repaired,
       (select count(*) from inbound_message where organization_id = ? and mailbox_id = ? and reason <> 'DRAFT'
          and created_at >= ?::timestamptz - interval '1 day' and received_at between ? and ?)::int as known
     from reconciliation_day where organization_id = ? and reconciliation_id = ?`,
    [organizationId, mailboxId, since, since, until, organizationId, reconciliationId],
  );
  if (!row) throw new Error('An aggregate without a group gives one row.');
  const { known, ...sums } = row;
  return { ...sums, gone: Math.max(0, known - sums.stored - sums.ignored - sums.failed) };
}

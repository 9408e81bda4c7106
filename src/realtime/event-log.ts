/**
 * Reading the event log in an order that never changes after the fact.
 *
 * The trap: numbers are handed out when a row is written, and rows become visible when their transaction commits.
 * Transaction A takes number 7 and dawdles, B takes 8 and commits, a reader sees 8 and remembers it, A commits, and
 * "everything after 8" never brings 7. Sorting or numbering by time has the same hole.
 *
 * The way out: every row carries the id of its transaction, readers go by (transaction, position), and only through rows
 * whose transaction is older than every transaction that still runs (`pg_snapshot_xmin`: everything below it has
 * committed or rolled back, for every snapshot from now on). So whatever a reader has passed is complete: nothing can
 * appear before it any more, and every reader in every process sees the same order. B's event simply waits for A.
 *
 * The price: events wait for the oldest running *write* transaction of the whole server, whatever database or table it
 * works on (reading alone takes no transaction id; VACUUM does not count). A migration, a bulk load, a forgotten
 * `BEGIN; UPDATE` in psql or an orphaned prepared transaction holds back every event until it ends; none is lost. Our
 * own transactions are short, and `statement_timeout` ends a stuck statement. See
 * https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT.
 *
 * Transaction ids belong to one PostgreSQL cluster: a dump that is restored elsewhere brings ids "from the future".
 * Cursors from there are told that they expired, and {@link forgetForeignEvents} removes such rows.
 */
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { DomainEvent, EventType } from './catalogue.ts';
import { CursorExpiredError, encodeCursor, type LogPosition } from './cursor.ts';

/** An event as it stands in the log. */
export interface LoggedEvent {
  readonly at: LogPosition;
  /** The position as clients see it. */
  readonly cursor: string;
  readonly organizationId: string;
  readonly event: DomainEvent;
}

interface EventRow {
  transaction: string;
  position: string;
  organization_id: string;
  type: EventType;
  payload: Record<string, string>;
}

/** `order by` must name the table: the bare names are these texts, and "1000" sorts before "999". */
const COLUMNS = 'transaction::text, position::text, organization_id, type, payload';

/** What part of one organization's log to read. */
export interface ReadEventsOptions {
  organizationId: string;
  types: readonly EventType[];
  /** Only events that come after this one. */
  after: LogPosition;
  /** Only events up to and including this one. */
  upTo: LogPosition;
  /** At most so many events. */
  limit: number;
}

/**
 * Reads a page of one organization's events in log order. Throws {@link CursorExpiredError} when events after `after`
 * have been pruned: the page would have a gap.
 */
export async function readEvents(database: Database, options: ReadEventsOptions): Promise<LoggedEvent[]> {
  const { organizationId, types, after, upTo, limit } = options;
  const em = forkAcrossOrganizations(database);
  const rows = await em.execute<EventRow[]>(
    `select ${COLUMNS} from event
      where organization_id = ?::uuid and type in (select jsonb_array_elements_text(?::jsonb))
        and (transaction, position) > (?::xid8, ?::bigint) and (transaction, position) <= (?::xid8, ?::bigint)
        and transaction < pg_snapshot_xmin(pg_current_snapshot())
      order by event.transaction, event.position limit ?`,
    [organizationId, JSON.stringify(types), ...parameters(after), ...parameters(upTo), limit],
  );
  // After the page, not before: whatever was pruned while the page was read is noticed as well.
  await refuseExpired(database, organizationId, after);
  return rows.map(toLoggedEvent);
}

/**
 * Throws {@link CursorExpiredError} when an event of the organization after `position` is no longer kept, or when the
 * position lies in the future and so comes from another database cluster.
 */
export async function refuseExpired(
  database: Database,
  organizationId: string,
  position: LogPosition,
): Promise<void> {
  const [row] = await forkAcrossOrganizations(database).execute<{ expired: boolean }[]>(
    `select ?::xid8 > pg_snapshot_xmax(pg_current_snapshot())
         or exists (select from event_watermark
                     where organization_id = ?::uuid and (transaction, position) > (?::xid8, ?::bigint)) as expired`,
    [position.transaction.toString(), organizationId, ...parameters(position)],
  );
  if (row?.expired) throw new CursorExpiredError();
}

/** What the end of the log looks like from a position. */
export interface Tail {
  /** The next events that may be handed on, in order. */
  events: LoggedEvent[];
  /** Whether more are committed that an older transaction still holds back. */
  isHeldBack: boolean;
}

/**
 * Reads the next events of ALL organizations, for the one reader of the process that hands each to its organization's
 * streams; of those held back no more than that there are some. Only the bus calls this.
 */
export async function readTail(database: Database, after: LogPosition, limit: number): Promise<Tail> {
  // Those held back come last: their transactions are the youngest.
  const rows = await forkAcrossOrganizations(database).execute<(EventRow & { is_complete: boolean })[]>(
    `select ${COLUMNS}, transaction < pg_snapshot_xmin(pg_current_snapshot()) as is_complete from event
      where (transaction, position) > (?::xid8, ?::bigint) and transaction < pg_snapshot_xmax(pg_current_snapshot())
      order by event.transaction, event.position limit ?`,
    [...parameters(after), limit],
  );
  const complete = rows.filter(({ is_complete }) => is_complete);
  return { events: complete.map(toLoggedEvent), isHeldBack: complete.length < rows.length };
}

/** A connection whose transaction holds events back. */
export interface OldestWriter {
  pid: number;
  database: string;
  application: string;
  /** How long its transaction has been open. */
  ageSeconds: number;
}

/**
 * The oldest connection that writes, or null when none is to be seen: a prepared transaction has no connection, and
 * other users' connections show themselves only to a member of `pg_read_all_stats`.
 */
export async function findOldestWriter(database: Database): Promise<OldestWriter | null> {
  const [row] = await forkAcrossOrganizations(database).execute<OldestWriter[]>(
    `select pid, datname as database, application_name as application,
            round(extract(epoch from clock_timestamp() - xact_start))::int as "ageSeconds"
       from pg_stat_activity where backend_xid is not null order by age(backend_xid) desc limit 1`,
  );
  return row ?? null;
}

/**
 * The end of the log at this instant: every event that readers may see lies before it, every other event will lie
 * after it. It stands before the first row of the oldest running transaction.
 */
export async function readEnd(database: Database): Promise<LogPosition> {
  const [row] = await forkAcrossOrganizations(database).execute<{ xmin: string }[]>(
    'select pg_snapshot_xmin(pg_current_snapshot())::text as xmin',
  );
  if (!row) throw new Error('PostgreSQL gave no snapshot.');
  return { transaction: BigInt(row.xmin), position: 0n };
}

/**
 * Removes what a dump of another cluster brought with transaction ids that this one has yet to reach: such events would
 * surface at a random later time, and such watermarks would expire good cursors. Call it before following the log.
 */
export async function forgetForeignEvents(database: Database): Promise<void> {
  for (const table of ['event', 'event_watermark']) {
    await forkAcrossOrganizations(database).execute(
      `delete from ${table} where transaction >= pg_snapshot_xmax(pg_current_snapshot())`,
    );
  }
}

/** 64-bit numbers travel as text: JavaScript's numbers would round them. */
function parameters({ transaction, position }: LogPosition): [string, string] {
  return [transaction.toString(), position.toString()];
}

function toLoggedEvent(row: EventRow): LoggedEvent {
  const at = { transaction: BigInt(row.transaction), position: BigInt(row.position) };
  return {
    at,
    cursor: encodeCursor(at),
    organizationId: row.organization_id,
    // The row was written by recordEvents from a DomainEvent, split into its type and the rest.
    event: { type: row.type, ...row.payload } as DomainEvent,
  };
}

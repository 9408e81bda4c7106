import type { EntityManager } from '../platform/database.ts';
import type { DomainEvent, EventOf, EventType } from './catalogue.ts';
import type { LogPosition } from './cursor.ts';

/** How much of an error is kept with the event that it befell. */
const MAX_ERROR_LENGTH = 2_000;

/** An event as a consumer gets it. */
export interface ConsumedEvent<Type extends EventType = EventType> {
  readonly at: LogPosition;
  readonly organizationId: string;
  /** When its transaction began, by the database's clock. */
  readonly recordedAt: Date;
  readonly event: EventOf<Type>;
}

/**
 * Makes the cursor at the end of the log unless there is one, and moves one that another database cluster made (a dump was
 * restored) to the end. Tells of that, and whether events after the cursor were pruned.
 */
export async function openCursor(
  em: EntityManager,
  name: string,
): Promise<{ isForeign: boolean; hasGap: boolean }> {
  const [row] = await em.execute<{ isForeign: boolean; hasGap: boolean }[]>(
    `select transaction > pg_snapshot_xmax(pg_current_snapshot()) as "isForeign", exists (
       select from event_watermark as pruned
       where (pruned.transaction, pruned.position) > (consumer.transaction, consumer.position)
     ) as "hasGap"
     from event_consumer as consumer where name = ?`,
    [name],
  );
  if (row !== undefined && !row.isForeign) return row;
  await em.execute(
    `insert into event_consumer (name, transaction, position)
     values (?, pg_snapshot_xmin(pg_current_snapshot()), 0)
     on conflict (name) do update set transaction = excluded.transaction, position = 0, failures = 0, updated_at = now()
       where event_consumer.transaction > pg_snapshot_xmax(pg_current_snapshot())`,
    [name],
  );
  return { isForeign: row !== undefined, hasGap: false };
}

/** Where the consumer stands, and up to which transaction the log is complete (see event-log.ts). */
export async function readCursor(em: EntityManager, name: string): Promise<{ at: LogPosition; end: bigint }> {
  const [row] = await em.execute<{ transaction: string; position: string; end: string }[]>(
    `select transaction::text, position::text, pg_snapshot_xmin(pg_current_snapshot())::text as "end"
     from event_consumer where name = ?`,
    [name],
  );
  if (row === undefined) throw new Error(`The consumer ${name} has no cursor.`);
  const at = { transaction: BigInt(row.transaction), position: BigInt(row.position) };
  return { at, end: BigInt(row.end) };
}

/** The next events of these types, of all organizations, in the order of the log. */
export async function readPage<Type extends EventType>(
  em: EntityManager,
  { types, after, end, limit }: { types: readonly Type[]; after: LogPosition; end: bigint; limit: number },
): Promise<ConsumedEvent<Type>[]> {
  const rows = await em.execute<
    {
      transaction: string;
      position: string;
      organization_id: string;
      type: Type;
      payload: Record<string, string | null>;
      created_at: string;
    }[]
  >(
    `select transaction::text, position::text, organization_id, type, payload, created_at from event
     where (transaction, position) > (?::xid8, ?::bigint) and transaction < ?::xid8
       and type in (select jsonb_array_elements_text(?::jsonb))
     order by event.transaction, event.position limit ?`,
    [...parameters(after), end.toString(), JSON.stringify(types), limit],
  );
  return rows.map((row) => ({
    at: { transaction: BigInt(row.transaction), position: BigInt(row.position) },
    organizationId: row.organization_id,
    recordedAt: new Date(row.created_at),
    // The row was written by recordEvents from a DomainEvent, split into its type and the rest.
    event: { type: row.type, ...row.payload } as EventOf<Type>,
  }));
}

/** Moves the cursor forward and locks it until the end of the transaction. False when it was moved that far already. */
export async function moveCursor(em: EntityManager, name: string, to: LogPosition): Promise<boolean> {
  const moved = await em.execute<object[]>(
    `update event_consumer set transaction = ?::xid8, position = ?::bigint, failures = 0, updated_at = now()
     where name = ? and (transaction, position) < (?::xid8, ?::bigint) returning name`,
    [...parameters(to), name, ...parameters(to)],
  );
  return moved.length > 0;
}

/** Moves the cursor over what the consumer does not ask for. Writes nothing while the log is quiet. */
export async function advanceToEnd(em: EntityManager, name: string, end: bigint): Promise<void> {
  await em.execute(
    `update event_consumer set transaction = ?::xid8, position = 0, failures = 0, updated_at = now()
     where name = ? and transaction < ?::xid8 and exists (
       select from event where (event.transaction, event.position) > (event_consumer.transaction, event_consumer.position)
         and event.transaction < ?::xid8
     )`,
    [end.toString(), name, end.toString(), end.toString()],
  );
}

/** Counts a failure of the next event; gives how many there were. */
export async function countFailure(em: EntityManager, name: string): Promise<number> {
  const [row] = await em.execute<{ failures: number }[]>(
    'update event_consumer set failures = failures + 1, updated_at = now() where name = ? returning failures',
    [name],
  );
  return row?.failures ?? 0;
}

/** Writes down an event that the consumer passes over. */
export async function setAside(
  em: EntityManager,
  name: string,
  { organizationId, event: { type, ...payload } }: { organizationId: string; event: DomainEvent },
  error: Error,
): Promise<void> {
  await em.execute(
    `insert into event_failure (consumer, organization_id, type, payload, error)
     values (?, ?::uuid, ?, ?::jsonb, ?)`,
    [name, organizationId, type, JSON.stringify(payload), error.message.slice(0, MAX_ERROR_LENGTH)],
  );
}

/** How long the oldest event has waited that the consumer asks for and has not come to, in seconds; 0 when none does. */
export async function readLagSeconds(
  em: EntityManager,
  name: string,
  types: readonly EventType[],
): Promise<number> {
  const [row] = await em.execute<{ seconds: number }[]>(
    `select extract(epoch from clock_timestamp() - event.created_at)::float8 as seconds
     from event_consumer as consumer
     join event on (event.transaction, event.position) > (consumer.transaction, consumer.position)
     where consumer.name = ? and event.type in (select jsonb_array_elements_text(?::jsonb))
     order by event.transaction, event.position limit 1`,
    [name, JSON.stringify(types)],
  );
  return Math.max(0, row?.seconds ?? 0);
}

/** 64-bit numbers travel as text: JavaScript's numbers would round them. */
function parameters({ transaction, position }: LogPosition): [string, string] {
  return [transaction.toString(), position.toString()];
}

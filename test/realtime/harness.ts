import pg from 'pg';
import { onTestFinished } from 'vitest';
import { migrations } from '../../migrations/all.ts';
import { entities } from '../../src/entities.ts';
import { type EntityManager, forkFor, openDatabase } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createNotifications } from '../../src/platform/notifications.ts';
import type { DomainEvent, EventType } from '../../src/realtime/catalogue.ts';
import { createEventBus, type EventBus } from '../../src/realtime/event-bus.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import { type StreamedEvent, streamEvents } from '../../src/realtime/stream.ts';
import { disposeAfterTest, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';

export const ALL_TYPES: readonly EventType[] = [
  'ticket.created',
  'ticket.updated',
  'message.added',
  'sync-status.changed',
  'account-status.changed',
];

/** The realtime part of one more process: a pool, a LISTEN connection and a bus of its own. */
export async function startProcess(own: TestDatabase): Promise<EventBus> {
  const logger = createLogger('silent');
  const database = await openDatabase({ url: own.url, entities, migrations, poolSize: 4 });
  onTestFinished(() => database.close(true));
  const notifications = disposeAfterTest(createNotifications({ databaseUrl: own.url, logger }));
  const bus = disposeAfterTest(createEventBus({ database, notifications, logger }));
  await bus.start();
  await notifications.start();
  return bus;
}

/** An event that can be told from every other by its number. */
export const numbered = (number: number): DomainEvent => ({
  type: 'ticket.created',
  ticketId: String(number),
});

/** The number of an event that {@link numbered} made. */
export const numberOf = ({ event }: StreamedEvent): number =>
  'ticketId' in event ? Number(event.ticketId) : Number.NaN;

/** The whole numbers from `from` up to and without `to`. */
export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

/** Commits numbered events, each in a transaction of its own. */
export async function commitEvents(
  own: TestDatabase,
  organizationId: string,
  numbers: readonly number[],
): Promise<void> {
  const em = forkFor(own.database, organizationId);
  for (const number of numbers) {
    await em.transactional((tx) => recordEvents(tx, organizationId, [numbered(number)]));
  }
}

/**
 * Waits until every transaction that now writes in another database of the server has ended: the event log goes by the
 * oldest of the whole server, and other test files have theirs. So has autovacuum, which analyzes our tables as well.
 */
export async function othersAreThrough(own: TestDatabase): Promise<void> {
  const writing = async () => {
    const rows = await own.database.em.fork().execute<{ xid: string }[]>(
      `select backend_xid::text as xid from pg_stat_activity
        where backend_xid is not null
          and (datname is distinct from current_database() or backend_type = 'autovacuum worker')`,
    );
    return rows.map(({ xid }) => xid);
  };
  const first = new Set(await writing());
  await eventually('the transactions in other databases end', async () =>
    (await writing()).every((xid) => !first.has(xid)),
  );
}

/** A transaction that stays open until it is told: for the order of commits. */
export interface OpenTransaction {
  em: EntityManager;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** Opens a transaction. */
export async function openTransaction(own: TestDatabase, organizationId: string): Promise<OpenTransaction> {
  const em = forkFor(own.database, organizationId);
  await em.begin();
  return { em, commit: () => em.commit(), rollback: () => em.rollback() };
}

/** A subscriber that is followed by the test. */
export interface Follower {
  /** Everything received so far. */
  readonly received: StreamedEvent[];
  /** The next event; undefined when the stream has ended. */
  next(): Promise<StreamedEvent | undefined>;
  /** The next `count` events. */
  take(count: number): Promise<StreamedEvent[]>;
  stop(): Promise<void>;
}

/** Subscribes like a client does. */
export function follow(
  bus: EventBus,
  organizationId: string,
  { after, types = ALL_TYPES }: { after?: string | undefined; types?: readonly EventType[] } = {},
): Follower {
  const controller = new AbortController();
  const stream = streamEvents(bus, { organizationId, types, after, signal: controller.signal });
  onTestFinished(() => controller.abort());
  const received: StreamedEvent[] = [];
  const next = async () => {
    const { value } = await stream.next();
    if (value) received.push(value);
    return value;
  };
  return {
    received,
    next,
    async take(count) {
      const taken: StreamedEvent[] = [];
      while (taken.length < count) {
        const event = await next();
        if (!event) throw new Error(`The stream ended after ${taken.length} of ${count} events.`);
        taken.push(event);
      }
      return taken;
    },
    async stop() {
      await stream.return?.();
    },
  };
}

/** Ends every LISTEN connection to the database, as a broken network would. Returns how many there were. */
export function killListeners(own: TestDatabase): Promise<number> {
  return killConnections(own, "application_name = 'deskgraph-listen'");
}

/** Ends every connection to the database, as a restarting server would. Returns how many there were. */
export function killAllConnections(own: TestDatabase): Promise<number> {
  return killConnections(own, 'pid <> pg_backend_pid()');
}

async function killConnections(own: TestDatabase, condition: string): Promise<number> {
  const client = new pg.Client({ connectionString: own.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>(
      `select pid, pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and ${condition}`,
    );
    // It only sends a signal: until the server has come to it, a connection still takes statements, and is listed.
    const pids = rows.map(({ pid }) => pid);
    await eventually('they have ended', async () => {
      const left = await client.query('select 1 from pg_stat_activity where pid = any($1)', [pids]);
      return left.rowCount === 0;
    });
    return pids.length;
  } finally {
    await client.end();
  }
}

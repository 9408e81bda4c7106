import type { EntitySchema } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { DataloaderType, type EntityManager, type MigrationObject, MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { freeBrokenConnections } from './broken-connections.ts';
import { MINUTE, SECOND } from './clock.ts';
import { giveBackWhileClosing } from './closing-pool.ts';

export type { EntityManager } from '@mikro-orm/postgresql';

/** The database of the process: one pool, one identity map per fork. */
export type Database = MikroORM;

/** Migrations of several processes that start together run one after the other under this lock. Never changed. */
const MIGRATION_LOCK = 4_010_000_002;

/** What the database is made of. */
export interface DatabaseOptions {
  /** A PostgreSQL connection URL. */
  url: string;
  entities: readonly EntitySchema[];
  migrations: readonly MigrationObject[];
  /** Most connections of this process's pool. */
  poolSize?: number;
  /** How long a statement may take, in milliseconds. */
  statementTimeout?: number;
  /** How long a statement may wait for a lock, in milliseconds: as long as it may take when left out. */
  lockTimeout?: number;
}

/**
 * Opens the pool. Nothing is read or written yet; {@link migrate} brings the tables up to date.
 *
 * Every entity of an organization carries the filter `organization`, which throws until {@link forkFor} gives it a
 * value: a query without its organization fails, it does not see everything. Raw SQL is NOT covered by it.
 */
export async function openDatabase({
  url,
  entities,
  migrations,
  poolSize = 20,
  statementTimeout = 60 * SECOND,
  lockTimeout,
}: DatabaseOptions): Promise<Database> {
  return MikroORM.init({
    clientUrl: url,
    entities: [...entities],
    dataloader: DataloaderType.ALL,
    // Every query would otherwise join every row that its rows refer to, to drop references into another organization.
    // The foreign keys, made of both columns, leave none to drop; a row that is loaded by reference is filtered itself.
    autoJoinRefsForFilters: false,
    // Kept for longer than pg's ten seconds: on a quiet desk the next mail would wait for connections to be made anew.
    pool: { min: 0, max: poolSize, idleTimeoutMillis: 5 * MINUTE },
    driverOptions: {
      connectionTimeoutMillis: Math.min(10 * SECOND, statementTimeout),
      statement_timeout: statementTimeout,
      ...(lockTimeout !== undefined && { lock_timeout: lockTimeout }),
      // The server's own limit says nothing when the server has vanished without a word: the client gives up, too.
      query_timeout: statementTimeout + Math.min(10 * SECOND, statementTimeout),
      keepAlive: true,
      // An open transaction that does nothing would hold back every event: see realtime/event-log.ts.
      idle_in_transaction_session_timeout: 60 * SECOND,
      onPoolCreated: (pool: pg.Pool) => {
        freeBrokenConnections(pool);
        giveBackWhileClosing(pool);
      },
    },
    forceUtcTimezone: true,
    extensions: [Migrator],
    migrations: { migrationsList: [...migrations], snapshot: false, silent: true },
  });
}

/** Brings the tables up to date; processes that start together wait for each other. */
export async function migrate(database: Database, url: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url });
  // Losing the connection fails the query that waits; without a listener it would end the process as well.
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await database.migrator.up();
    return applied.map(({ name }) => name);
  } finally {
    await lock.end();
  }
}

/**
 * An entity manager that sees one organization and nothing else. `signal` ends its queries with it.
 */
export function forkFor(database: Database, organizationId: string, signal?: AbortSignal): EntityManager {
  // Without the strategy only the waiting would end, and the query would keep its connection until the server is done.
  const em = database.em.fork(
    signal ? { signal, inflightQueryAbortStrategy: 'cancel query' } : {},
  ) as EntityManager;
  em.setFilterParams('organization', { organizationId });
  return em;
}

/**
 * An entity manager over all organizations, for the few places that find out which one to work for (keys, jobs,
 * schedules). Say at each use why it is needed.
 */
export function forkAcrossOrganizations(database: Database, signal?: AbortSignal): EntityManager {
  return database.em.fork({
    clear: true,
    ...(signal && { signal, inflightQueryAbortStrategy: 'cancel query' as const }),
  }) as EntityManager;
}

/** The find option that goes with {@link forkAcrossOrganizations}: the filter would otherwise throw. */
export const acrossOrganizations = { filters: { organization: false } } as const;

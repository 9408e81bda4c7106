import pg from 'pg';
import { toError } from '../errors.ts';
import { delay, MINUTE, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';

/** How long the end of a job is tried to be written down while the database is away. */
const SETTLE_DEADLINE = 1 * MINUTE;
const RETRY_DELAY = 0.5 * SECOND;
/** How long closing waits for what is being written down. */
const CLOSE_DEADLINE = 5 * SECOND;
/** The names that graphile-worker gives to the statements that end a job. */
const SETTLING_STATEMENT = /^(complete|fail|return)_jobs?(_q)?\//;

/** What the pool is made of. */
export interface SettlingPoolOptions {
  databaseUrl: string;
  /** Most connections. */
  max: number;
  logger: Logger;
  /** The end of a job could not be written down: the job is locked by an owner that has forgotten it. */
  onUnsettled: () => void;
}

/**
 * The connections of the job queue.
 *
 * graphile-worker 0.18 writes the end of a job down without waiting for it and without a `catch`: when the connection is
 * lost in that moment, the rejection is nobody's (which ends the process), and the job stays locked, with its whole
 * queue, for four hours. So here the statements that end a job never fail: they are repeated on a connection of their
 * own until the database is back, which is harmless, since all of them name the job and its owner.
 */
export class SettlingPool extends pg.Pool {
  readonly #options: SettlingPoolOptions;
  readonly #settling = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(options: SettlingPoolOptions) {
    const { databaseUrl, max, logger } = options;
    super({
      connectionString: databaseUrl,
      max,
      keepAlive: true,
      connectionTimeoutMillis: 10 * SECOND,
    });
    this.#options = options;
    // Without a listener, a connection that breaks while it is in use would end the process.
    this.on('connect', (client) => {
      client.on('error', () => undefined);
      this.#settleOn(client);
    });
    this.on('error', (err) => logger.warn({ err }, 'an idle connection of the job worker was lost'));
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(
    callback: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: unknown) => void,
    ) => void,
  ): void;
  override connect(
    callback?: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: unknown) => void,
    ) => void,
  ): Promise<pg.PoolClient> | undefined {
    // A callback is its caller's word that a failure is taken care of.
    if (callback) {
      super.connect(callback);
      return undefined;
    }
    return this.#track(super.connect().catch((thrown: unknown) => this.#standIn(toError(thrown))));
  }

  /** In the place of a connection that cannot be had: statements fail on it, as ever but for those that end a job. */
  #standIn(error: Error): pg.PoolClient {
    const query = (statement: unknown): Promise<unknown> =>
      isSettling(statement)
        ? this.#track(this.#settle(() => Promise.reject(error), statement))
        : Promise.reject(error);
    return { query, release: () => undefined } as unknown as pg.PoolClient;
  }

  override async end(): Promise<void> {
    const waited = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#settling),
      delay(CLOSE_DEADLINE, waited.signal).catch(() => undefined),
    ]);
    waited.abort();
    this.#closing.abort(new Error('The job queue is closed.'));
    await super.end();
  }

  #settleOn(client: pg.PoolClient): void {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    const settling = (...args: unknown[]): unknown => {
      const [statement] = args;
      if (!isSettling(statement)) return query(...args);
      return this.#track(this.#settle(() => query(statement) as Promise<unknown>, statement));
    };
    Reflect.set(client, 'query', settling);
  }

  async #settle(first: () => Promise<unknown>, { text, values }: pg.QueryConfig): Promise<unknown> {
    const { logger, databaseUrl, onUnsettled } = this.#options;
    try {
      return await first();
    } catch (thrown) {
      logger.warn({ err: toError(thrown) }, 'could not write down the end of a job; trying again');
    }
    try {
      return await this.#untilItSucceeds(async () => {
        const client = new pg.Client({
          connectionString: databaseUrl,
          connectionTimeoutMillis: 10 * SECOND,
          query_timeout: 10 * SECOND,
        });
        client.on('error', () => undefined);
        try {
          await client.connect();
          return await client.query(values === undefined ? { text } : { text, values });
        } finally {
          await client.end().catch(() => undefined);
        }
      });
    } catch (thrown) {
      logger.error({ err: toError(thrown) }, 'could not write down the end of a job; it will run again');
      onUnsettled();
      return { rows: [], rowCount: 0 };
    }
  }

  async #untilItSucceeds<T>(attempt: () => Promise<T>): Promise<T> {
    const startedAt = monotonicMilliseconds();
    for (;;) {
      try {
        return await attempt();
      } catch (thrown) {
        const isSpent = monotonicMilliseconds() - startedAt > SETTLE_DEADLINE;
        if (isSpent || this.#closing.signal.aborted) throw thrown;
        await delay(RETRY_DELAY, this.#closing.signal);
      }
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => this.#settling.delete(tracked));
    this.#settling.add(tracked);
    return tracked;
  }
}

function isSettling(statement: unknown): statement is pg.QueryConfig {
  if (typeof statement !== 'object' || statement === null) return false;
  const name: unknown = Reflect.get(statement, 'name');
  return typeof name === 'string' && SETTLING_STATEMENT.test(name);
}

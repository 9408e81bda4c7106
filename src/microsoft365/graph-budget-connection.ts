import type pg from 'pg';
import { toError } from '../errors.ts';
import { delay, SECOND } from '../platform/clock.ts';
import { connectLockSession, createLockSession } from '../platform/lock-session.ts';
import type { Logger } from '../platform/logger.ts';

/** What the other processes are told on: `<sender> <verb> <key> …`. */
export const BUDGET_CHANNEL = 'deskgraph_graph_budget';
/** A statement that takes longer has lost its server; mail does not wait for it. */
const STATEMENT_DEADLINE = 3 * SECOND;
const RECONNECT_DELAY = 1 * SECOND;
/** How often the connection is asked whether it still lives: a peer that vanished sends no error. */
const HEARTBEAT_INTERVAL = 15 * SECOND;
/** Who uses the connection. */
export interface BudgetListener {
  /** The connection stands; nothing is held on it yet. */
  onConnected(): void;
  /** It is lost, and every lock with it. */
  onLost(): void;
  onMessage(payload: string): void;
}

/** A row as text: numbers are converted where they are used. */
export type BudgetRow = Record<string, string | string[] | null>;

/**
 * The one connection that holds this process's slots. PostgreSQL frees them in the instant the process dies, however it
 * dies. Every statement is a transaction of its own: one that stays open would hold back the readers of events.
 */
export class BudgetConnection implements AsyncDisposable {
  readonly #databaseUrl: string;
  readonly #logger: Logger;
  readonly #listener: BudgetListener;
  readonly #stopped = new AbortController();
  #client: pg.Client | null = null;
  #isTold = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(databaseUrl: string, logger: Logger, listener: BudgetListener) {
    this.#databaseUrl = databaseUrl;
    this.#logger = logger;
    this.#listener = listener;
  }

  get isConnected(): boolean {
    return this.#client !== null;
  }

  /** Connects, and again whenever the connection is lost, until disposed. */
  async hold(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#holdOnce();
      } catch (thrown) {
        if (this.#stopped.signal.aborted) return;
        // Once for each loss, however long the database stays away.
        if (!this.#isTold) {
          this.#isTold = true;
          const message =
            'lost the connection of the request budget; this process keeps the limits by itself';
          this.#logger.warn({ err: toError(thrown) }, message);
        }
        await delay(RECONNECT_DELAY * (0.5 + Math.random()), this.#stopped.signal).catch(() => undefined);
      }
    }
  }

  /** The rows of a statement, in the order of the calls; null when there is no connection, or it was lost meanwhile. */
  query(statement: pg.QueryConfig): Promise<BudgetRow[] | null> {
    const answer = this.#last.then(() => this.#query(statement));
    this.#last = answer;
    return answer;
  }

  async #query(statement: pg.QueryConfig): Promise<BudgetRow[] | null> {
    const client = this.#client;
    if (client === null) return null;
    try {
      const { rows } = await client.query<BudgetRow>(statement);
      return this.#client === client ? rows : null;
    } catch (thrown) {
      // Nobody knows what it holds after a failure. The server frees all of it with the connection.
      if (this.#client === client) client.emit('error', toError(thrown));
      return null;
    }
  }

  async #holdOnce(): Promise<void> {
    const client = createLockSession({
      connectionString: this.#databaseUrl,
      application_name: 'deskgraph-graph-budget',
      statement_timeout: STATEMENT_DEADLINE,
      query_timeout: STATEMENT_DEADLINE,
    });
    const lost = new Promise<never>((_, reject) => {
      // Not once: a connection that the server ends tells of it twice, and an error without a listener ends the process.
      client.on('error', reject);
      client.once('end', () => reject(new Error('The connection ended.')));
    });
    lost.catch(() => undefined);
    client.on('notification', ({ payload }) => this.#listener.onMessage(payload ?? ''));
    let heartbeat: NodeJS.Timeout | undefined;
    try {
      await connectLockSession(client);
      await client.query(`listen ${BUDGET_CHANNEL}`);
      this.#stopped.signal.throwIfAborted();
      this.#client = client;
      if (this.#isTold) this.#logger.info('the request budget is shared again');
      this.#isTold = false;
      heartbeat = setInterval(() => void this.query({ text: 'select 1' }), HEARTBEAT_INTERVAL).unref();
      this.#listener.onConnected();
      await lost;
    } finally {
      clearInterval(heartbeat);
      if (this.#client === client) {
        this.#client = null;
        this.#listener.onLost();
      }
      client.end().catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('The request budget is closed.'));
    await this.#client?.end().catch(() => undefined);
  }
}

import pg from 'pg';
import { toError } from '../errors.ts';
import { delay, SECOND } from './clock.ts';
import type { Logger } from './logger.ts';

/** The first wait before connecting again; doubled at every failure up to {@link MAX_BACKOFF}. */
const MIN_BACKOFF = 0.1 * SECOND;
const MAX_BACKOFF = 10 * SECOND;
/** How often the connection is asked whether it still lives: a peer that vanished sends no error. */
const HEARTBEAT_INTERVAL = 15 * SECOND;
/** How long connecting, or any statement on the connection, may take. */
const STATEMENT_DEADLINE = 10 * SECOND;

/** Who listens on a channel. Neither function may throw or block. */
export interface ChannelListener {
  /** One `NOTIFY` arrived, with its payload. */
  onMessage(payload: string): void;
  /**
   * The channel is being listened to from now on: called once at the start and again after every lost connection.
   * PostgreSQL keeps nothing for an absent listener, so whatever was announced before may have been missed: look again.
   */
  onListening(): void;
}

/** The process's one `LISTEN` connection. */
export interface Notifications extends AsyncDisposable {
  /** Listens on `channel`, at once or as soon as the connection stands. Returns what stops it. */
  listen(channel: string, listener: ChannelListener): () => void;
  /** Connects; resolves when every channel known so far is listened to. Throws when the first connection fails. */
  start(): Promise<void>;
  /** Disconnects for good. No listener is called afterwards. */
  close(): Promise<void>;
}

/** What the connection needs. */
export interface NotificationsOptions {
  /**
   * A PostgreSQL URL that reaches the server itself: a pooler in transaction mode (PgBouncer) does not carry `LISTEN`.
   */
  databaseUrl: string;
  logger: Logger;
}

/**
 * PostgreSQL's `LISTEN` with a connection of its own, which comes back by itself after it is lost. A notification is a
 * hint and may be lost with the connection; every listener is told when to look for itself.
 */
export function createNotifications(options: NotificationsOptions): Notifications {
  return new ListenConnection(options);
}

class ListenConnection implements Notifications {
  readonly #options: NotificationsOptions;
  readonly #listeners = new Map<string, Set<ChannelListener>>();
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  /** Settles when the connection's last statement has. */
  #turn: Promise<unknown> = Promise.resolve();
  #heartbeat: NodeJS.Timeout | undefined;
  #reconnecting: Promise<void> | undefined;

  constructor(options: NotificationsOptions) {
    this.#options = options;
  }

  listen(channel: string, listener: ChannelListener): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    const client = this.#client;
    if (client) {
      this.#query(client, `listen ${client.escapeIdentifier(channel)}`).then(
        () => listeners.has(listener) && listener.onListening(),
        (thrown) => this.#lose(client, toError(thrown)),
      );
    }
    // The server goes on sending a channel that nobody wants any more until the next connection: channels are few.
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(channel) === listeners) this.#listeners.delete(channel);
    };
  }

  async start(): Promise<void> {
    await this.#connect();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The notifications are closed.'));
    clearInterval(this.#heartbeat);
    this.#listeners.clear();
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
    await this.#reconnecting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'deskgraph-listen',
      keepAlive: true,
      connectionTimeoutMillis: STATEMENT_DEADLINE,
      query_timeout: STATEMENT_DEADLINE,
    });
    client.on('error', (error) => this.#lose(client, error));
    client.on('end', () => this.#lose(client, new Error('The server ended the connection.')));
    client.on('notification', ({ channel, payload }) => {
      for (const listener of this.#listeners.get(channel) ?? []) listener.onMessage(payload ?? '');
    });
    try {
      await client.connect();
      for (const channel of this.#listeners.keys())
        await client.query(`listen ${client.escapeIdentifier(channel)}`);
      this.#closing.signal.throwIfAborted();
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.#client = client;
    this.#turn = Promise.resolve();
    this.#heartbeat = setInterval(() => {
      this.#query(client, 'select 1').catch((thrown) => this.#lose(client, toError(thrown)));
    }, HEARTBEAT_INTERVAL).unref();
    for (const listeners of this.#listeners.values()) {
      for (const listener of listeners) listener.onListening();
    }
  }

  /** A statement after all those before it: pg 8 queues what is asked for meanwhile with a warning, pg 9 will refuse it. */
  #query(client: pg.Client, sql: string): Promise<unknown> {
    const result = this.#turn.then(() => client.query(sql));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Gives the connection up and makes another; a second report about the same connection changes nothing. */
  #lose(client: pg.Client, error: Error): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    clearInterval(this.#heartbeat);
    this.#options.logger.warn({ err: error }, 'lost the connection that listens for notifications');
    client.end().catch(() => undefined);
    this.#reconnecting = this.#reconnect().finally(() => {
      this.#reconnecting = undefined;
    });
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    for (let backoff = MIN_BACKOFF; !signal.aborted; backoff = Math.min(backoff * 2, MAX_BACKOFF)) {
      try {
        // Jitter: the processes of a restarted server must not all come back in the same instant.
        await delay(backoff * (0.5 + Math.random() / 2), signal);
        await this.#connect();
        this.#options.logger.info('listening for notifications again');
        return;
      } catch (error) {
        if (!signal.aborted) this.#options.logger.warn({ err: error }, 'could not listen for notifications');
      }
    }
  }
}

import type { Session } from '../access/session.ts';
import type { SessionWatch } from '../access/session-watch.ts';
import { ExpectedError } from '../errors.ts';
import type { OpenStream } from '../graphql/execution.ts';
import { MAX_STREAMS_PER_KEY } from '../graphql/limits.ts';

/** The key holds as many WebSockets and event streams as it may. */
export class TooManyStreamsError extends ExpectedError {
  constructor() {
    super(
      'TOO_MANY_STREAMS',
      `This API key already holds ${MAX_STREAMS_PER_KEY} WebSockets and event streams, which is the limit.`,
      'Close one first, or run several subscriptions over one WebSocket.',
    );
  }
}

/** The process stops while the stream is open. */
export class ServerStoppingError extends ExpectedError {
  constructor() {
    super(
      'SERVER_STOPPING',
      'The server is stopping, so the stream was ended. Nothing is lost.',
      'Connect again and subscribe with the cursor of the last event received as "after".',
    );
  }
}

/**
 * The long-lived connections of the process: how many each key holds, and what ends them. A connection ends with its
 * session (key revoked, user disabled, role changed) and with the process.
 */
export class OpenStreams {
  readonly #sessions: SessionWatch;
  readonly #perKey = new Map<string, number>();
  readonly #closing = new AbortController();

  constructor(sessions: SessionWatch) {
    this.#sessions = sessions;
  }

  /** How many are open now. */
  get size(): number {
    return this.#perKey.values().reduce((sum, count) => sum + count, 0);
  }

  /** Accounts for one more. Throws {@link TooManyStreamsError} at the limit. Without a session nothing is counted. */
  open(session: Session | null): OpenStream {
    if (session === null) return { signal: this.#closing.signal, [Symbol.dispose]: () => undefined };
    const key = session.apiKeyId;
    const count = this.#perKey.get(key) ?? 0;
    if (count >= MAX_STREAMS_PER_KEY) throw new TooManyStreamsError();
    this.#perKey.set(key, count + 1);
    const watched = this.#sessions.watch(session);
    let isOpen = true;
    return {
      signal: AbortSignal.any([watched.signal, this.#closing.signal]),
      [Symbol.dispose]: () => {
        if (!isOpen) return;
        isOpen = false;
        watched[Symbol.dispose]();
        const left = (this.#perKey.get(key) ?? 1) - 1;
        if (left === 0) this.#perKey.delete(key);
        else this.#perKey.set(key, left);
      },
    };
  }

  /** Ends all of them, with {@link ServerStoppingError} as the reason. */
  close(): void {
    this.#closing.abort(new ServerStoppingError());
  }
}

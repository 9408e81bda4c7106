import { request } from 'node:http';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** A result of a subscription. */
export interface StreamResult {
  data?: Record<string, unknown> | null;
  errors?: readonly { message: string; extensions?: { code?: string } }[];
}

/** One connection with one subscription on it. */
export interface Connection {
  /** Resolves when it has ended, however; never rejects. */
  ended: Promise<void>;
  /** Destroys the socket: no goodbye. */
  destroy(): void;
}

/** What a connection needs. */
export interface ConnectionOptions {
  url: string;
  apiKey: string;
  query: string;
  onResult: (result: StreamResult) => void;
}

/** Subscribes over graphql-transport-ws with the reference client. */
export function connectSocket({ url, apiKey, query, onResult }: ConnectionOptions): Connection {
  let socket: WebSocket | undefined;
  class Socket extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols);
      // One that is destroyed before it is open says so with an error that nobody else hears.
      this.on('error', () => undefined);
      socket = this;
    }
  }
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: Socket,
    connectionParams: { authorization: `Bearer ${apiKey}` },
    retryAttempts: 0,
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  client.subscribe(
    { query },
    {
      next: (result) => onResult(result as StreamResult),
      error: (error) => {
        if (Array.isArray(error)) onResult({ errors: error });
        resolve();
      },
      complete: resolve,
    },
  );
  return {
    ended: promise.then(() => socket?.terminate()),
    destroy: () => {
      socket?.terminate();
      resolve();
    },
  };
}

/** Subscribes over server-sent events, in distinct connections mode. */
export function connectEventStream({ url, apiKey, query, onResult }: ConnectionOptions): Connection {
  const { promise, resolve } = Promise.withResolvers<void>();
  const asking = request(`${url}/graphql`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
  });
  let buffer = '';
  asking.on('response', (answer) => {
    answer.setEncoding('utf8').on('data', (text: string) => {
      buffer += text;
      for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
        const block = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        const data = /^data: (.+)$/m.exec(block)?.[1];
        if (block.startsWith('event: next') && data) onResult(JSON.parse(data) as StreamResult);
      }
    });
    answer.on('error', () => resolve());
    answer.on('close', () => resolve());
  });
  asking.on('error', () => resolve());
  asking.end(JSON.stringify({ query }));
  return {
    ended: promise.then(() => void asking.destroy()),
    destroy: () => void asking.destroy(),
  };
}

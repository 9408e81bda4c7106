import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const REQUEST_TIMEOUT_MILLISECONDS = 20_000;

/** A client of the public GraphQL API, and of nothing else: what the demo can do, everybody can. */
export interface DemoClient {
  /** Sends one operation and gives back its data. Throws with the first error's message. */
  request<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>;
  /** Yields what a subscription streams until the client is closed. */
  subscribe<Data>(query: string): AsyncIterable<Data>;
  close(): Promise<void>;
}

/** Connects to the server at `url` with an API key. */
export function connect(url: string, apiKey: string): DemoClient {
  const authorization = `Bearer ${apiKey}`;
  const socket = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
  });
  return {
    async request<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MILLISECONDS),
      });
      const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
      if (errors?.[0] || !data) throw new Error(errors?.[0]?.message ?? `HTTP ${response.status}`);
      return data;
    },
    async *subscribe<Data>(query: string): AsyncIterable<Data> {
      for await (const { data } of socket.iterate<Data>({ query })) if (data) yield data;
    },
    close: async () => socket.dispose(),
  };
}

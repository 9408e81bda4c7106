import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import type { Answer } from './filled-desk.ts';

/** Opens an operation over graphql-transport-ws; `results` ends when it does, or when `close` is called. */
export function openSocket(
  url: string,
  apiKey: string,
  document: string,
  variables: Record<string, unknown>,
): { results: AsyncIterableIterator<Answer['body']>; close: () => void } {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${apiKey}` },
    retryAttempts: 0,
  });
  const results = client.iterate({ query: document, variables }) as AsyncIterableIterator<Answer['body']>;
  return { results, close: () => void client.dispose() };
}

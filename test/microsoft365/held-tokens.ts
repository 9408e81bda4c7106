import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

/** A sign-in service that is asked and has not answered yet, for as long as a test needs to look at what happens meanwhile. */
export interface HeldTokens {
  /** For the process that is to wait. */
  loginUrl: string;
  /** How many requests for a token have come. */
  asked(): number;
  /** Answers them, and those that come later at once. */
  letGo(): void;
}

/** Stands before the sign-in service at `loginUrl`, until the test ends. */
export async function holdTokens(loginUrl: string): Promise<HeldTokens> {
  const free = Promise.withResolvers<void>();
  let asked = 0;
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    if (request.url?.includes('/oauth2/v2.0/token')) {
      asked += 1;
      await free.promise;
    }
    try {
      const answer = await fetch(`${loginUrl}${request.url}`, {
        method: request.method ?? 'GET',
        headers: { 'content-type': request.headers['content-type'] ?? 'text/plain' },
        ...(body.length === 0 ? {} : { body }),
      });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      response.end(await answer.text());
    } catch {
      response.destroy();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    free.resolve();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { loginUrl: `http://127.0.0.1:${port}`, asked: () => asked, letGo: () => free.resolve() };
}

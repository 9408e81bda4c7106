import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { watchLongRequests } from '../../src/server/long-requests.ts';

/** A server that gives a request 300 ms, and lets those to `/long` off. */
async function start() {
  const server = createServer(
    { requestTimeout: 300, headersTimeout: 200, connectionsCheckingInterval: 50 },
    async (incoming, response) => {
      const end = incoming.url === '/long' ? long.letOff(incoming.socket) : () => undefined;
      let bytes = 0;
      try {
        for await (const piece of incoming) bytes += (piece as Buffer).length;
        response.end(String(bytes));
      } catch {
        // It was cut off.
      } finally {
        end();
      }
    },
  );
  const long = watchLongRequests(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** Sends ten bytes within a second. Gives the status and the answer. */
async function sendSlowly(port: number, path: string): Promise<{ status: number; text: string }> {
  const sent = request({ port, host: '127.0.0.1', path, method: 'PUT', headers: { 'content-length': 10 } });
  const answered = once(sent, 'response');
  answered.catch(() => undefined);
  sent.on('error', () => undefined);
  for (let i = 0; i < 10; i += 1) {
    sent.write('x');
    await pause(100);
  }
  sent.end();
  const [response] = await answered;
  let text = '';
  for await (const piece of response) text += piece;
  return { status: response.statusCode, text };
}

test('a request that is let off may take its time; any other one is cut off as before', async () => {
  const { server, port } = await start();
  expect(await sendSlowly(port, '/long')).toEqual({ status: 200, text: '10' });
  expect((await sendSlowly(port, '/short')).status).toBe(408);
  server.close();
});

test('what is no HTTP is answered as such', async () => {
  const { server, port } = await start();
  const socket = connect(port, '127.0.0.1');
  socket.write('nonsense\r\n\r\n');
  let text = '';
  for await (const piece of socket) text += piece;
  expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request/);
  server.close();
});

import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from 'vitest';
import { watchLongRequests } from '../../src/server/long-requests.ts';
import { eventually } from '../support/wait.ts';

/** A server that gives a request a second, and lets those to `/long` off. */
async function start() {
  const arrived: (string | undefined)[] = [];
  const server = createServer(
    { requestTimeout: 1_000, headersTimeout: 1_000, connectionsCheckingInterval: 50 },
    async (incoming, response) => {
      arrived.push(incoming.url);
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
  return { server, arrived, port: (server.address() as AddressInfo).port };
}

/** Sends the first of ten bytes; `finish` sends the others. `answer` gives the status and the text. */
function begin(port: number, path: string) {
  const sent = request({ port, host: '127.0.0.1', path, method: 'PUT', headers: { 'content-length': 10 } });
  sent.on('error', () => undefined);
  sent.write('x');
  const answer = once(sent, 'response').then(async ([response]) => {
    let text = '';
    for await (const piece of response) text += piece;
    return { status: response.statusCode, text };
  });
  return { answer, finish: () => sent.end('x'.repeat(9)) };
}

test('a request that is let off may take its time; any other one is cut off as before', async () => {
  const { server, arrived, port } = await start();
  const long = begin(port, '/long');
  await eventually('it has arrived', () => arrived.includes('/long'));
  // Begun later and cut off: by then the time of the first one has been over, too.
  expect((await begin(port, '/short').answer).status).toBe(408);
  long.finish();
  expect(await long.answer).toEqual({ status: 200, text: '10' });
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

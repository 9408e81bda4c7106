import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import pg from 'pg';
import { WebSocketServer } from 'ws';
import { appToken, graphHeaders, SELECT } from '../app-token.ts';

/*
 * The floor of P1, a program of its own: a notification comes in, the mailbox's delta link is read, the mail is put into
 * a table, and every socket is told. No parsing, threading, ledger, queue, permissions or second process; nobody who does
 * the same work by hand does it in fewer steps.
 */

const { FLOOR_PORT = '', GRAPH_URL = '', DATABASE_URL = '', ADDRESS = '' } = process.env;
const messages = `users/${ADDRESS}/mailFolders/inbox/messages`;
const pool = new pg.Pool({ connectionString: DATABASE_URL });
await pool.query('create table mail (id text primary key, subject text not null, body text not null)');
const headers = graphHeaders(await appToken(GRAPH_URL, ADDRESS));
let link = `${GRAPH_URL}/v1.0/${messages}/delta?$select=${SELECT}`;
await readDelta();
let isReady = false;

interface Page {
  value: { id: string; subject: string; body: { content: string } }[];
  '@odata.deltaLink': string;
}

/** One Graph call: the folder is never so full that a page does not hold what is new. */
async function readDelta(): Promise<Page['value']> {
  const page = (await (await fetch(link, { headers })).json()) as Page;
  link = page['@odata.deltaLink'];
  return page.value;
}

async function takeIn(): Promise<void> {
  for (const { id, subject, body } of await readDelta()) {
    await pool.query('insert into mail values ($1, $2, $3)', [id, subject, body.content]);
    for (const socket of sockets.clients) socket.send(JSON.stringify({ subject }));
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
  const token = url.searchParams.get('validationToken');
  request.on('data', () => undefined);
  request.on('end', () => {
    if (token !== null) response.setHeader('content-type', 'text/plain').end(token);
    else if (request.method === 'GET') response.writeHead(isReady ? 200 : 503).end();
    else {
      response.writeHead(202).end();
      takeIn().catch(fail);
    }
  });
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

const server = createServer(answer);
const sockets = new WebSocketServer({ server });
await new Promise<void>((resolve) => {
  server.listen(Number(FLOOR_PORT), '127.0.0.1', resolve);
});
const subscribed = await fetch(`${GRAPH_URL}/v1.0/subscriptions`, {
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify({
    changeType: 'created',
    notificationUrl: `http://127.0.0.1:${FLOOR_PORT}/`,
    resource: messages,
    expirationDateTime: new Date(Date.now() + 60 * 60 * 1_000).toISOString(),
  }),
});
if (!subscribed.ok) fail(`No subscription: ${subscribed.status} ${await subscribed.text()}`);
isReady = true;

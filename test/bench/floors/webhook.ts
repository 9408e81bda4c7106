import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import pg from 'pg';

/*
 * The floor of P4, a program of its own: what is posted is parsed, and each item becomes a row. Nothing is looked up,
 * proven, folded together, queued or announced.
 */

const { FLOOR_PORT = '', DATABASE_URL = '' } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
await pool.query(
  'create table if not exists heard (id bigint generated always as identity primary key, subscription_id text not null, at timestamptz not null default now())',
);

async function store(text: string): Promise<void> {
  const { value } = JSON.parse(text) as { value: { subscriptionId: string }[] };
  for (const { subscriptionId } of value) {
    await pool.query({
      name: 'heard',
      text: 'insert into heard (subscription_id) values ($1)',
      values: [subscriptionId],
    });
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  let text = '';
  request.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  request.on('end', () => {
    if (request.method !== 'POST') {
      response.writeHead(200).end();
      return;
    }
    store(text).then(
      () => response.writeHead(202).end(),
      () => response.writeHead(503).end(),
    );
  });
}

const server = createServer(answer);
server.listen(Number(FLOOR_PORT), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));

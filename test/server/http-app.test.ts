import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './harness.ts';
import { probeSchema } from './probe-schema.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    schema: probeSchema,
    routes: [
      (app) =>
        app.get('/boom', () => {
          throw new Error('password is hunter2');
        }),
    ],
  });
});
afterAll(() => server?.[Symbol.asyncDispose]());

test('says that it lives and that it is ready', async () => {
  expect((await server.fetch('/livez')).status).toBe(200);
  const ready = await server.fetch('/readyz');
  expect({ status: ready.status, body: await ready.json() }).toEqual({ status: 200, body: { status: 'ok' } });
});

test('is not ready, yet alive, while it drains', async () => {
  await using draining = await startTestServer({ schema: probeSchema });
  draining.draining.abort();
  expect((await draining.fetch('/readyz')).status).toBe(503);
  expect((await draining.fetch('/livez')).status).toBe(200);
});

test('is not ready when the database does not answer', async () => {
  await using cut = await startTestServer({ schema: probeSchema });
  await cutOffDatabase(cut.own.url);
  expect((await cut.fetch('/readyz')).status).toBe(503);
});

test('tells Prometheus about itself', async () => {
  await server.fetch('/livez');
  const response = await server.fetch('/metrics');
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const text = await response.text();
  expect(text).toContain(
    'deskgraph_http_request_duration_seconds_count{method="GET",route="/livez",status="200"}',
  );
  expect(text).toMatch(/^deskgraph_open_streams 0$/m);
  expect(text).toContain('process_cpu_seconds_total');
});

test.each(['/livez', '/graphql', '/nothing', '/metrics'])(
  '%s carries the headers that keep browsers from harm',
  async (path) => {
    const { headers } = await server.fetch(path);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=15552000',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'x-request-id': expect.any(String),
    });
    expect(headers.get('x-powered-by')).toBeNull();
  },
);

test('does not take over a request id that could break a log line', async () => {
  const { headers } = await server.fetch('/livez', { headers: { 'x-request-id': 'a b"c' } });
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});

test('an unknown path answers 404 with a code', async () => {
  const response = await server.fetch('/nothing');
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
});

test('an unexpected error of a route is masked and logged once', async () => {
  const response = await server.fetch('/boom');
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('hunter2');
  expect(server.log.filter((line) => line.includes('hunter2'))).toHaveLength(1);
});

test('the log has one line for each request, without its query string', async () => {
  await server.fetch('/nothing?code=oauth-secret', { headers: { 'x-request-id': 'line-1' } });
  const lines = server.log.filter((line) => line.includes('"line-1"'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { msg: 'request', method: 'GET', path: '/nothing', status: 404, correlationId: 'line-1' },
  ]);
  expect(server.log.join('')).not.toContain('oauth-secret');
});

/** Makes the database refuse everybody, as a server that is down would. */
async function cutOffDatabase(url: string): Promise<void> {
  const maintenance = new URL(url);
  const name = maintenance.pathname.slice(1);
  maintenance.pathname = '/postgres';
  const client = new pg.Client({ connectionString: maintenance.href });
  await client.connect();
  await client.query(`alter database ${name} with allow_connections false`);
  await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  await client.end();
}

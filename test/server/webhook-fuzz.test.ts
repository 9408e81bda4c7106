import { Agent, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/app.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import {
  ENCRYPTION_KEYS,
  notificationOf,
  type SeededSubscription,
  seedSubscriptions,
} from '../support/subscriptions.ts';

/*
 * Ten thousand generated notifications over real HTTP against a process of its own without a worker, so that what the
 * webhook has written can be counted: it must be what the true ones among them ask for, and nothing else.
 */

const REQUESTS = 10_000;
const CONCURRENCY = 24;
const MOST_BYTES = 1_048_576;
const PATHS = ['/webhooks/microsoft-graph', '/webhooks/microsoft-graph/lifecycle'] as const;
const KEY = 'dg_fuzz-admin-key-0123456789abcdefghijklmn';

let db: TestDatabase;
let server: ServerProcess;
let client: pg.Client;
/** What may be named truly, and what nobody ever names with its secret. */
let ours: SeededSubscription[];
let bystanders: SeededSubscription[];
beforeAll(async () => {
  db = await cloneDatabase();
  server = await startServerProcess({
    PORT: String(await freePort()),
    DATABASE_URL: db.url,
    DESKGRAPH_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
    DESKGRAPH_ADMIN_KEY: KEY,
    DESKGRAPH_ROLES: 'api',
    LOG_LEVEL: 'error',
  });
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  ours = await seedSubscriptions(db.url, { organizations: 3, mailboxes: 10 });
  bystanders = await seedSubscriptions(db.url, { organizations: 2, mailboxes: 10 });
});
afterAll(async () => {
  await client?.end();
  await server?.stop();
  await db?.[Symbol.asyncDispose]();
});

/** A generated request: what is sent, what must come back, and which mailboxes it asks a sync for. */
interface Sent {
  path: string;
  body: Uint8Array;
  headers: Record<string, string>;
  /** Cut off so many bytes before its end, and the connection with it. */
  isCutOff: boolean;
  wanted: readonly number[];
  /** Mailboxes whose subscription is said to be removed. */
  removed: readonly number[];
}

/** An item of a body, and the mailbox (by its place in `ours`) that it asks a sync for. */
interface Item {
  json: string;
  mailbox: number | null;
  isRemoval: boolean;
}

const LIFECYCLE = ['missed', 'subscriptionRemoved', 'reauthorizationRequired', 'inventedTomorrow'] as const;

/** Deep, huge, double and poisonous: JSON that no object literal can say. */
const oddJson = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.integer({ min: 1, max: 1_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.integer({ min: 1, max: 1_000 }).map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
  fc.constantFrom(
    '1e999999',
    '-0',
    '9'.repeat(400),
    '"\\ud800"',
    '"\\u0000"',
    'null',
    '{"__proto__":{"value":[]}}',
  ),
);

function items(): fc.Arbitrary<Item> {
  const nothing = (json: string): Item => ({ json, mailbox: null, isRemoval: false });
  const place = fc.nat({ max: ours.length - 1 });
  const at = (index: number): SeededSubscription => ours[index] ?? fail();
  const truly = fc
    .record({ index: place, extra: fc.option(oddJson, { nil: null }) })
    .map(({ index, extra }) => {
      const text = JSON.stringify(notificationOf(at(index)));
      // What Microsoft may add one day, whatever it is.
      const json = extra === null ? text : `${text.slice(0, -1)},"added":${extra}}`;
      return { json, mailbox: index, isRemoval: false };
    });
  const lifecycle = fc
    .record({ index: place, event: fc.constantFrom(...LIFECYCLE) })
    .map(({ index, event }) => ({
      json: JSON.stringify(notificationOf(at(index), { lifecycleEvent: event, changeType: undefined })),
      mailbox: event === 'missed' || event === 'subscriptionRemoved' ? index : null,
      isRemoval: event === 'subscriptionRemoved',
    }));
  const forged = fc
    .record({
      of: fc.constantFrom(...bystanders, ...ours),
      with: fc.constantFrom(...bystanders, ...ours, null),
      guess: fc.string({ unit: 'binary' }),
    })
    .filter(({ of, with: other }) => of !== other)
    .map(({ of, with: other, guess }) =>
      nothing(JSON.stringify(notificationOf(of, { clientState: other ? other.clientState : guess }))),
    );
  const unknown = fc
    .record({
      id: fc.oneof(fc.uuid(), fc.string({ unit: 'binary' }), fc.constant('x'.repeat(5_000))),
      of: fc.constantFrom(...ours),
    })
    .map(({ id, of }) => nothing(JSON.stringify(notificationOf({ ...of, subscriptionId: id }))));
  // The last of two keys counts, so that the first proves nothing.
  const doubled = fc.record({ of: fc.constantFrom(...bystanders), index: place }).map(({ of, index }) => {
    const { subscriptionId, clientState } = at(index);
    return nothing(
      `{"subscriptionId":${JSON.stringify(subscriptionId)},"clientState":${JSON.stringify(clientState)},"subscriptionId":${JSON.stringify(of.subscriptionId)}}`,
    );
  });
  const prototype = fc
    .constantFrom(...ours)
    .map((of) => nothing(`{"__proto__":${JSON.stringify(notificationOf(of))}}`));
  const mistyped = fc
    .record({ index: place, id: oddJson, state: oddJson })
    .map(({ id, state }) => nothing(`{"subscriptionId":${id},"clientState":${state}}`));
  return fc.oneof(
    { arbitrary: truly, weight: 4 },
    { arbitrary: lifecycle, weight: 2 },
    { arbitrary: forged, weight: 4 },
    { arbitrary: unknown, weight: 3 },
    { arbitrary: fc.oneof(doubled, prototype, mistyped), weight: 3 },
    { arbitrary: oddJson.map(nothing), weight: 2 },
  );
}

function fail(): never {
  throw new Error('no such subscription');
}

/** UTF-16, with its mark. */
const utf16 = (text: string): Uint8Array =>
  Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);

type Wrapping = (json: string) => {
  body: Uint8Array;
  headers?: Record<string, string>;
  isCutOff?: boolean;
  isLost?: boolean;
};

/** How a body is sent; `isLost` when nothing of it may count. */
const WRAPPINGS: readonly [weight: number, Wrapping][] = [
  [12, (json) => ({ body: Buffer.from(json) })],
  // A mark at the beginning, another type, a lie about the encoding and capitals change nothing.
  [1, (json) => ({ body: Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(json)]) })],
  [1, (json) => ({ body: Buffer.from(json), headers: { 'content-encoding': 'gzip' } })],
  [
    1,
    (json) => ({ body: Buffer.from(json), headers: { 'content-type': 'multipart/form-data; boundary=x' } }),
  ],
  [1, (json) => ({ body: Buffer.from(json), headers: { 'transfer-encoding': 'chunked' } })],
  [1, (json) => ({ body: utf16(json), isLost: true })],
  [1, (json) => ({ body: gzipSync(json), headers: { 'content-encoding': 'gzip' }, isLost: true })],
  [1, (json) => ({ body: Buffer.concat([Buffer.from(json), Buffer.from([0xff, 0xc0])]), isLost: true })],
  [1, (json) => ({ body: Buffer.from(json.slice(0, -1)), isLost: true })],
  [1, (json) => ({ body: Buffer.from(json), isCutOff: true, isLost: true })],
  [
    1,
    (json) => ({
      body: Buffer.from(json),
      headers: { 'transfer-encoding': 'chunked' },
      isCutOff: true,
      isLost: true,
    }),
  ],
];

function requests(): fc.Arbitrary<Sent> {
  const lists = fc.oneof(
    { arbitrary: fc.array(items(), { maxLength: 8 }), weight: 200 },
    // Thousands in one body, more than are looked at.
    {
      arbitrary: fc
        .tuple(items(), fc.integer({ min: 1_000, max: 6_000 }))
        .map(([item, count]) => Array<Item>(count).fill(item)),
      weight: 1,
    },
  );
  const wrapping = fc.oneof(...WRAPPINGS.map(([weight, wrap]) => ({ arbitrary: fc.constant(wrap), weight })));
  const listed = fc
    .record({ list: lists, wrap: wrapping, path: fc.constantFrom(...PATHS) })
    .map(({ list, wrap, path }): Sent => {
      const {
        body,
        headers = {},
        isCutOff = false,
        isLost = false,
      } = wrap(`{"value":[${list.map(({ json }) => json).join()}]}`);
      const isTooLarge = body.length > MOST_BYTES;
      const counted = isLost || isTooLarge ? [] : list.filter(({ mailbox }) => mailbox !== null);
      const wanted = counted.flatMap(({ mailbox }) => mailbox ?? []);
      const removed = counted.flatMap(({ mailbox, isRemoval }) =>
        isRemoval && mailbox !== null ? [mailbox] : [],
      );
      return { path, body, headers, isCutOff, wanted, removed };
    });
  const wild = fc
    .record({
      body: fc.oneof(
        oddJson.map((json) => Buffer.from(json)),
        fc.uint8Array({ maxLength: 300 }),
      ),
      path: fc.constantFrom(...PATHS),
    })
    .map(({ body, path }): Sent => ({ path, body, headers: {}, isCutOff: false, wanted: [], removed: [] }));
  const handshake = fc
    .record({
      token: fc.string({ unit: 'binary', maxLength: 300 }),
      list: fc.array(items(), { maxLength: 2 }),
      path: fc.constantFrom(...PATHS),
    })
    .map(
      ({ token, list, path }): Sent => ({
        path: `${path}?validationToken=${encodeURIComponent(token.toWellFormed())}`,
        // A handshake takes nothing in, whatever comes with it.
        body: Buffer.from(`{"value":[${list.map(({ json }) => json).join()}]}`),
        headers: {},
        isCutOff: false,
        wanted: [],
        removed: [],
      }),
    );
  return fc.oneof(
    { arbitrary: listed, weight: 16 },
    { arbitrary: wild, weight: 3 },
    { arbitrary: handshake, weight: 1 },
  );
}

/** Sends it; gives the status, or null when it was cut off on purpose. */
function send(agent: Agent, { path, body, headers, isCutOff }: Sent): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const length = headers['transfer-encoding'] ? {} : { 'content-length': body.length + (isCutOff ? 1 : 0) };
    const outgoing = request(server.url + path, {
      method: 'POST',
      agent: isCutOff ? false : agent,
      headers: { 'content-type': 'application/json', ...length, ...headers },
    });
    outgoing.on('response', (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    // Of what is too large the server reads no more, and closes: writing on may fail before its answer is seen.
    outgoing.on('error', (error) => (isCutOff || body.length > MOST_BYTES ? resolve(null) : reject(error)));
    if (!isCutOff) {
      outgoing.end(body);
      return;
    }
    outgoing.on('close', () => resolve(null));
    outgoing.write(body, () => outgoing.destroy());
  });
}

const count = async (sql: string): Promise<number> =>
  (await client.query<{ count: number }>(`select count(*)::int as count from ${sql}`)).rows[0]?.count ?? 0;

async function residentBytes(): Promise<number> {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(page)?.[1]);
}

test(`${REQUESTS} generated notifications: no 5xx, documented answers, and only what the true ones ask for`, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const generated = fc.sample(requests(), { numRuns: REQUESTS, seed });
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const statuses = new Map<number | null, number>();
  const wanted = new Set<number>();
  const removed = new Set<number>();
  let next = 0;
  let memoryBefore = 0;
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (let sent = generated[next++]; sent; sent = generated[next++]) {
        if (next === REQUESTS / 4) memoryBefore = await residentBytes();
        const status = await send(agent, sent).catch((error: unknown) => {
          throw new Error(
            `Seed ${seed}: ${String(error)} at ${Buffer.from(sent.body).toString('latin1').slice(0, 500)}`,
          );
        });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        for (const index of sent.wanted) wanted.add(index);
        for (const index of sent.removed) removed.add(index);
      }
    }),
  );
  agent.destroy();
  const memoryAfter = await residentBytes();

  const context = `seed ${seed}, statuses ${JSON.stringify([...statuses])}`;
  for (const status of statuses.keys()) expect([200, 202, 400, 413, null], context).toContain(status);
  expect(statuses.get(202), context).toBeGreaterThan(REQUESTS / 2);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(server.output(), context).toBe('');

  const mailboxIds = async (sql: string) =>
    (await client.query<{ mailbox_id: string }>(sql)).rows.map(({ mailbox_id }) => mailbox_id).toSorted();
  const expected = [...wanted].map((index) => ours[index]?.mailboxId).toSorted();
  expect(expected.length, context).toBeGreaterThan(20);
  expect(await mailboxIds(`select mailbox_id::text from sync_run where state = 'QUEUED'`), context).toEqual(
    expected,
  );
  expect(await count('sync_run'), context).toBe(wanted.size);
  const jobs = `select payload->>'mailboxId' as mailbox_id from graphile_worker._private_jobs as job
    join graphile_worker._private_tasks as task on task.id = job.task_id where task.identifier = `;
  expect(await mailboxIds(`${jobs} 'sync.mailbox'`), context).toEqual(expected);
  expect(await count('push_subscription'), context).toBe(ours.length + bystanders.length);
  expect(
    await mailboxIds(`select mailbox_id::text from push_subscription where state <> 'ACTIVE'`),
    context,
  ).toEqual([...removed].map((index) => ours[index]?.mailboxId).toSorted());
  expect(await count(`event where type <> 'sync-status.changed'`), context).toBe(0);
  // Of the run that waits, and where it waited already when the first notification came, of how mail is noticed since.
  const told = `(select count(*)::int as times from event group by payload ->> 'mailboxId') as told`;
  expect(await count(told), context).toBe(wanted.size);
  expect(await count(`${told} where times > 2`), context).toBe(0);
  // Of 7,500 requests nothing stays. The margin is what V8 takes before it collects.
  expect(memoryAfter - memoryBefore, context).toBeLessThan(128 * 2 ** 20);
}, 240_000);

test('what comes in chunks, without a length, is read like anything else, up to the limit', async () => {
  const chunked = (path: string, body: string) =>
    new Promise<number>((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        'transfer-encoding': 'chunked',
        authorization: `Bearer ${KEY}`,
      };
      const outgoing = request(server.url + path, { method: 'POST', headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      outgoing.on('error', reject);
      outgoing.write(body.slice(0, 10));
      outgoing.end(body.slice(10));
    });
  expect(await chunked('/graphql', '{"query":"{ viewer { __typename } }"}')).toBe(200);
  expect(await chunked(PATHS[0], '{"value":[]}')).toBe(202);
  expect(await chunked(PATHS[0], `{"value":[${' '.repeat(MOST_BYTES)}]}`).catch(() => 413)).toBe(413);
});

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { clientStateContext } from '../../src/sync/push-subscriptions.ts';
import type { TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { type PushedMailbox, pushedMailbox, query, startPushApp, triggersOf } from '../sync/push-harness.ts';

let app: TestApp;
let one: PushedMailbox & Secret;
let two: PushedMailbox & Secret;
beforeAll(async () => {
  // At the full minute a subscription that a test has taken away would be made anew, and its folder read.
  app = await startPushApp({}, { isScheduled: false });
  const desk = await app.newDesk();
  one = await withSecret(await pushedMailbox(app, desk));
  two = await withSecret(await pushedMailbox(app));
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** What Microsoft knows of a subscription. */
interface Secret {
  subscriptionId: string;
  clientState: string;
}

async function withSecret(mailbox: PushedMailbox): Promise<PushedMailbox & Secret> {
  const box = createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]);
  const [row] = await query<{ id: string; graph_subscription_id: string; sealed_client_state: string }>(
    app,
    'select * from push_subscription where mailbox_id = ? and replaced_at is null',
    [mailbox.uuid],
  );
  if (!row) throw new Error('no subscription');
  return {
    ...mailbox,
    subscriptionId: row.graph_subscription_id,
    clientState: box.open(row.sealed_client_state, clientStateContext(row.id)),
  };
}

const PATHS = ['/webhooks/microsoft-graph', '/webhooks/microsoft-graph/lifecycle'];
const post = (body: string | Uint8Array<ArrayBuffer>, path = PATHS[0], type = 'application/json') =>
  fetch(`${app.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
const send = (...value: unknown[]) => post(JSON.stringify({ value }));
const notification = ({ subscriptionId, clientState }: Secret, change: object = {}) => ({
  id: 'n1',
  subscriptionId,
  subscriptionExpirationDateTime: '2026-11-28T00:00:00Z',
  clientState,
  changeType: 'created',
  resource: 'Users/x/Messages/y',
  tenantId: 't',
  resourceData: { '@odata.type': '#Microsoft.Graph.Message', id: 'y' },
  ...change,
});

async function counter(outcome: string): Promise<number> {
  const text = await (await fetch(`${app.url}/metrics`)).text();
  const found = new RegExp(`deskgraph_push_notifications_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text);
  return Number(found?.[1] ?? 0);
}

const runsOf = async () => [await triggersOf(app, one.uuid), await triggersOf(app, two.uuid)];

/** Waits until nothing waits or runs any more. What was announced here is no mail: it is not looked for again. */
async function settled(): Promise<void> {
  await allHaveEnded();
  await query(app, 'update sync_state set awaited = 0');
  // A look that is under way has read what was awaited before, and still asks for its run.
  await allHaveEnded();
}

async function allHaveEnded(): Promise<void> {
  await eventually('all runs and looks have ended', async () => {
    const open = await query(
      app,
      `select 1 from sync_run where state in ('QUEUED', 'RUNNING') union all
       select 1 from graphile_worker._private_jobs as job
         join graphile_worker._private_tasks as task on task.id = job.task_id
        where task.identifier = 'sync.look-again' and (run_at <= now() or locked_at is not null)`,
    );
    return open.length === 0;
  });
}

test.each(PATHS)(
  '%s answers the handshake with the decoded token, as plain text, and nothing else',
  async (path) => {
    const token = 'Validation: <b>öß</b> & 100% + Request-Id: 7';
    const answer = await fetch(`${app.url}${path}?validationToken=${encodeURIComponent(token)}`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(token);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  },
);

test('a token with plus signs for blanks is decoded, one without end is refused, and a GET gets nothing', async () => {
  const url = `${app.url}${PATHS[0]}?validationToken=`;
  expect(await (await fetch(`${url}a+b`, { method: 'POST' })).text()).toBe('a b');
  expect((await fetch(url + 'x'.repeat(5_000), { method: 'POST' })).status).toBe(400);
  expect((await fetch(`${url}x`)).status).toBe(404);
});

test('two subscriptions in one request: one sync each, however often each is named', async () => {
  await settled();
  const [before1, before2] = await runsOf();
  const answer = await send(notification(one), notification(two), notification(one), notification(two));
  expect(answer.status).toBe(202);
  expect(await answer.text()).toBe('');
  await settled();
  const [after1, after2] = await runsOf();
  expect(after1?.slice(before1?.length)).toEqual(['PUSH']);
  expect(after2?.slice(before2?.length)).toEqual(['PUSH']);
});

test('a forged client state, an unknown subscription and another one’s secret start nothing, and are counted', async () => {
  await settled();
  const before = await runsOf();
  const [forged, unknown] = [await counter('forged'), await counter('unknown')];
  const answers = await Promise.all([
    send(notification(one, { clientState: 'guess' })),
    send(notification(one, { clientState: two.clientState })),
    send(notification(one, { clientState: '' })),
    send(notification({ subscriptionId: crypto.randomUUID(), clientState: one.clientState })),
    send(notification(one, { clientState: 'guess', changeType: undefined, lifecycleEvent: 'missed' })),
    send(notification(one, { lifecycleEvent: 'inventedTomorrow' })),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(202));
  expect(await counter('forged')).toBe(forged + 4);
  expect(await counter('unknown')).toBe(unknown + 2);
  expect(await runsOf()).toEqual(before);
});

test('a forged item does not spoil the true one beside it', async () => {
  await settled();
  const [before] = await runsOf();
  await send(notification(two, { clientState: 'x' }), { nonsense: true }, null, notification(one));
  await settled();
  expect((await runsOf())[0]?.slice(before?.length)).toEqual(['PUSH']);
});

test('capitals and missing properties of Microsoft’s do not matter, and either address takes either kind', async () => {
  await settled();
  const [before] = await runsOf();
  const { subscriptionId, clientState } = one;
  const body = JSON.stringify({
    value: [{ subscriptionId, clientState, resource: 'USERS/X' }],
    validationTokens: [],
  });
  expect((await post(body, PATHS[1], 'text/plain')).status).toBe(202);
  await settled();
  expect((await runsOf())[0]?.length).toBe((before?.length ?? 0) + 1);
});

test('a subscription that was replaced a moment ago still counts', async () => {
  await settled();
  const third = await withSecret(await pushedMailbox(app));
  await query(app, 'update push_subscription set replaced_at = now() where mailbox_id = ?', [third.uuid]);
  const before = (await triggersOf(app, third.uuid)).filter((trigger) => trigger === 'PUSH').length;
  expect((await send(notification(third))).status).toBe(202);
  await eventually('it is read', async () => {
    const after = (await triggersOf(app, third.uuid)).filter((trigger) => trigger === 'PUSH').length;
    return after === before + 1;
  });
});

test('a mailbox that is switched off is left alone', async () => {
  const off = await withSecret(await pushedMailbox(app));
  await query(app, 'update mailbox set incoming_enabled = false where id = ?', [off.uuid]);
  const before = await triggersOf(app, off.uuid);
  expect((await send(notification(off))).status).toBe(202);
  expect(await triggersOf(app, off.uuid)).toEqual(before);
});

test('thousands of items in one body are one sync, and a body without end is refused', async () => {
  await settled();
  const [before] = await runsOf();
  const many = Array.from({ length: 3_000 }, () => notification(one, { resourceData: undefined }));
  expect((await send(...many)).status).toBe(202);
  await settled();
  expect((await runsOf())[0]?.slice(before?.length)).toEqual(['PUSH']);
  expect((await post(' '.repeat(2_000_000))).status).toBe(413);
});

test('what cannot be stored is answered with 503, and nothing of it is half there', async () => {
  await settled();
  const before = await runsOf();
  await query(app, "alter table sync_run add constraint full_up check (trigger <> 'PUSH') not valid");
  try {
    expect((await send(notification(one), notification(two))).status).toBe(503);
    expect(await runsOf()).toEqual(before);
  } finally {
    await query(app, 'alter table sync_run drop constraint full_up');
  }
});

test('no generated notification is a fault of ours: never 5xx, never a sync without the secret', async () => {
  await settled();
  const before = await runsOf();
  const id = fc.oneof(
    fc.string(),
    fc.constant(one.subscriptionId),
    fc.constant('\u0000'),
    fc.jsonValue(),
    fc.uuid(),
  );
  const state = fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue(), fc.constant('x'.repeat(5_000)));
  const item = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        subscriptionId: id,
        clientState: state,
        changeType: fc.jsonValue(),
        lifecycleEvent: fc.oneof(
          fc.constantFrom('missed', 'subscriptionRemoved', 'reauthorizationRequired'),
          fc.jsonValue(),
        ),
        resourceData: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  );
  const body = fc.oneof(
    { arbitrary: fc.array(item, { maxLength: 20 }).map((value) => JSON.stringify({ value })), weight: 6 },
    { arbitrary: fc.json(), weight: 2 },
    { arbitrary: fc.string({ unit: 'binary' }), weight: 1 },
  );
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => new Uint8Array(array));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ arbitrary: body, weight: 8 }, { arbitrary: bytes, weight: 1 }),
      fc.constantFrom(...PATHS),
      async (sent, path) => {
        const answer = await post(sent, path);
        expect([202, 400]).toContain(answer.status);
        await answer.arrayBuffer();
      },
    ),
    { numRuns: 600 },
  );
  expect(await runsOf()).toEqual(before);
});

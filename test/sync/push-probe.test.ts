import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { control, type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  draftsAreGone,
  manage,
  type PushedMailbox,
  poll,
  pushedMailbox,
  pushRests,
  query,
  rowsOf,
  setPush,
  startPushApp,
  statusBecomes,
  subjectsOf,
  subscriptionsAtMicrosoft,
  watch,
} from './push-harness.ts';

let app: TestApp;
beforeAll(async () => {
  // The minute's look comes when the test asks for it: in between it would do what the test is about to see undone.
  app = await startPushApp({}, { isScheduled: false });
});
afterAll(() => app?.[Symbol.asyncDispose]());
afterEach(async () => {
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  await setPush(app, { lossProbability: 0, paused: false });
});

interface Probe {
  state: string;
  startedAt: string | null;
  deadline: string | null;
  answeredAt: string | null;
  roundTripMilliseconds: number | null;
  problem: { code: string; remedy: string } | null;
}
const PROBE = 'state startedAt deadline answeredAt roundTripMilliseconds problem { code remedy }';

/** The last probe, as people see it. */
async function probeOf({ desk, mailboxId }: PushedMailbox): Promise<Probe | null> {
  const { node } = await desk.request<{
    node: { syncStatus: { pushSubscription: { lastProbe: Probe | null } | null } };
  }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { pushSubscription { lastProbe { ${PROBE} } } } } } }`,
    { id: mailboxId },
  );
  return node.syncStatus.pushSubscription?.lastProbe ?? null;
}

function probeBecomes(mailbox: PushedMailbox, state: string): Promise<Probe> {
  let last: Probe | null = null;
  return eventually(`the probe is ${state}`, async () => {
    const probe = await probeOf(mailbox);
    last = probe;
    return probe?.state === state && probe;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
  });
}

interface Refusal {
  code: string;
  message: string;
  remedy: string;
}
type ProbePush = { pushProbe?: Probe } & Partial<Refusal>;

async function probePush(desk: Desk, mailboxId: string): Promise<ProbePush> {
  const { probePush: result } = await desk.request<{ probePush: ProbePush }>(
    `mutation ($id: ID!) { probePush(input: { mailboxId: $id }) {
       ... on ProbePushPayload { pushProbe { ${PROBE} } } ... on Error { code message remedy } } }`,
    { id: mailboxId },
  );
  return result;
}

/** The subjects of everything that is in the mailbox, in whatever folder. */
async function contentOf({ address }: PushedMailbox): Promise<string[]> {
  return [...(await foldersOf(app.emulator.url, address)).values()].flat();
}

/** Waits until a draft lies in the mailbox. */
const draftLies = (mailbox: PushedMailbox) =>
  eventually('the draft lies there', async () =>
    (await contentOf(mailbox)).some((it) => /Deskgraph/.test(it)),
  );

const nothingIsLeft = (mailbox: PushedMailbox) =>
  eventually('the draft is gone', async () => !(await contentOf(mailbox)).some((it) => /Deskgraph/.test(it)));

/** A connected mailbox whose sync is on, while whatever is set of the emulator keeps push from being proven. */
async function unprovenMailbox(wanted?: string): Promise<PushedMailbox> {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox(wanted);
  await desk.enable(mailboxId);
  await statusBecomes(desk, mailboxId, 'Microsoft has it', (it) => it.pushSubscription?.state === 'ACTIVE');
  const [row] = await query<{ id: string }>(app, 'select id from mailbox where email_address = ?', [address]);
  const mailbox = { desk, mailboxId, address, uuid: row?.id ?? '' };
  // Its draft lies there before what Microsoft answered is written down, and then it looks once more what is to be done.
  await pushRests(app, mailbox);
  return mailbox;
}

/** Makes the probe that is waited for look as if it had begun so long ago that its time is over. */
async function letProbeExpire(mailbox: PushedMailbox): Promise<void> {
  await pushRests(app, mailbox);
  await query(
    app,
    `update push_subscription set probe_started_at = probe_started_at - interval '5 minutes',
       probe_removal_at = probe_removal_at - interval '5 minutes' where mailbox_id = ? and replaced_at is null`,
    [mailbox.uuid],
  );
}

/** Makes the pause before the next probe look as if it were over. */
const letNextProbeBeDue = ({ uuid }: PushedMailbox) =>
  query(app, 'update push_subscription set next_probe_at = now() where mailbox_id = ?', [uuid]);

/** Rows that mail leaves behind, and events that people see. */
async function tracesOf({ desk }: PushedMailbox): Promise<unknown> {
  const count = async (sql: string) =>
    (
      await query<{ count: number }>(app, `select count(*)::int as count from ${sql}`, [desk.organizationId])
    )[0]?.count;
  return {
    ledger: await count('inbound_message where organization_id = ?'),
    tickets: await count('ticket where organization_id = ?'),
    seen: await count('sync_run where organization_id = ? and seen > 0'),
    events: await count("event where organization_id = ? and type ~ '^(ticket|message)'"),
  };
}
const NO_TRACES = { ledger: 0, tickets: 0, seen: 0, events: 0 };

test('enabling proves push by a probe, and nothing of it is left anywhere', async () => {
  const mailbox = await pushedMailbox(app);
  const probe = await probeBecomes(mailbox, 'ANSWERED');
  expect(probe.roundTripMilliseconds).toBeGreaterThanOrEqual(0);
  expect(Date.parse(probe.deadline ?? '') - Date.parse(probe.startedAt ?? '')).toBe(240_000);
  await nothingIsLeft(mailbox);
  expect(await contentOf(mailbox)).toEqual([]);
  expect(await tracesOf(mailbox)).toEqual(NO_TRACES);
  const [row] = await query(app, 'select * from push_subscription where mailbox_id = ?', [mailbox.uuid]);
  expect(row).toMatchObject({ probe_removal_at: null, unanswered_probes: 0 });
});

test('a new subscription is no proof: until its first notification mail counts as polled, and a sync that meets the draft passes it over', async () => {
  await setPush(app, { paused: true });
  const mailbox = await unprovenMailbox();
  const { desk, mailboxId, uuid } = mailbox;
  const status = await statusBecomes(desk, mailboxId, 'a probe waits', ({ deliveryReason }) =>
    /awaited/.test(deliveryReason),
  );
  expect(status).toMatchObject({ delivery: 'POLLING', pushSubscription: { state: 'ACTIVE' } });
  await draftLies(mailbox);
  expect(await probeOf(mailbox)).toMatchObject({ state: 'WAITING', answeredAt: null });
  expect(await desk.sync(mailboxId)).toMatchObject({ seen: 0, ignored: 0, created: 0 });
  await poll(app, mailbox);
  expect(await tracesOf(mailbox)).toEqual(NO_TRACES);
  await watch(app);
  expect((await rowsOf(app, uuid))[0]?.missed_count).toBe(0);
  await setPush(app, { paused: false });
  await statusBecomes(desk, mailboxId, 'push is proven', ({ delivery }) => delivery === 'PUSH');
  await nothingIsLeft(mailbox);
  expect(await tracesOf(mailbox)).toEqual(NO_TRACES);
});

test('every notification is lost: the status says so, the subscription is made anew, mail comes by the poll, and push heals by itself', async () => {
  await setPush(app, { lossProbability: 1 });
  const mailbox = await unprovenMailbox();
  const { desk, mailboxId, address, uuid } = mailbox;
  await draftLies(mailbox);
  const [first] = await rowsOf(app, uuid);
  await letProbeExpire(mailbox);
  const silent = await statusBecomes(desk, mailboxId, 'the silence is told', ({ deliveryReason }) =>
    /not announced within 4 minutes/.test(deliveryReason),
  );
  expect(silent).toMatchObject({ delivery: 'POLLING', deliveryRemedy: expect.stringMatching(/reachable/) });
  expect(await probeOf(mailbox)).toMatchObject({ state: 'UNANSWERED' });

  await watch(app);
  await eventually('another one stands', async () => {
    const [current] = await rowsOf(app, uuid);
    return current?.state === 'ACTIVE' && current.id !== first?.id;
  });
  expect(await subscriptionsAtMicrosoft(app)).not.toContain(first?.graph_subscription_id);
  const anew = await statusBecomes(desk, mailboxId, 'it is not forgotten', ({ deliveryReason }) =>
    /none of its probes \(1 so far\)/.test(deliveryReason),
  );
  expect(anew.delivery).toBe('POLLING');
  await deliver(app.emulator.url, { to: address, subject: 'Polled' });
  await poll(app, mailbox);
  expect(await subjectsOf(desk)).toEqual(['Polled']);

  // The next probe comes by itself, on the subscription that is there: made anew once, it is not made anew at once again.
  await probeBecomes(mailbox, 'WAITING');
  await letProbeExpire(mailbox);
  await manage(app, mailbox);
  const [second] = await rowsOf(app, uuid);
  expect((await rowsOf(app, uuid)).length).toBe(2);
  await setPush(app, { lossProbability: 0 });
  await letNextProbeBeDue(mailbox);
  await watch(app);
  await statusBecomes(desk, mailboxId, 'push is back', ({ delivery }) => delivery === 'PUSH');
  expect((await rowsOf(app, uuid))[0]?.id).toBe(second?.id);
  await nothingIsLeft(mailbox);
});

test('a mailbox without mail is probed again after a day without a notification', async () => {
  const mailbox = await pushedMailbox(app);
  const first = await probeBecomes(mailbox, 'ANSWERED');
  await nothingIsLeft(mailbox);
  await watch(app);
  expect(await probeOf(mailbox)).toEqual(first);
  const [row] = await query<{ next_probe_at: string; last_notification_at: string }>(
    app,
    'select next_probe_at, last_notification_at from push_subscription where mailbox_id = ?',
    [mailbox.uuid],
  );
  expect(Date.parse(row?.next_probe_at ?? '') - Date.parse(row?.last_notification_at ?? '')).toBe(86_400_000);
  await letNextProbeBeDue(mailbox);
  await watch(app);
  await eventually('there is another answer', async () => {
    const probe = await probeOf(mailbox);
    return probe?.state === 'ANSWERED' && probe.startedAt !== first.startedAt;
  });
});

test.each([
  ['before Microsoft had answered', 'probe_message_id = null'],
  ['before its removal', 'probe_message_id = probe_message_id'],
])('a process that dies in the middle of a probe, %s, leaves no draft behind', async (_when, change) => {
  await setPush(app, { lossProbability: 1 });
  const mailbox = await unprovenMailbox();
  await draftLies(mailbox);
  await probeBecomes(mailbox, 'WAITING');
  await query(app, `update push_subscription set ${change} where mailbox_id = ?`, [mailbox.uuid]);
  // Somebody else's mail of the same folder is none of ours.
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Somebody else’s' });
  await setPush(app, { lossProbability: 0 });
  await letProbeExpire(mailbox);
  await watch(app);
  // The probe that brought nothing makes the subscription anew, and that another probe.
  await draftsAreGone(app, mailbox);
  expect(await contentOf(mailbox)).toEqual(['Somebody else’s']);
});

test('an answer that gets lost while the draft is made leaves no draft behind', async () => {
  await setPush(app, { lossProbability: 1 });
  await control(app.emulator.url, 'faults', {
    status: 504,
    afterwards: true,
    method: 'POST',
    mailbox: 'lost-answer@contoso.example',
    pathPattern: '/mailFolders/[^/]+/messages$',
    count: 1,
  });
  const mailbox = await unprovenMailbox('lost-answer@contoso.example');
  expect(await probeBecomes(mailbox, 'FAILED')).toMatchObject({ problem: { code: 'GRAPH_UNAVAILABLE' } });
  await draftLies(mailbox);
  // It is not forgotten: a minute later, here now, it is looked for.
  await query(
    app,
    'update push_subscription set probe_removal_at = now() where mailbox_id = ? and probe_removal_at is not null',
    [mailbox.uuid],
  );
  await watch(app);
  await nothingIsLeft(mailbox);
});

test('switched off in the middle of a probe, its draft goes as well', async () => {
  await setPush(app, { lossProbability: 1 });
  const mailbox = await unprovenMailbox();
  await draftLies(mailbox);
  await mailbox.desk.request(
    `mutation ($id: ID!) { updateIncomingSettings(input: { mailboxId: $id, enabled: false }) { __typename } }`,
    { id: mailbox.mailboxId },
  );
  await nothingIsLeft(mailbox);
});

test('where Microsoft has no permanentDelete, the draft is not left in Deleted Items', async () => {
  await control(app.emulator.url, 'faults', { status: 404, pathPattern: '/permanentDelete$' });
  const mailbox = await pushedMailbox(app);
  await eventually('it is out of people’s sight', async () => {
    const folders = await foldersOf(app.emulator.url, mailbox.address);
    const shown = [...folders].filter(([name]) => name !== 'Deletions' && !/Recoverable/.test(name));
    return shown.every(([, subjects]) => subjects.length === 0);
  });
});

test('a draft that Microsoft does not let us remove is left alone for a while, however much mail is announced meanwhile', async () => {
  const address = 'kept-draft@contoso.example';
  for (const method of ['POST', 'DELETE']) {
    const pathPattern = method === 'POST' ? '/permanentDelete$' : '/messages/[^/]+$';
    await control(app.emulator.url, 'faults', { status: 403, mailbox: address, method, pathPattern });
  }
  const mailbox = await unprovenMailbox(address);
  const { desk, uuid } = mailbox;
  const removals = async () => {
    const path = `requests?mailbox=${encodeURIComponent(address)}`;
    const { operations } = await control<{ operations: Record<string, number> }>(app.emulator.url, path);
    return Object.entries(operations).filter(([name]) => /permanentDelete/.test(name));
  };
  await eventually('the removal was refused', async () => {
    const [row] = await query<{ is_put_off: boolean }>(
      app,
      `select coalesce(probe_answered_at is not null and probe_removal_at > now() + interval '50 minutes', false)
         as is_put_off from push_subscription where mailbox_id = ?`,
      [uuid],
    );
    return row?.is_put_off;
  });
  await manage(app, mailbox);
  const before = await removals();
  expect(before).toHaveLength(1);
  for (const subject of ['First', 'Second']) {
    await deliver(app.emulator.url, { to: address, subject });
    await eventually('it is a ticket', async () => (await subjectsOf(desk)).includes(subject));
    await manage(app, mailbox);
  }
  expect(await removals()).toEqual(before);
});

test('what is removed for good is the draft that we made and nothing else, whatever its id has become', async () => {
  await setPush(app, { lossProbability: 1 });
  const mailbox = await unprovenMailbox();
  const { address, uuid } = mailbox;
  await probeBecomes(mailbox, 'WAITING');
  const { immutableId } = await deliver(app.emulator.url, { to: address, subject: 'A mail of somebody’s' });
  // As when a person writes into our draft and sends it: the mail in Sent Items has its id.
  await query(app, 'update push_subscription set probe_message_id = ? where mailbox_id = ?', [
    immutableId,
    uuid,
  ]);
  await letProbeExpire(mailbox);
  await watch(app);
  await eventually('nothing is left to be removed', async () => {
    const sql =
      'select 1 from push_subscription where mailbox_id = ? and probe_message_id = ? and probe_removal_at is null';
    return (await query(app, sql, [uuid, immutableId])).length === 1;
  });
  expect(await contentOf(mailbox)).toContain('A mail of somebody’s');
});

test('an account that may not make drafts: the status says so, and real mail proves push', async () => {
  await control(app.emulator.url, 'faults', {
    status: 403,
    mailbox: 'no-drafts@contoso.example',
    pathPattern: '/mailFolders/[^/]+/messages$',
    method: 'POST',
  });
  const mailbox = await unprovenMailbox('no-drafts@contoso.example');
  const { desk, mailboxId, address } = mailbox;
  const probe = await probeBecomes(mailbox, 'FAILED');
  expect(probe.problem).toMatchObject({ code: 'MAILBOX_ACCESS_DENIED' });
  const refused = await statusBecomes(desk, mailboxId, 'it says so', ({ deliveryReason }) =>
    /no probe could be made/.test(deliveryReason),
  );
  expect(refused).toMatchObject({
    delivery: 'POLLING',
    deliveryRemedy: expect.stringMatching(/permission/),
    pushSubscription: { state: 'ACTIVE', problem: null },
  });
  await deliver(app.emulator.url, { to: address, subject: 'Real' });
  await statusBecomes(desk, mailboxId, 'real mail proves it', ({ delivery }) => delivery === 'PUSH');
  await eventually('it is a ticket', async () => (await subjectsOf(desk)).includes('Real'));
});

test('a throttled probe waits as long as Microsoft says, and is no fault of the mailbox', async () => {
  await control(app.emulator.url, 'faults', {
    status: 429,
    retryAfterSeconds: 900,
    mailbox: 'throttled-probe@contoso.example',
    pathPattern: '/mailFolders/[^/]+/messages$',
    method: 'POST',
    count: 1,
  });
  const mailbox = await unprovenMailbox('throttled-probe@contoso.example');
  expect(await probeBecomes(mailbox, 'FAILED')).toMatchObject({ problem: { code: 'THROTTLED' } });
  const [row] = await query<{ wait: number; state: string; unanswered_probes: number; failures: number }>(
    app,
    `select extract(epoch from next_probe_at - probe_started_at)::int as wait, state, unanswered_probes, failures
       from push_subscription where mailbox_id = ?`,
    [mailbox.uuid],
  );
  expect(row).toMatchObject({ state: 'ACTIVE', unanswered_probes: 0, failures: 0 });
  expect(row?.wait).toBeGreaterThanOrEqual(900);
});

test('what is due before the next minute is not left to the minute', async () => {
  await setPush(app, { lossProbability: 1 });
  const mailbox = await unprovenMailbox();
  await probeBecomes(mailbox, 'WAITING');
  const wokenAt = async () => {
    const [job] = await query<{ run_at: string }>(
      app,
      'select run_at from graphile_worker._private_jobs where key = ?',
      [`sync.wake-push:${mailbox.uuid}`],
    );
    return job && Date.parse(job.run_at);
  };
  await eventually('somebody is woken', wokenAt);
  // Each look sets the time anew: the wait by the process's clock, counted from then by the database's. What lies between
  // the two is no more than the look takes.
  const begunAt = Date.now();
  await manage(app, mailbox);
  const took = Date.now() - begunAt;
  const { deadline } = await probeBecomes(mailbox, 'WAITING');
  const late = ((await wokenAt()) ?? 0) - Date.parse(deadline ?? '');
  expect(late).toBeGreaterThanOrEqual(0);
  expect(late).toBeLessThanOrEqual(took);
});

test('probePush makes a notification happen', async () => {
  const mailbox = await pushedMailbox(app);
  const first = await probeBecomes(mailbox, 'ANSWERED');
  await nothingIsLeft(mailbox);
  await query(
    app,
    `update push_subscription set probe_started_at = probe_started_at - interval '2 minutes' where mailbox_id = ?`,
    [mailbox.uuid],
  );
  expect(await probePush(mailbox.desk, mailbox.mailboxId)).toMatchObject({
    pushProbe: { state: 'QUEUED', startedAt: null, answeredAt: null },
  });
  await eventually('it is answered', async () => {
    const probe = await probeOf(mailbox);
    return (
      probe?.state === 'ANSWERED' && Date.parse(probe.startedAt ?? '') > Date.parse(first.startedAt ?? '')
    );
  });
  await nothingIsLeft(mailbox);
});

test('probePush is idempotent while a probe is under way, and asks for a minute between two', async () => {
  await setPush(app, { paused: true });
  const mailbox = await unprovenMailbox();
  await draftLies(mailbox);
  const waiting = await probeBecomes(mailbox, 'WAITING');
  expect(await probePush(mailbox.desk, mailbox.mailboxId)).toEqual({ pushProbe: waiting });
  expect(await probePush(mailbox.desk, mailbox.mailboxId)).toEqual({ pushProbe: waiting });
  await manage(app, mailbox);
  expect((await contentOf(mailbox)).length).toBe(1);
  await setPush(app, { paused: false });
  await probeBecomes(mailbox, 'ANSWERED');
  expect(await probePush(mailbox.desk, mailbox.mailboxId)).toMatchObject({
    code: 'PUSH_PROBE_TOO_SOON',
    remedy: expect.stringMatching(/in \d+ s/),
  });
});

test('probePush refuses what cannot be probed, each with its code', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox();
  expect(await probePush(desk, mailboxId)).toMatchObject({ code: 'INCOMING_DISABLED' });
  await setPush(app, { handshake: 'timeout' });
  await desk.enable(mailboxId);
  await statusBecomes(desk, mailboxId, 'it is refused', (it) => it.pushSubscription?.state === 'FAILED');
  await setPush(app, { handshake: 'normal' });
  expect(await probePush(desk, mailboxId)).toMatchObject({
    code: 'PUSH_NOT_ACTIVE',
    remedy: expect.stringMatching(/reachable/),
  });
  const polled = await startTestApp();
  try {
    const other = await polled.newDesk();
    const connected = await other.connectMailbox();
    expect(await probePush(other, connected.mailboxId)).toMatchObject({
      code: 'PUSH_IMPOSSIBLE',
      remedy: expect.stringMatching(/Set PUBLIC_URL/),
    });
  } finally {
    await polled[Symbol.asyncDispose]();
  }
});

test('probePush is forbidden without the permission, and knows no mailbox of another organization', async () => {
  const mailbox = await pushedMailbox(app);
  const { desk, mailboxId } = mailbox;
  const { createUser } = await desk.request<{ createUser: { user: { id: string } } }>(
    `mutation { createUser(input: { name: "Agent", role: AGENT }) { ... on CreateUserPayload { user { id } } } }`,
  );
  const { createApiKey } = await desk.request<{ createApiKey: { secret: string } }>(
    `mutation ($id: ID!) { createApiKey(input: { userId: $id, name: "key" }) { ... on CreateApiKeyPayload { secret } } }`,
    { id: createUser.user.id },
  );
  const agent: Desk = {
    ...desk,
    request: (text, variables) => graphqlRequest(app.url, createApiKey.secret, text, variables),
  };
  await expect(probePush(agent, mailboxId)).rejects.toThrow(/permission/i);
  const stranger = await app.newDesk();
  const before = await probeOf(mailbox);
  expect(await probePush(stranger, mailboxId)).toMatchObject({ code: 'NOT_FOUND' });
  expect(await probeOf(mailbox)).toEqual(before);
});

import type { Subscription } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { deviations, readCsdl } from './csdl.ts';
import { type Body, folderId, type MailServer, startMailServer } from './mail-harness.ts';
import {
  advance,
  type PushReport,
  push,
  type Receiver,
  startReceiver,
  subscribe,
  type Wanted,
  wanted,
} from './push-harness.ts';

const SUPPORT = 'support@contoso.example'; // shared; Sam has full access
let server: MailServer;
let receiver: Receiver;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  receiver = await startReceiver();
  await push(server, {
    maxExpirationMinutes: 10_080,
    handshake: 'normal',
    sharedMailboxSubscriptions: 'refuse',
  });
  return () => receiver[Symbol.asyncDispose]();
});

/** Status, code and message of a create request. */
async function refusal(address: string, more: Wanted | Record<string, unknown>, token?: string) {
  const body = { ...wanted(receiver, address), ...more };
  const answer = await server.graph('POST', '/subscriptions', {
    body,
    ...(token === undefined ? {} : { token }),
  });
  return [answer.status, answer.body.error?.code, answer.body.error?.message];
}

const minutesLeft = (subscription: Subscription): number =>
  Math.round((Date.parse(subscription.expirationDateTime ?? '') - Date.now()) / 60_000);

test('both URLs are validated during the create, with the token decoded and their own query kept', async () => {
  const address = await server.mailbox();
  const created = await subscribe(server, receiver, address, {
    notificationUrl: `${receiver.url}/notify?key=a%20b`,
  });
  const [first, second, ...rest] = receiver.handshakes;
  expect(rest).toEqual([]);
  expect(first?.path).toMatch(/^\/notify\?key=a%20b&validationToken=Validation%3A\+Testing\+client/);
  expect(second?.path).toMatch(/^\/lifecycle\?validationToken=/);
  expect(first?.contentType).toBe('text/plain; charset=utf-8');
  expect(first?.token).toMatch(/^Validation: Testing client application reachability/);
  expect(first?.token).not.toBe(second?.token);
  expect(deviations(readCsdl(), 'graph.subscription', created)).toEqual([]);
  expect(created).toMatchObject({ applicationId: 'tests', changeType: 'created', clientState: 'secret' });
});

test('an endpoint that does not answer with 200, text/plain and the token alone is refused as Microsoft does', async () => {
  const address = await server.mailbox();
  const failed = "Subscription validation request failed. HTTP status code is 'NotFound'.";
  receiver.behave = (_, response) => {
    response.writeHead(404).end();
    return true;
  };
  expect(await refusal(address, {})).toEqual([400, 'ValidationError', expect.stringContaining(failed)]);
  const mustMatch = expect.stringContaining('Response must exactly match');
  receiver.behave = (_, response, token) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(token);
    return true;
  };
  expect(await refusal(address, {})).toEqual([400, 'ValidationError', mustMatch]);
  receiver.behave = (_, response, token) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).end(`"${token}"`);
    return true;
  };
  expect(await refusal(address, {})).toEqual([400, 'ValidationError', mustMatch]);
  receiver.behave = (request, response) => {
    if (request.url?.startsWith('/lifecycle') !== true) return false;
    response.writeHead(302, { location: `${receiver.url}/notify` }).end();
    return true;
  };
  expect(await refusal(address, {})).toEqual([400, 'ValidationError', expect.stringContaining("'Found'")]);
  const nobody = { notificationUrl: 'http://127.0.0.1:1/' };
  expect((await refusal(address, nobody)).slice(0, 2)).toEqual([400, 'ValidationError']);
  expect((await server.control<PushReport>('GET', '/push')).body.subscriptions).not.toContainEqual(
    expect.objectContaining({ resource: wanted(receiver, address).resource }),
  );
});

test('an endpoint that does not answer in time is refused, and so is everything when the handshake is set to fail', async () => {
  const address = await server.mailbox();
  const timedOut = [400, 'InvalidRequest', 'Subscription validation request timed out.'];
  receiver.behave = () => true;
  await push(server, { handshakeTimeoutMs: 50 });
  expect(await refusal(address, {})).toEqual(timedOut);
  receiver.behave = null;
  await push(server, { handshakeTimeoutMs: 10_000, handshake: 'timeout' });
  expect(await refusal(address, {})).toEqual(timedOut);
  await push(server, { handshake: 'fail' });
  expect((await refusal(address, {})).slice(0, 2)).toEqual([400, 'ValidationError']);
});

test('a short life is raised to 45 minutes, one beyond the maximum is refused, and the maximum can be the older one', async () => {
  const [short, long] = [await server.mailbox(), await server.mailbox()];
  const inMinutes = (minutes: number) => ({
    expirationDateTime: new Date(Date.now() + minutes * 60_000).toISOString(),
  });
  expect(minutesLeft(await subscribe(server, receiver, short, inMinutes(5)))).toBe(45);
  expect(await refusal(long, inMinutes(10_081))).toEqual([
    400,
    'InvalidRequest',
    'Subscription expiration can only be 10080 minutes in the future.',
  ]);
  await push(server, { maxExpirationMinutes: 4_230 });
  expect((await refusal(long, inMinutes(10_000)))[0]).toBe(400);
  expect(minutesLeft(await subscribe(server, receiver, long, inMinutes(4_230)))).toBe(4_230);
});

test('requests that are wrong answer 400 and call nobody', async () => {
  const address = await server.mailbox();
  for (const wrong of [
    { changeType: 'created,vanished' },
    { changeType: '' },
    { notificationUrl: 'http://example.com/notify' },
    { notificationUrl: 'ftp://127.0.0.1/notify' },
    { notificationUrl: 'nonsense' },
    { lifecycleNotificationUrl: 'http://192.0.2.1/lifecycle' },
    { notificationUrl: 'http://me:secret@127.0.0.1/' },
    { clientState: 'x'.repeat(129) },
    { resource: 'users' },
    { resource: `users/${address}/events` },
    { resource: 'me/messages' },
    { expirationDateTime: 'tomorrow' },
    { expirationDateTime: undefined },
    { includeResourceData: true },
    { vapidPublicKey: 'x' },
  ]) {
    expect([JSON.stringify(wrong), (await refusal(address, wrong))[0]]).toEqual([JSON.stringify(wrong), 400]);
  }
  expect(receiver.handshakes).toEqual([]);
});

test('every spelling of a message resource is understood; the same changes of the same thing twice are 409', async () => {
  const address = await server.mailbox();
  const inbox = await folderId(server, address, 'inbox');
  const token = server.token(address, ['Mail.Read']);
  const first = await subscribe(server, receiver, address, { resource: `/users('${address}')/messages` });
  const again = await refusal(address, { resource: `users/${address}/messages` });
  expect(again).toEqual([
    409,
    'Conflict',
    `Subscription Id ${first.id} already exists for the requested combination`,
  ]);
  await subscribe(server, receiver, address, { changeType: 'created,updated' });
  const sameFolder = {
    changeType: 'updated, created',
    resource: `users/${address}/mailFolders/${inbox}/messages`,
  };
  expect((await refusal(address, sameFolder))[0]).toBe(409);
  // Another person's, though it is the same app: mine is mine.
  await subscribe(server, receiver, address, { resource: 'me/messages' }, { token });
  await subscribe(server, receiver, address, { resource: "me/mailFolders('inbox')/messages" }, { token });
  expect((await refusal(address, { resource: `users/${address}/messages` }, token))[0]).toBe(409);
});

test('a mailbox holds a thousand subscriptions over all apps, then 403 says so', async () => {
  const address = await server.mailbox();
  const one = await subscribe(server, receiver, address);
  const stored = server.emulator.state.subscriptions.get(one.id);
  if (stored === undefined) throw new Error('not stored');
  const copies = Array.from({ length: 999 }, (_, index) => ({
    ...stored,
    id: `copy-${index}`,
    applicationId: `app-${index}`,
  }));
  for (const copy of copies) server.emulator.state.subscriptions.set(copy.id, copy);
  expect(await refusal(address, { changeType: 'deleted' })).toEqual([
    403,
    'ExtensionError',
    expect.stringContaining('1000'),
  ]);
  for (const { id } of copies) server.emulator.state.subscriptions.delete(id);
});

test('a person subscribes to the own mailbox only, with a permission that is not a shared one', async () => {
  const own = { resource: 'me/messages' };
  const shared = { resource: `users/${SUPPORT}/messages` };
  const forbidden = [403, 'ExtensionError'];
  const codes = async (more: Wanted, scopes: string[]) =>
    (await refusal('', more, server.token('sam@contoso.example', scopes))).slice(0, 2);
  expect(await codes(own, ['Mail.Read.Shared'])).toEqual(forbidden);
  expect(await codes(shared, ['Mail.Read', 'Mail.ReadWrite.Shared'])).toEqual(forbidden);
  expect(await codes({ resource: 'users/mia@contoso.example/messages' }, ['Mail.Read'])).toEqual(forbidden);
  expect(await codes({ resource: "me/mailFolders('nowhere')/messages" }, ['Mail.Read'])).toEqual([
    404,
    'ExtensionError',
  ]);
  expect((await codes(own, ['Mail.ReadBasic']))[0]).toBe(201);
  expect((await refusal(SUPPORT, {}, server.token(null, ['User.Read.All']))).slice(0, 2)).toEqual(forbidden);
  expect((await refusal(SUPPORT, {}, server.token(null, ['Mail.ReadWrite'])))[0]).toBe(201);
});

test('a shared mailbox of a delegated app answers 201 and stays silent where that is set', async () => {
  const sam = await server.mailbox();
  const address = await server.mailbox({ kind: 'shared', fullAccess: [sam] });
  await push(server, { sharedMailboxSubscriptions: 'silent' });
  const delegated = server.token(sam, ['Mail.Read.Shared']);
  const silent = await subscribe(server, receiver, address, {}, { token: delegated });
  const stranger = server.token(await server.mailbox(), ['Mail.Read.Shared']);
  expect((await refusal(address, {}, stranger))[0]).toBe(403);
  const served = await subscribe(server, receiver, address);
  await server.post(address);
  const [notification, ...rest] = await receiver.notifications(1);
  expect([notification?.subscriptionId, rest]).toEqual([served.id, []]);
  const { subscriptions } = await push(server);
  expect(subscriptions.find(({ id }) => id === silent.id)?.counts).toMatchObject({ raised: 0 });
});

test('an app sees, renews and deletes its own subscriptions and no other; unknown ones are 404', async () => {
  await using own = await startMailServer();
  const address = await own.mailbox();
  const mine = await subscribe(own, receiver, address);
  const token = own.token(address, ['Mail.Read']);
  const delegated = await subscribe(own, receiver, address, { resource: 'me/messages' }, { token });
  const other = own.token(null, ['Mail.Read'], { app: 'other' });
  const idsOf = async (call: { token?: string }) =>
    ((await own.graph<Body>('GET', '/subscriptions', call)).body.value ?? []).map(({ id }) => id);
  expect(await idsOf({})).toEqual([mine.id]);
  expect(await idsOf({ token })).toEqual([delegated.id]);
  expect(await idsOf({ token: other })).toEqual([]);
  const path = `/subscriptions/${mine.id}`;
  const renewal = { expirationDateTime: new Date(Date.now() + 600 * 60_000).toISOString() };
  for (const [method, tail, body] of [
    ['GET', '', undefined],
    ['PATCH', '', renewal],
    ['DELETE', '', undefined],
    ['POST', '/reauthorize', undefined],
  ] as const) {
    const refused = await own.graph(method, path + tail, { token: other, body });
    expect([method, refused.status, refused.body.error?.code]).toEqual([method, 404, 'ResourceNotFound']);
  }
  const renewed = await own.graph<Subscription>('PATCH', path, { body: renewal });
  expect([renewed.status, minutesLeft(renewed.body)]).toEqual([200, 600]);
  expect((await own.graph('PATCH', path, { body: { clientState: 'x' } })).status).toBe(400);
  expect((await own.graph('PATCH', path, { body: {} })).status).toBe(400);
  expect((await own.graph('POST', `${path}/reauthorize`)).status).toBe(204);
  expect((await own.graph<Subscription>('GET', path)).body).toMatchObject({
    ...renewed.body,
    clientState: 'secret',
  });
  expect((await own.graph('DELETE', path)).status).toBe(204);
  expect((await own.graph('GET', path)).status).toBe(404);
  expect(await push(own)).toMatchObject({ totalSubscriptions: 1, reauthorizeConflicts: 1 });
});

test('the list comes in pages', async () => {
  await using own = await startMailServer();
  const first = await subscribe(own, receiver, await own.mailbox());
  const stored = own.emulator.state.subscriptions.get(first.id);
  if (stored === undefined) throw new Error('not stored');
  for (let copy = 0; copy < 150; copy += 1) {
    own.emulator.state.subscriptions.set(`copy-${copy}`, { ...stored, id: `copy-${copy}` });
  }
  const page = await own.graph<Body>('GET', '/subscriptions');
  expect(page.body.value).toHaveLength(100);
  const rest = await own.graph<Body>('GET', page.body['@odata.nextLink'] ?? '');
  expect(rest.body.value).toHaveLength(51);
  expect(rest.body['@odata.nextLink']).toBeUndefined();
});

test('a renewal may name another endpoint, which is validated first', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address);
  await using next = await startReceiver();
  next.behave = () => true;
  await push(server, { handshakeTimeoutMs: 50 });
  const body = { notificationUrl: `${next.url}/other` };
  expect((await server.graph('PATCH', `/subscriptions/${id}`, { body })).status).toBe(400);
  await push(server, { handshakeTimeoutMs: 10_000 });
  next.behave = null;
  expect((await server.graph('PATCH', `/subscriptions/${id}`, { body })).status).toBe(200);
  await server.post(address);
  expect(await next.notifications(1)).toHaveLength(1);
  expect(receiver.deliveries).toEqual([]);
});

test('a subscription ends at its time by the emulated clock, and its mailbox is silent from then on', async () => {
  await using own = await startMailServer();
  const [ending, lasting] = [await own.mailbox(), await own.mailbox()];
  const { id } = await subscribe(own, receiver, ending, { lifecycleNotificationUrl: null });
  await advance(own, 60);
  const other = await subscribe(own, receiver, lasting, {
    expirationDateTime: new Date(Date.now() + 600 * 60_000).toISOString(),
  });
  await advance(own, 31);
  const gone = await own.graph('PATCH', `/subscriptions/${id}`, {
    body: { expirationDateTime: new Date(Date.now() + 600 * 60_000).toISOString() },
  });
  expect(gone.status).toBe(404);
  await own.post(ending);
  await own.post(lasting);
  const received = await receiver.notifications(1);
  expect(received.map(({ subscriptionId }) => subscriptionId)).toEqual([other.id]);
});

test('of two equal requests at the same time one is refused', async () => {
  const address = await server.mailbox();
  const body = wanted(receiver, address);
  const answers = await Promise.all([1, 2].map(() => server.graph('POST', '/subscriptions', { body })));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
});

import { beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/wait.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';
import { advance, push, type Receiver, startReceiver, subscribe } from './push-harness.ts';

let server: MailServer;
let receiver: Receiver;
beforeEach(async () => {
  server = await startMailServer();
  receiver = await startReceiver();
  return async () => {
    await server[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  };
});

const lifecycle = () => receiver.deliveries.filter(({ path }) => path === '/lifecycle');
const tell = (subscriptionId: string, event: string) =>
  server.control<{ isTold?: boolean }>('POST', '/push/lifecycle', { subscriptionId, event });
const exists = async (id: string) =>
  (await push(server)).subscriptions.some((subscription) => subscription.id === id);

test('every event comes on demand, to the lifecycle URL, as Microsoft writes it; "subscriptionRemoved" removes', async () => {
  const address = await server.mailbox();
  const { id, expirationDateTime } = await subscribe(server, receiver, address);
  for (const event of ['missed', 'reauthorizationRequired', 'subscriptionRemoved']) {
    expect((await tell(id, event)).body).toMatchObject({ isTold: true });
  }
  const events = (await receiver.notifications(3)).map((notification) => notification.lifecycleEvent);
  expect(events).toEqual(['missed', 'reauthorizationRequired', 'subscriptionRemoved']);
  expect(lifecycle()[0]?.value[0]).toEqual({
    subscriptionId: id,
    subscriptionExpirationDateTime: expirationDateTime,
    clientState: 'secret',
    tenantId: server.emulator.state.tenants.keys().next().value,
    lifecycleEvent: 'missed',
  });
  expect((await server.graph('GET', `/subscriptions/${id}`)).status).toBe(404);
  expect((await tell(id, 'missed')).status).toBe(404);
  expect((await tell('nonsense', 'forgotten')).status).toBe(400);
});

test('a client that gave no lifecycle URL hears of nothing', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address, { lifecycleNotificationUrl: null });
  expect((await tell(id, 'missed')).body).toMatchObject({ isTold: false });
  expect((await push(server)).counts).toMatchObject({ lifecycleRaised: 0 });
});

test('before its end a subscription is reminded every fifteen minutes, until it is renewed', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address); // for 90 minutes
  await push(server, { reauthorizationLeadMinutes: 40 });
  await advance(server, 49);
  expect((await push(server)).counts).toMatchObject({ lifecycleRaised: 0 });
  await advance(server, 1.1);
  await receiver.notifications(1);
  await advance(server, 15);
  const [first, second] = await receiver.notifications(2);
  expect([first?.lifecycleEvent, second?.lifecycleEvent]).toEqual(Array(2).fill('reauthorizationRequired'));
  const body = { expirationDateTime: new Date(Date.now() + 1_000 * 60_000).toISOString() };
  expect((await server.graph('PATCH', `/subscriptions/${id}`, { body })).status).toBe(200);
  await advance(server, 16);
  expect((await push(server)).counts).toMatchObject({ lifecycleRaised: 2 });
});

test('with the authorization at its end notifications wait, and none is lost when it is given again', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address);
  await push(server, { authorizationMinutes: 60 });
  await advance(server, 46);
  expect((await receiver.notifications(1))[0]?.lifecycleEvent).toBe('reauthorizationRequired');
  // It is in the queue until its answer is back.
  await eventually('the answer', async () => (await push(server)).counts['lifecycleDelivered'] === 1);
  await advance(server, 14.1);
  await push(server, { batchMs: 0 });
  await server.post(address);
  expect(await push(server)).toMatchObject({
    traffic: { queued: 1 },
    subscriptions: [{ isAuthorized: false }],
  });
  expect((await server.graph('POST', `/subscriptions/${id}/reauthorize`)).status).toBe(204);
  const [, created] = await receiver.notifications(2);
  expect(created).toMatchObject({ subscriptionId: id, changeType: 'created' });
  expect(await push(server)).toMatchObject({ subscriptions: [{ isAuthorized: true }] });
});

test("revoking a user's tokens removes what was subscribed with them, and nothing of anybody else", async () => {
  const address = await server.mailbox();
  const token = server.token(address, ['Mail.Read']);
  const delegated = await subscribe(server, receiver, address, { resource: 'me/messages' }, { token });
  const application = await subscribe(server, receiver, address);
  await server.control('POST', '/tokens/revoke', { address });
  const [removed] = await receiver.notifications(1);
  expect(removed).toMatchObject({ subscriptionId: delegated.id, lifecycleEvent: 'subscriptionRemoved' });
  expect(await exists(delegated.id)).toBe(false);
  expect(await exists(application.id)).toBe(true);
});

test('taking consent back removes the delegated subscriptions it carried', async () => {
  const address = await server.mailbox();
  const token = server.token(address, ['Mail.Read']);
  const { id } = await subscribe(server, receiver, address, { resource: 'me/messages' }, { token });
  const application = await subscribe(server, receiver, address);
  await server.control('POST', '/consents/revoke', { clientId: 'other', tenant: 'contoso.example' });
  expect(await exists(id)).toBe(true);
  await server.control('POST', '/consents/revoke', { clientId: 'tests', address });
  const [removed] = await receiver.notifications(1);
  expect(removed).toMatchObject({ subscriptionId: id, lifecycleEvent: 'subscriptionRemoved' });
  await eventually('it is gone', async () => !(await exists(id)));
  expect(await exists(application.id)).toBe(true);
});

test('lifecycle events and changes of one client may come in one request', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address, {
    lifecycleNotificationUrl: `${receiver.url}/notify`,
  });
  await push(server, { paused: true, batchMs: 0 });
  await server.post(address);
  await tell(id, 'missed');
  await push(server, { paused: false });
  const [delivery] = await receiver.requests(1);
  expect(delivery?.value.map((item) => item.lifecycleEvent ?? item.changeType).sort()).toEqual([
    'created',
    'missed',
  ]);
});

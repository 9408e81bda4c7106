import { beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/wait.ts';
import { deviations, readCsdl } from './csdl.ts';
import { folderId, IMMUTABLE, type MailServer, startMailServer } from './mail-harness.ts';
import { push, type Receiver, startReceiver, subscribe } from './push-harness.ts';

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

test('a new mail is announced with exactly what Microsoft sends, and the id opens the message', async () => {
  const address = await server.mailbox();
  const subscription = await subscribe(server, receiver, address, {}, { headers: IMMUTABLE });
  const { immutableId } = await server.post(address, { subject: 'Announced' });
  const [delivery] = await receiver.requests(1);
  expect(delivery?.contentType).toBe('application/json; charset=utf-8');
  const [notification] = delivery?.value ?? [];
  const { mailboxUserId, tenantId } = server.emulator.state.subscriptions.get(subscription.id) ?? {};
  const resource = `Users/${mailboxUserId}/Messages/${immutableId}`;
  expect(notification).toEqual({
    subscriptionId: subscription.id,
    subscriptionExpirationDateTime: subscription.expirationDateTime,
    clientState: 'secret',
    changeType: 'created',
    resource,
    tenantId,
    resourceData: {
      '@odata.type': '#Microsoft.Graph.Message',
      '@odata.id': resource,
      '@odata.etag': expect.stringMatching(/^W\/".+"$/),
      id: immutableId,
    },
  });
  const { resourceData, ...rest } = notification ?? {};
  expect(deviations(readCsdl(), 'graph.changeNotification', rest)).toEqual([]);
  const message = await server.graph('GET', `/users/${address}/messages/${resourceData?.['id']}`);
  expect(message.body).toMatchObject({ subject: 'Announced' });
});

test('without the preference at creation notifications carry default ids', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  const { id } = await server.post(address);
  const [notification] = await receiver.notifications(1);
  expect(notification?.resourceData?.['id']).toBe(id);
});

test('a folder announces what is created, changed, moved in, moved out and deleted, and nothing of other folders', async () => {
  const address = await server.mailbox();
  const archive = await folderId(server, address, 'archive');
  await subscribe(
    server,
    receiver,
    address,
    { changeType: 'created,updated,deleted' },
    { headers: IMMUTABLE },
  );
  const path = async (call: Promise<{ body: { id?: string } }>) =>
    `/users/${address}/messages/${(await call).body.id}`;
  const { immutableId } = await server.post(address);
  const message = `/users/${address}/messages/${immutableId}`;
  const move = (destinationId: string) =>
    server.graph('POST', `${message}/move`, { body: { destinationId }, headers: IMMUTABLE });
  await server.graph('PATCH', message, { body: { isRead: true } });
  await path(move(archive));
  await server.graph('PATCH', message, { body: { isRead: false } });
  await move('inbox');
  await server.graph('DELETE', message);
  const received = await receiver.notifications(5);
  expect(received.map(({ changeType }) => changeType)).toEqual([
    'created',
    'updated',
    'deleted',
    'created',
    'deleted',
  ]);
  expect(new Set(received.map(({ resourceData }) => resourceData?.['id']))).toEqual(new Set([immutableId]));
});

test('a subscription to the whole mailbox hears of every folder; one to created hears of nothing else', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address, { resource: `users/${address}/messages` });
  const { immutableId } = await server.post(address, { folder: 'junkemail' });
  await server.graph('PATCH', `/users/${address}/messages/${immutableId}`, { body: { isRead: true } });
  await server.post(address);
  expect((await receiver.notifications(2)).map(({ changeType }) => changeType)).toEqual([
    'created',
    'created',
  ]);
});

test('notifications for one URL are collected into one request, over subscriptions', async () => {
  const [one, two] = [await server.mailbox(), await server.mailbox()];
  await subscribe(server, receiver, one);
  await subscribe(server, receiver, two);
  await push(server, { batchMs: 60_000 });
  await server.control('POST', '/mail', [
    { to: one, from: 'carol@fabrikam.example' },
    { to: two, from: 'carol@fabrikam.example' },
  ]);
  await server.control('POST', '/clock', { advanceSeconds: 60 });
  const [delivery] = await receiver.requests(1);
  expect(new Set(delivery?.value.map(({ subscriptionId }) => subscriptionId)).size).toBe(2);
});

test('nothing is delivered while it is paused or delayed by the clock, and everything afterwards', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  await push(server, { paused: true, batchMs: 0 });
  await server.post(address);
  expect((await push(server, {})).traffic).toMatchObject({ queued: 1, requests: 0 });
  await push(server, { paused: false });
  await receiver.notifications(1);
  await push(server, { delayMs: 3_600_000 });
  await server.post(address);
  expect((await push(server)).traffic).toMatchObject({ requests: 1 });
  await server.control('POST', '/clock', { advanceSeconds: 3_601 });
  await receiver.notifications(2);
});

test('on demand notifications are lost, doubled and reordered, and every one is accounted for', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address, {}, { headers: IMMUTABLE });
  await push(server, { lossProbability: 1 });
  await server.post(address);
  await push(server, { lossProbability: 0, duplicateProbability: 1 });
  const doubled = await server.post(address);
  const twice = await receiver.notifications(2);
  expect(twice.map(({ resourceData }) => resourceData?.['id'])).toEqual([
    doubled.immutableId,
    doubled.immutableId,
  ]);
  // They are in the queue until their answer is back, and would be counted with the two that come next.
  const delivered = async () => (await push(server)).counts['delivered'];
  await eventually('the answer to both', async () => (await delivered()) === 2);
  await push(server, { duplicateProbability: 0, reorder: true, paused: true, batchMs: 0 });
  const [first, second] = [await server.post(address), await server.post(address)];
  await push(server, { batchMs: 1_000, paused: false });
  const all = await receiver.notifications(4);
  expect(all.slice(2).map(({ resourceData }) => resourceData?.['id'])).toEqual([
    second.immutableId,
    first.immutableId,
  ]);
  await eventually('the answer to all', async () => (await delivered()) === 4);
  const report = await push(server);
  expect(report.counts).toMatchObject({
    raised: 4,
    lost: 1,
    duplicated: 1,
    delivered: 4,
    failed: 0,
    dropped: 0,
  });
  expect(report.traffic).toMatchObject({ queued: 0, peakQueued: 2 });
  expect(report.subscriptions[0]?.counts).toEqual(report.counts);
});

test('a probe delivers one notification at once and tells what the endpoint answered', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address, {}, { headers: IMMUTABLE });
  await push(server, { lossProbability: 1 });
  const { immutableId } = await server.post(address);
  const probe = (more: object = {}) => server.control('POST', '/push/probe', { subscriptionId: id, ...more });
  expect((await probe()).body).toMatchObject({ outcome: 'answered', status: 202 });
  await probe({ messageId: 'AAkALgGhost', changeType: 'updated' });
  const received = await receiver.notifications(2);
  expect(received.map(({ changeType, resourceData }) => [changeType, resourceData?.['id']])).toEqual([
    ['created', immutableId],
    ['updated', 'AAkALgGhost'],
  ]);
  expect((await server.control('POST', '/push/probe', { subscriptionId: 'none' })).status).toBe(404);
});

test('a subscription deleted behind the back of its client is gone without a word', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address);
  expect((await server.control('DELETE', `/push/subscriptions/${id}`)).status).toBe(204);
  expect((await server.control('DELETE', `/push/subscriptions/${id}`)).status).toBe(404);
  expect((await server.graph('GET', `/subscriptions/${id}`)).status).toBe(404);
  expect((await push(server)).counts).toMatchObject({ lifecycleRaised: 0 });
});

test('a reset forgets subscriptions, settings and what is on its way', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  await push(server, { paused: true, batchMs: 0, lossProbability: 0.5 });
  await server.post(address);
  await server.control('POST', '/reset');
  expect(await push(server)).toMatchObject({
    settings: { paused: false, batchMs: 20, lossProbability: 0 },
    counts: { raised: 0 },
    traffic: { queued: 0 },
    totalSubscriptions: 0,
  });
});

test('settings that are none are refused', async () => {
  for (const wrong of [{ lossProbability: 2 }, { colour: 1 }, { batchMs: -1 }, { handshake: 'maybe' }]) {
    expect((await server.control('POST', '/push', wrong)).status).toBe(400);
  }
});

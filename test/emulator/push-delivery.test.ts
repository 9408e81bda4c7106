import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../support/wait.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';
import { advance, type Behaviour, push, type Receiver, startReceiver, subscribe } from './push-harness.ts';

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

const silence: Behaviour = () => true;
const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (_, response) => {
    response.writeHead(code, headers).end();
    return true;
  };

/** Waits until so many requests have ended in failure, and their retries are planned. */
async function failures(count: number): Promise<Record<string, number>> {
  return eventually(`${count} failed requests`, async () => {
    const { traffic } = await push(server);
    return (traffic['failedRequests'] ?? 0) >= count && traffic['underWay'] === 0 ? traffic : undefined;
  });
}

test('what an endpoint does not take is tried again with growing waits until it does', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  receiver.behave = status(503);
  await server.post(address);
  await failures(1);
  await advance(server, 15 / 60);
  await failures(2);
  await advance(server, 15 / 60); // half of the second wait
  expect((await push(server)).traffic).toMatchObject({ requests: 2, queued: 1 });
  receiver.behave = null;
  await advance(server, 15 / 60);
  const [first, second, third] = await receiver.requests(3);
  expect(second?.value).toEqual(first?.value);
  expect(third?.value).toEqual(first?.value);
  await eventually('the delivery', async () => (await push(server)).counts['delivered'] === 1);
});

test('a notification is given up after four hours', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address, {
    expirationDateTime: new Date(Date.now() + 600 * 60_000).toISOString(),
  });
  receiver.behave = status(500);
  await server.post(address);
  let hours = 0;
  for (let attempt = 1; (await push(server)).counts['failed'] === 0; attempt += 1) {
    const { queued } = await failures(attempt);
    if (queued === 0) break;
    await advance(server, 30);
    hours += 0.5;
  }
  expect(hours).toBeGreaterThan(3);
  expect(hours).toBeLessThanOrEqual(4);
  const report = await push(server);
  expect(report.counts).toMatchObject({ raised: 1, delivered: 0, failed: 1 });
  expect(report.subscriptions.map((subscription) => subscription.id)).toEqual([id]);
});

test('any 2xx counts as delivered; a redirect is a failure and is never followed', async () => {
  const address = await server.mailbox();
  await using elsewhere = await startReceiver();
  await subscribe(server, receiver, address);
  await push(server, { retryScale: 0 });
  const answers = [status(307, { location: `${elsewhere.url}/stolen` }), status(301), status(204)];
  receiver.behave = (...request) => answers.shift()?.(...request) ?? false;
  await server.post(address);
  await eventually('the delivery', async () => (await push(server)).counts['delivered'] === 1);
  expect(receiver.deliveries).toHaveLength(3);
  expect(elsewhere.deliveries).toEqual([]);
});

test('an answer that takes too long counts as none, and the notification comes again', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  await push(server, { latencySlowMs: 100, retryScale: 0 });
  receiver.behave = () => receiver.deliveries.length === 1;
  await server.post(address);
  const [first, second] = await receiver.requests(2);
  expect(second?.value).toEqual(first?.value);
});

test('an endpoint that is slow gets new notifications ten minutes late', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  await push(server, { latencySlowMs: 20, batchMs: 0 });
  receiver.behave = silence;
  for (let count = 1; count <= 10; count += 1) {
    await server.post(address);
    await failures(count);
  }
  receiver.behave = null;
  await push(server, { latencySlowMs: 3_000 });
  const { id } = await server.post(address);
  expect(await push(server)).toMatchObject({
    endpoints: [{ state: 'slow' }],
    traffic: { requests: 10, queued: 11, slowRequests: 10 },
  });
  // Of the ten requests that were cut off, some never came: twenty milliseconds may be over before one is connected.
  receiver.deliveries.length = 0;
  await advance(server, 10.1);
  const late = await receiver.notifications(11);
  expect(late).toHaveLength(11);
  expect(late.filter(({ resourceData }) => resourceData?.['id'] === id)).toHaveLength(1);
  await eventually('all deliveries', async () => (await push(server)).counts['delivered'] === 11);
});

test('an endpoint that is far too slow loses ten minutes of notifications, and is told with "missed"', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address);
  await push(server, { latencySlowMs: 10, retryScale: 0 });
  receiver.behave = silence;
  await server.post(address);
  const stateIs = (wanted: string) => async () =>
    (await push(server)).endpoints.some(({ state }) => state === wanted);
  await eventually('the endpoint is given up', stateIs('dropping'));
  await server.post(address);
  receiver.behave = null;
  await push(server, { latencySlowMs: 3_000 });
  await eventually('the first mail', async () => (await push(server)).counts['delivered'] === 1);
  expect((await push(server)).counts).toMatchObject({ raised: 2, dropped: 1, lifecycleRaised: 0 });
  await advance(server, 10.1);
  const lifecycle = await eventually('the missed event', () =>
    receiver.deliveries.find(({ path }) => path === '/lifecycle'),
  );
  expect(lifecycle.value).toMatchObject([{ subscriptionId: id, lifecycleEvent: 'missed' }]);
  expect((await push(server)).counts).toMatchObject({ delivered: 1, dropped: 1 });
});

test('an endpoint that is down is not a slow one', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  await push(server, { retryScale: 0 });
  const { host } = new URL(receiver.url);
  await receiver[Symbol.asyncDispose]();
  await server.post(address);
  await eventually('many refusals', async () => ((await push(server)).traffic['failedRequests'] ?? 0) >= 20);
  expect((await push(server)).endpoints).toEqual([{ host, state: 'healthy' }]);
  receiver = await startReceiver();
});

test('an endpoint that answers without end is cut off', async () => {
  const address = await server.mailbox();
  await subscribe(server, receiver, address);
  let closed: Promise<unknown> = Promise.resolve();
  receiver.behave = (request, response) => {
    closed = once(response, 'close');
    response.writeHead(202);
    const more = (): void => {
      while (!request.socket.destroyed && response.write('x'.repeat(64 * 1024)));
    };
    response.on('drain', more);
    more();
    return true;
  };
  await server.post(address);
  await eventually('the delivery', async () => (await push(server)).counts['delivered'] === 1);
  await closed;
});

test('closing the emulator cuts off what is under way and leaves no timer', async () => {
  const own = await startMailServer();
  const address = await own.mailbox();
  await subscribe(own, receiver, address);
  await push(own, { latencySlowMs: 600_000 }); // no timeout of its own cuts the request
  const cut = Promise.withResolvers<void>();
  receiver.behave = (_, response) => {
    response.on('close', cut.resolve);
    return true;
  };
  await own.post(address);
  await receiver.requests(1);
  await own[Symbol.asyncDispose]();
  await cut.promise;
  own.emulator.state.clock.advance(24 * 60 * 60);
  expect(receiver.deliveries).toHaveLength(1);
});

test('a state file keeps subscriptions, and their mailboxes are heard after a restart', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'deskgraph-push-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const stateFile = join(directory, 'state');
  const before = await startMailServer({ stateFile });
  const address = await before.mailbox();
  const { id } = await subscribe(before, receiver, address);
  await before[Symbol.asyncDispose]();
  await using after = await startMailServer({ stateFile });
  await after.post(address);
  expect(await receiver.notifications(1)).toMatchObject([{ subscriptionId: id }]);
});

test('the queue has an end: what does not fit is dropped, and "missed" tells of it', async () => {
  const address = await server.mailbox();
  const { id } = await subscribe(server, receiver, address);
  const { subscriptions } = server.emulator.state;
  const stored = subscriptions.get(id);
  if (stored === undefined) throw new Error('not stored');
  for (let copy = 0; copy < 50; copy += 1) {
    subscriptions.set(`copy-${copy}`, { ...stored, id: `copy-${copy}`, lifecycleNotificationUrl: null });
  }
  await push(server, { paused: true, batchMs: 0 });
  const mail = { to: address, from: 'carol@fabrikam.example' };
  await server.control('POST', '/mail', Array(1_000).fill(mail));
  expect(await push(server)).toMatchObject({
    counts: { raised: 51_000, dropped: 1_000 },
    traffic: { queued: 50_000, peakQueued: 50_000 },
  });
  await push(server, { paused: false });
  await eventually('the missed event', () =>
    receiver.deliveries.some(({ value }) => value.some((item) => item.lifecycleEvent === 'missed')),
  );
  await eventually('all deliveries', async () => (await push(server)).counts['delivered'] === 50_000);
});

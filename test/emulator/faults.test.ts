import { afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../support/wait.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
let address: string;
beforeAll(async () => {
  server = await startMailServer();
  address = await server.mailbox();
  return () => server[Symbol.asyncDispose]();
});
afterEach(async () => {
  await server.control('DELETE', '/faults');
});

const inbox = () => server.graph('GET', `/users/${address}/mailFolders/inbox`);

test('a fault answers with its status, code and Retry-After as often as its count says', async () => {
  await server.control('POST', '/faults', {
    status: 503,
    errorCode: 'ServiceUnavailable',
    retryAfterSeconds: 2.5,
    count: 2,
  });
  for (let index = 0; index < 2; index += 1) {
    const answer = await inbox();
    expect([answer.status, answer.body.error?.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'ServiceUnavailable',
      '2.5',
    ]);
  }
  expect((await inbox()).status).toBe(200);
});

test('method and path pattern say which requests are met; several faults are active side by side', async () => {
  await server.control('POST', '/faults', { status: 500, method: 'post', pathPattern: '/move$' });
  await server.control('POST', '/faults', { status: 404, pathPattern: '/mailFolders/archive' });
  const { id } = await server.post(address);
  const move = await server.graph('POST', `/users/${address}/messages/${id}/move`, {
    body: { destinationId: 'archive' },
  });
  expect(move.status).toBe(500);
  expect((await server.graph('GET', `/users/${address}/messages/${id}`)).status).toBe(200);
  expect((await server.graph('GET', `/users/${address}/mailFolders/archive`)).status).toBe(404);
  const listed = await server.control<{ happened: number }[]>('GET', '/faults');
  expect(listed.body.map(({ happened }) => happened)).toEqual([1, 1]);
});

test('afterwards: the request is carried out although its answer is an error', async () => {
  const { immutableId } = await server.post(address);
  await server.control('POST', '/faults', { status: 504, afterwards: true, method: 'POST', count: 1 });
  const path = `/users/${address}/messages/${immutableId}`;
  expect((await server.graph('POST', `${path}/move`, { body: { destinationId: 'archive' } })).status).toBe(
    504,
  );
  const archive = await server.graph(
    'GET',
    `/users/${address}/mailFolders/archive/messages?$filter=isRead eq false`,
    { headers: { prefer: 'IdType="ImmutableId"' } },
  );
  expect(archive.body.value?.map(({ id }) => id)).toContain(immutableId);
});

test('reset: the connection breaks without an answer, and the next request is served', async () => {
  await server.control('POST', '/faults', { reset: true, count: 1, mailbox: address });
  await expect(inbox()).rejects.toThrow('fetch failed');
  expect((await inbox()).status).toBe(200);
});

test('probability 0 never happens and latency delays', async () => {
  await server.control('POST', '/faults', { status: 500, probability: 0 });
  await server.control('POST', '/faults', { latencyMs: 120 });
  const startedAt = performance.now();
  expect((await inbox()).status).toBe(200);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(115);
});

test('a request that waits goes on when its fault is cleared, also one that was to happen once', async () => {
  const hold = { latencyMs: 600_000, count: 1, mailbox: address };
  const { body: fault } = await server.control<{ id: string }>('POST', '/faults', hold);
  const waiting = inbox();
  await eventually('the request waits', async () => {
    const { body } = await server.control<object[]>('GET', '/faults');
    return body.length === 0;
  });
  expect((await server.control('DELETE', `/faults/${fault.id}`)).status).toBe(204);
  expect((await waiting).status).toBe(200);
  expect((await server.control('DELETE', `/faults/${fault.id}`)).status).toBe(404);
});

test('faults meet the sign-in too, in its own form, and never the control API', async () => {
  await server.control('POST', '/faults', { status: 503, retryAfterSeconds: 1 });
  const answer = await fetch(`${server.emulator.loginUrl}/contoso.example/oauth2/v2.0/token`, {
    method: 'POST',
  });
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' });
  expect((await server.control('GET', '/faults')).status).toBe(200);
});

test('the latency setting holds for every request until it is set back', async () => {
  onTestFinished(async () => {
    await server.control('POST', '/settings', { latencyMs: 0 });
  });
  await server.control('POST', '/settings', { latencyMs: 80 });
  const startedAt = performance.now();
  await inbox();
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(75);
});

test('a fault that makes no sense answers 400 and is not set', async () => {
  for (const bad of [
    { status: 100 },
    { pathPattern: '(' },
    { probability: 2 },
    { colour: 'red' },
    'nonsense',
  ]) {
    expect((await server.control('POST', '/faults', bad)).status, JSON.stringify(bad)).toBe(400);
  }
  expect((await server.control('GET', '/faults')).body).toEqual([]);
});

test('Retry-After can be a date, which is never earlier than the seconds that were asked for', async () => {
  await server.control('POST', '/faults', {
    status: 429,
    retryAfterSeconds: 2.5,
    retryAfterFormat: 'date',
    count: 1,
  });
  const askedAt = Date.parse((await server.control<{ now: string }>('GET', '/clock')).body.now);
  const until = (await inbox()).headers.get('retry-after') ?? '';
  expect(until).toMatch(/ GMT$/);
  expect(Date.parse(until)).toBeGreaterThanOrEqual(askedAt + 2_500);
});

test('caller meets the requests of one person alone, whatever they are for', async () => {
  const other = await server.mailbox();
  await server.control('POST', '/faults', { status: 403, caller: address });
  const me = async (person: string) =>
    (await server.graph('GET', '/me', { token: server.token(person, ['User.Read']) })).status;
  expect([await me(address), await me(other), (await inbox()).status]).toEqual([403, 200, 200]);
});

test('with a seed the chances of faults come out the same way again', async () => {
  onTestFinished(async () => {
    await server.control('POST', '/settings', { randomSeed: null });
  });
  await server.control('POST', '/faults', { status: 500, probability: 0.5 });
  const statuses = async (randomSeed: number) => {
    await server.control('POST', '/settings', { randomSeed });
    const seen: number[] = [];
    for (let request = 0; request < 20; request += 1) seen.push((await inbox()).status);
    return seen;
  };
  const first = await statuses(7);
  expect(new Set(first)).toEqual(new Set([200, 500]));
  expect(await statuses(7)).toEqual(first);
  expect(await statuses(8)).not.toEqual(first);
});

test('access tokens can be refused before their time, and a newer one is good', async () => {
  const old = server.token(address, ['User.Read']);
  await server.control('POST', '/tokens/expire', { address });
  expect((await server.graph('GET', '/me', { token: old })).status).toBe(401);
  expect((await server.graph('GET', '/me', { token: server.token(address, ['User.Read']) })).status).toBe(
    200,
  );
});

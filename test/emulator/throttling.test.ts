import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/wait.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer({ throttling: { requestsPerWindow: 50 } });
});
afterAll(() => server[Symbol.asyncDispose]());

test('more than four requests at one time for one mailbox and app answer 429 with Retry-After', async () => {
  const address = await server.mailbox();
  // Four that stay until they are broken off: however long the others take to come, they are still there.
  await server.control('POST', '/faults', { latencyMs: 600_000, mailbox: address, count: 4 });
  const path = `/users/${address}/mailFolders/inbox`;
  const cut = new AbortController();
  const four = Array.from({ length: 4 }, () => server.graph('GET', path, { signal: cut.signal }));
  const brokenOff = Promise.allSettled(four);
  const report = () => server.control<{ peakConcurrency: number }>('GET', `/requests?mailbox=${address}`);
  await eventually('four are under way', async () => (await report()).body.peakConcurrency === 4);
  for (const answer of await Promise.all([server.graph('GET', path), server.graph('GET', path)])) {
    expect([answer.status, answer.body.error?.code]).toEqual([429, 'ApplicationThrottled']);
    expect(answer.headers.get('retry-after')).toBe('1');
  }
  expect((await report()).body).toMatchObject({ requests: 6, throttled: 2, peakConcurrency: 4 });
  cut.abort();
  await brokenOff;
});

test('another mailbox, and another app at the same mailbox, are not throttled with it', async () => {
  const [busy, calm] = [await server.mailbox(), await server.mailbox()];
  await server.control('POST', '/faults', { latencyMs: 800, mailbox: busy, count: 5 });
  const four = Array.from({ length: 4 }, () => server.graph('GET', `/users/${busy}/mailFolders/inbox`));
  const others = [
    server.graph('GET', `/users/${calm}/mailFolders/inbox`),
    server.graph('GET', `/users/${busy}/mailFolders/inbox`, {
      token: server.token(null, ['Mail.Read'], { app: 'another' }),
    }),
  ];
  const answers = await Promise.all([...four, ...others]);
  expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
});

test('the requests of ten minutes are counted, and a new window lets them through again', async () => {
  const address = await server.mailbox();
  const path = `/users/${address}/mailFolders/inbox`;
  for (let index = 0; index < 50; index += 1) expect((await server.graph('GET', path)).status).toBe(200);
  expect((await server.graph('GET', path)).status).toBe(429);
  await server.control('POST', '/clock', { advanceSeconds: 600 });
  expect((await server.graph('GET', path)).status).toBe(200);
});

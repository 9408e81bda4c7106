import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Body, type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

interface Part {
  id: string;
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: unknown;
  dependsOn?: string[];
}

async function batch(requests: Part[]): Promise<Map<string, NonNullable<Body['responses']>[number]>> {
  const answer = await server.graph('POST', '/$batch', { body: { requests } });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return new Map(answer.body.responses?.map((part) => [part.id, part]));
}

test('twenty moves of one mailbox run four at a time and all succeed, with the Prefer header of each part', async () => {
  const address = await server.mailbox();
  const mails = await Promise.all(Array.from({ length: 20 }, () => server.post(address)));
  const answers = await batch(
    mails.map(({ immutableId }, index) => ({
      id: String(index),
      method: 'POST',
      url: `/users/${address}/messages/${immutableId}/move`,
      headers: {
        'Content-Type': 'application/json',
        ...(index === 0 ? { Prefer: 'IdType="ImmutableId"' } : {}),
      },
      body: { destinationId: 'archive' },
    })),
  );
  expect([...answers.values()].map(({ status }) => status)).toEqual(Array(20).fill(201));
  expect(answers.get('0')?.body?.id).toBe(mails[0]?.immutableId);
  expect(answers.get('1')?.body?.id).not.toBe(mails[1]?.immutableId);
  const report = await server.control<{ requests: number; peakConcurrency: number; throttled: number }>(
    'GET',
    `/requests?mailbox=${address}`,
  );
  expect(report.body).toMatchObject({ requests: 20, peakConcurrency: 4, throttled: 0 });
});

test('parts have a status of their own, and what depends on a failed part answers 424', async () => {
  const address = await server.mailbox();
  const answers = await batch([
    { id: 'a', method: 'GET', url: `/users/${address}/mailFolders/inbox` },
    { id: 'b', method: 'GET', url: `/users/${address}/messages/AAMkAGmissingmissingmissingmissing` },
    { id: 'c', method: 'GET', url: `/users/${address}/mailFolders/inbox`, dependsOn: ['b'] },
    { id: 'd', method: 'GET', url: `/users/${address}/mailFolders/inbox`, dependsOn: ['a'] },
    { id: 'e', method: 'GET', url: `/users/${address}/mailFolders/inbox`, dependsOn: ['c'] },
  ]);
  expect(['a', 'b', 'c', 'd', 'e'].map((id) => answers.get(id)?.status)).toEqual([200, 404, 424, 200, 424]);
  expect(answers.get('b')?.body?.error?.code).toBe('ErrorItemNotFound');
});

test('a throttled part carries its own Retry-After while the batch answers 200', async () => {
  const address = await server.mailbox();
  await server.control('POST', '/faults', { status: 429, retryAfterSeconds: 3, mailbox: address, count: 1 });
  const answers = await batch([
    { id: '1', method: 'GET', url: `/users/${address}/mailFolders/inbox` },
    { id: '2', method: 'GET', url: `/users/${address}/mailFolders/inbox` },
  ]);
  const throttled = [...answers.values()].filter(({ status }) => status === 429);
  expect(throttled).toHaveLength(1);
  expect(throttled[0]?.headers['Retry-After']).toBe('3');
});

test('content that is no JSON comes as base64', async () => {
  const address = await server.mailbox();
  const { id } = await server.post(address, { subject: 'Source' });
  const answers = await batch([{ id: '1', method: 'GET', url: `/users/${address}/messages/${id}/$value` }]);
  expect(Buffer.from(String(answers.get('1')?.body), 'base64').toString()).toContain('Subject: Source');
});

test('a batch that is too long, nested, doubled in its ids or depends on nothing known answers 400', async () => {
  const part = (id: string, rest: Partial<Part> = {}): Part => ({ id, method: 'GET', url: '/me', ...rest });
  for (const requests of [
    [],
    Array.from({ length: 21 }, (_, index) => part(String(index))),
    [part('1'), part('1')],
    [part('1', { dependsOn: ['2'] })],
    [part('1', { url: 'https://example.com/v1.0/me' })],
    [part('1', { url: '/$batch', method: 'POST' })],
  ]) {
    expect((await server.graph('POST', '/$batch', { body: { requests } })).status).toBe(400);
  }
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { deltaRound, folderId, IMMUTABLE, type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function mailboxWith(count: number): Promise<{ address: string; delta: string }> {
  const address = await server.mailbox();
  const mails = Array.from({ length: count }, (_, index) => ({
    to: address,
    from: 'carol@fabrikam.example',
    subject: `Mail ${index}`,
    text: 'Hello',
    receivedDateTime: new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString(),
  }));
  if (count > 0) expect((await server.control('POST', '/mail', mails)).status).toBe(201);
  return { address, delta: `/users/${address}/mailFolders/inbox/messages/delta` };
}

test('a delta query gives every message once over pages of ten and ends in a delta link that reports nothing new', async () => {
  const { delta } = await mailboxWith(25);
  const first = await deltaRound(server, `${delta}?$select=subject`);
  expect(first.pages).toBe(3);
  expect(new Set(first.items.map(({ subject }) => subject)).size).toBe(25);
  expect(first.items[0]).not.toHaveProperty('body');
  const second = await deltaRound(server, first.deltaLink);
  expect(second.items).toEqual([]);
});

test('Prefer: odata.maxpagesize sets the page size and is acknowledged', async () => {
  const { delta } = await mailboxWith(25);
  const headers = { prefer: 'IdType="ImmutableId", odata.maxpagesize=20' };
  const page = await server.graph('GET', delta, { headers });
  expect(page.body.value).toHaveLength(20);
  expect(page.headers.get('preference-applied')).toBe('IdType="ImmutableId", odata.maxpagesize=20');
  expect((await deltaRound(server, delta, headers)).pages).toBe(2);
});

test('what arrives, changes and goes between two rounds is reported as such', async () => {
  const { address, delta } = await mailboxWith(3);
  const before = await deltaRound(server, `${delta}?$select=subject,isRead`);
  const [changed, gone, kept] = before.items;
  await server.graph('PATCH', `/users/${address}/messages/${changed?.id}`, { body: { isRead: true } });
  await server.graph('DELETE', `/users/${address}/messages/${gone?.id}`);
  const arrived = await server.post(address, { subject: 'New' });
  const { items } = await deltaRound(server, before.deltaLink);
  const byId = new Map(items.map((item) => [item.id, item]));
  expect(byId.get(changed?.id ?? '')).toMatchObject({ isRead: true, subject: 'Mail 0' });
  expect(byId.get(gone?.id ?? '')).toMatchObject({ '@removed': { reason: 'deleted' } });
  expect(byId.get(arrived.immutableId)).toMatchObject({ subject: 'New' });
  expect(byId.has(kept?.id ?? '')).toBe(false);
});

test('a message changed many times between two rounds is reported once', async () => {
  const { address, delta } = await mailboxWith(1);
  const before = await deltaRound(server, delta);
  for (const isRead of [true, false, true]) {
    await server.graph('PATCH', `/users/${address}/messages/${before.items[0]?.id}`, { body: { isRead } });
  }
  expect((await deltaRound(server, before.deltaLink)).items).toHaveLength(1);
});

test('changeType=created leaves out updates and removals in every round', async () => {
  const { address, delta } = await mailboxWith(2);
  const before = await deltaRound(server, `${delta}?changeType=created`);
  expect(before.items).toHaveLength(2);
  await server.graph('PATCH', `/users/${address}/messages/${before.items[0]?.id}`, {
    body: { isRead: true },
  });
  await server.graph('DELETE', `/users/${address}/messages/${before.items[1]?.id}`);
  const arrived = await server.post(address);
  await server.graph('PATCH', `/users/${address}/messages/${arrived.id}`, { body: { isRead: true } });
  const { items } = await deltaRound(server, before.deltaLink);
  expect(items.map(({ id }) => id)).toEqual([arrived.immutableId]);
});

test('a move changes the default id, keeps the immutable id, and shows in both folders', async () => {
  const { address, delta } = await mailboxWith(1);
  const archive = `/users/${address}/mailFolders/archive/messages/delta`;
  const inboxBefore = await deltaRound(server, delta, {});
  const archiveBefore = await deltaRound(server, archive);
  const oldId = inboxBefore.items[0]?.id ?? '';
  const immutable = await server.graph<{ id: string }>('GET', `/users/${address}/messages/${oldId}`, {
    headers: IMMUTABLE,
  });
  const moved = await server.graph<{ id: string; parentFolderId: string }>(
    'POST',
    `/users/${address}/messages/${oldId}/move`,
    {
      body: { destinationId: 'archive' },
    },
  );
  expect(moved.status).toBe(201);
  expect(moved.body.id).not.toBe(oldId);
  expect(moved.body.parentFolderId).toBe(await folderId(server, address, 'archive'));

  const inbox = await deltaRound(server, inboxBefore.deltaLink, {});
  expect(inbox.items).toEqual([expect.objectContaining({ id: oldId, '@removed': { reason: 'deleted' } })]);
  const inboxImmutable = await deltaRound(server, inboxBefore.deltaLink);
  expect(inboxImmutable.items[0]?.id).toBe(immutable.body.id);
  expect((await deltaRound(server, archiveBefore.deltaLink)).items[0]?.id).toBe(immutable.body.id);

  expect((await server.graph('GET', `/users/${address}/messages/${oldId}`)).body.error?.code).toBe(
    'ErrorItemNotFound',
  );
  expect((await server.graph('GET', `/users/${address}/messages/${immutable.body.id}`)).status).toBe(200);
});

test('a filter by receivedDateTime stays in the links and leaves older mail that is moved in unreported', async () => {
  const { address, delta } = await mailboxWith(10);
  const since = '2026-01-01T00:00:05Z';
  const from = await deltaRound(
    server,
    `${delta}?$filter=receivedDateTime ge ${since}&$orderby=receivedDateTime desc`,
  );
  expect(from.items.map(({ subject }) => subject)).toEqual([
    'Mail 9',
    'Mail 8',
    'Mail 7',
    'Mail 6',
    'Mail 5',
  ]);
  const after = await deltaRound(server, `${delta}?$filter=receivedDateTime gt ${since}`);
  expect(after.items).toHaveLength(4);
  await server.post(address, { subject: 'Old', receivedDateTime: '2025-12-31T00:00:00Z' });
  await server.post(address, { subject: 'Young', receivedDateTime: '2026-02-01T00:00:00Z' });
  expect((await deltaRound(server, from.deltaLink)).items.map(({ subject }) => subject)).toEqual(['Young']);
});

test('a filtered delta query gives 5,000 messages at most', async () => {
  const { delta } = await mailboxWith(5_003);
  const headers = { prefer: 'IdType="ImmutableId", odata.maxpagesize=1000' };
  const { items } = await deltaRound(
    server,
    `${delta}?$select=id&$filter=receivedDateTime ge 2025-01-01T00:00:00Z`,
    headers,
  );
  expect(items).toHaveLength(5_000);
  expect((await deltaRound(server, `${delta}?$select=id`, headers)).items).toHaveLength(5_003);
});

test('an expired link answers 410 syncStateNotFound with the place to start again', async () => {
  await using own = await startMailServer();
  const address = await own.mailbox();
  const { deltaLink } = await deltaRound(own, `/users/${address}/mailFolders/inbox/messages/delta`);
  expect((await own.control('POST', '/delta/expire')).status).toBe(204);
  const answer = await own.graph('GET', deltaLink);
  expect(answer.status).toBe(410);
  expect(answer.body.error?.code).toBe('syncStateNotFound');
  expect((await deltaRound(own, answer.headers.get('location') ?? '')).items).toEqual([]);
});

test('a link that was tampered with, and options that a delta query does not have, answer 400', async () => {
  const { delta } = await mailboxWith(0);
  expect((await server.graph('GET', `${delta}?$deltatoken=nonsense`)).body.error?.code).toBe(
    'SyncStateInvalid',
  );
  for (const bad of [
    '$filter=isRead eq false',
    '$orderby=receivedDateTime asc',
    'changeType=moved',
    '$select=colour',
  ]) {
    expect((await server.graph('GET', `${delta}?${bad}`)).status, bad).toBe(400);
  }
});

test('a delta query of me goes on under me', async () => {
  const { address } = await mailboxWith(12);
  const token = server.token(address, ['Mail.Read']);
  const first = await server.graph('GET', "/me/mailFolders('inbox')/messages/delta", { token });
  expect(first.body['@odata.nextLink']).toContain("/v1.0/me/mailFolders('inbox')/messages/delta?$skiptoken=");
  const second = await server.graph('GET', first.body['@odata.nextLink'] ?? '', { token });
  expect(second.body.value).toHaveLength(2);
});

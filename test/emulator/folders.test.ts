import type { MailFolder } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MailServer, startMailServer } from './mail-harness.ts';

interface FolderList {
  value: MailFolder[];
  '@odata.nextLink'?: string;
}

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test('well-known names stand for folders, whose ids stay', async () => {
  const address = await server.mailbox();
  for (const name of [
    'inbox',
    'archive',
    'sentitems',
    'deleteditems',
    'drafts',
    'junkemail',
    'outbox',
    'recoverableitemsdeletions',
    'msgfolderroot',
  ]) {
    const byName = await server.graph<MailFolder>('GET', `/users/${address}/mailFolders/${name}`);
    expect(byName.status, name).toBe(200);
    const byId = await server.graph<MailFolder>('GET', `/users/${address}/mailFolders/${byName.body.id}`);
    expect(byId.body).toEqual(byName.body);
  }
});

test('a list leaves hidden folders out unless they are asked for, and goes on by its next link', async () => {
  const address = await server.mailbox();
  const visible = await server.graph<FolderList>('GET', `/users/${address}/mailFolders`);
  const all = await server.graph<FolderList>(
    'GET',
    `/users/${address}/mailFolders?includeHiddenFolders=true`,
  );
  expect(visible.body.value.every(({ isHidden }) => isHidden === false)).toBe(true);
  expect(all.body.value.length).toBeGreaterThan(visible.body.value.length);
  const first = await server.graph<FolderList>(
    'GET',
    `/users/${address}/mailFolders?$top=4&$select=displayName`,
  );
  const second = await server.graph<FolderList>('GET', first.body['@odata.nextLink'] ?? '');
  const names = [...first.body.value, ...second.body.value].map(({ displayName }) => displayName);
  expect(names).toEqual(visible.body.value.map(({ displayName }) => displayName));
});

test('a folder is created at the top or under another, and a name that is taken answers 409', async () => {
  const address = await server.mailbox();
  const base = `/users/${address}/mailFolders`;
  const made = await server.graph<MailFolder>('POST', base, {
    body: { displayName: 'processed-by-deskgraph' },
  });
  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({
    displayName: 'processed-by-deskgraph',
    totalItemCount: 0,
    childFolderCount: 0,
  });
  const again = await server.graph('POST', base, { body: { displayName: 'Processed-By-Deskgraph' } });
  expect([again.status, again.body.error?.code]).toEqual([409, 'ErrorFolderExists']);
  const below = await server.graph<MailFolder>('POST', `${base}/inbox/childFolders`, {
    body: { displayName: 'processed-by-deskgraph' },
  });
  expect(below.status).toBe(201);
  const children = await server.graph<FolderList>('GET', `${base}/inbox/childFolders`);
  expect(children.body.value.map(({ id }) => id)).toEqual([below.body.id]);
  expect((await server.graph('GET', `${base}/inbox`)).body.childFolderCount).toBe(1);
  const found = await server.graph<FolderList>(
    'GET',
    `${base}?$filter=displayName eq 'processed-by-deskgraph'`,
  );
  expect(found.body.value.map(({ id }) => id)).toEqual([made.body.id]);
  expect((await server.graph('POST', base, { body: { displayName: ' ' } })).status).toBe(400);
});

test('an unknown folder answers 404, what is no id 400', async () => {
  const address = await server.mailbox();
  const other = await server.mailbox();
  const foreign = await server.graph<MailFolder>('GET', `/users/${other}/mailFolders/inbox`);
  const answer = await server.graph('GET', `/users/${address}/mailFolders/${foreign.body.id}`);
  expect([answer.status, answer.body.error?.code]).toEqual([404, 'ErrorItemNotFound']);
  expect((await server.graph('GET', `/users/${address}/mailFolders/unheard-of`)).body.error?.code).toBe(
    'ErrorInvalidIdMalformed',
  );
});

test('a deleted folder goes below Deleted Items with its mail; permanentDelete ends folder and mail', async () => {
  const address = await server.mailbox();
  const base = `/users/${address}/mailFolders`;
  const made = await server.graph<MailFolder>('POST', base, { body: { displayName: 'Old' } });
  const { immutableId } = await server.post(address, { folder: made.body.id });
  expect((await server.graph('DELETE', `${base}/${made.body.id}`)).status).toBe(204);
  const below = await server.graph<FolderList>('GET', `${base}/deleteditems/childFolders`);
  expect(below.body.value.map(({ id }) => id)).toEqual([made.body.id]);
  expect((await server.graph('GET', `/users/${address}/messages/${immutableId}`)).status).toBe(200);
  expect((await server.graph('POST', `${base}/${made.body.id}/permanentDelete`)).status).toBe(204);
  expect((await server.graph('GET', `${base}/${made.body.id}`)).status).toBe(404);
  expect((await server.graph('GET', `/users/${address}/messages/${immutableId}`)).status).toBe(404);
  expect((await server.graph('DELETE', `${base}/inbox`)).body.error?.code).toBe(
    'ErrorDeleteDistinguishedFolder',
  );
});

test('a folder gets another name unless a sibling has it', async () => {
  const address = await server.mailbox();
  const base = `/users/${address}/mailFolders`;
  const made = await server.graph<MailFolder>('POST', base, { body: { displayName: 'Old' } });
  const renamed = await server.graph('PATCH', `${base}/${made.body.id}`, { body: { displayName: 'New' } });
  expect(renamed.body).toMatchObject({ displayName: 'New', id: made.body.id });
  expect(
    (await server.graph('PATCH', `${base}/${made.body.id}`, { body: { displayName: 'inbox' } })).status,
  ).toBe(409);
});

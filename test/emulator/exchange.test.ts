import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const policyOf = (clientId: string, access: Record<string, unknown>) =>
  server.control('PUT', '/app-access', { clientId, tenant: 'contoso.example', ...access });

/** What an application with these roles is answered at a mailbox. */
async function asApp(app: string, roles: readonly string[], address: string, method = 'GET') {
  const token = server.token(null, roles, { app });
  const body = method === 'GET' ? {} : { body: { displayName: `f-${crypto.randomUUID()}` } };
  const answer = await server.graph(method, `/users/${address}/mailFolders`, { token, ...body });
  return answer.body.error ?? answer.status;
}

test('RestrictAccess lets an app into the members only, with the words of Exchange for all others', async () => {
  const [member, other] = [await server.mailbox(), await server.mailbox()];
  await policyOf('limited', { policy: { accessRight: 'RestrictAccess', members: [member] } });
  expect(await asApp('limited', ['Mail.ReadWrite'], member)).toBe(200);
  expect(await asApp('limited', ['Mail.ReadWrite'], other)).toMatchObject({
    code: 'ErrorAccessDenied',
    message:
      'Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.',
  });
  expect(await asApp('another-app', ['Mail.ReadWrite'], other)).toBe(200);
});

test('DenyAccess keeps an app out of the members only', async () => {
  const [member, other] = [await server.mailbox(), await server.mailbox()];
  await policyOf('denied', { policy: { accessRight: 'DenyAccess', members: [member] } });
  expect(await asApp('denied', ['Mail.ReadWrite'], member)).toMatchObject({ code: 'ErrorAccessDenied' });
  expect(await asApp('denied', ['Mail.ReadWrite'], other)).toBe(200);
});

test('a role that Exchange assigns opens its mailboxes to a token without roles, for reading or writing as it says', async () => {
  const [member, other] = [await server.mailbox(), await server.mailbox()];
  await policyOf('assigned', { assignments: [{ roles: ['Mail.Read'], members: [member] }] });
  expect(await asApp('assigned', [], member)).toBe(200);
  expect(await asApp('assigned', [], member, 'POST')).toMatchObject({ code: 'ErrorAccessDenied' });
  expect(await asApp('assigned', [], other)).toMatchObject({
    code: 'ErrorAccessDenied',
    message: 'Access is denied. Check credentials and try again.',
  });
  // What Entra grants comes on top: an unscoped consent voids the scope.
  expect(await asApp('assigned', ['Mail.Read'], other)).toBe(200);
});

test('a policy concerns applications, not people with a token of the same app', async () => {
  const address = await server.mailbox();
  await policyOf('mixed', { policy: { accessRight: 'DenyAccess', members: [address] } });
  const token = server.token(address, ['Mail.Read'], { app: 'mixed' });
  expect((await server.graph('GET', '/me/mailFolders', { token })).status).toBe(200);
});

test('a mailbox without a licence says so also to those without Full Access; with one, what was in it is there again', async () => {
  const address = await server.mailbox();
  await server.post(address);
  const token = server.token('sam@contoso.example', ['Mail.Read.Shared']);
  const look = async () => (await server.graph('GET', `/users/${address}/mailFolders/inbox`, { token })).body;
  expect((await look()).error?.code).toBe('ErrorAccessDenied');
  await server.control('PATCH', `/mailboxes/${address}`, { licensed: false });
  expect((await look()).error?.code).toBe('MailboxNotEnabledForRESTAPI');
  await server.control('PATCH', `/mailboxes/${address}`, {
    licensed: true,
    fullAccess: ['sam@contoso.example'],
    folderNames: { inbox: 'Posteingang' },
  });
  expect(await look()).toMatchObject({ displayName: 'Posteingang', totalItemCount: 1 });
});

test('mail tips tell a group from a person; as a mailbox it is an invalid user', async () => {
  const address = `list-${crypto.randomUUID()}@contoso.example`;
  await server.control('POST', '/groups', { address, members: 12 });
  const token = server.token('sam@contoso.example', ['Mail.ReadWrite']);
  const { body } = await server.graph<{ value: { totalMemberCount: number }[] }>('POST', '/me/getMailTips', {
    token,
    body: { EmailAddresses: [address, 'mia@contoso.example'], MailTipsOptions: 'totalMemberCount' },
  });
  expect(body.value.map(({ totalMemberCount }) => totalMemberCount)).toEqual([12, 1]);
  const answer = await server.graph('GET', `/users/${address}/mailFolders`);
  expect(answer.body.error?.code).toBe('ErrorInvalidUser');
  expect((await server.control('POST', '/groups', { address, members: 1 })).status).toBe(409);
});

test('a search folder is listed with its type, a usual one without', async () => {
  const address = await server.mailbox();
  const body = { displayName: 'Unread', '@odata.type': '#microsoft.graph.mailSearchFolder' };
  expect((await server.graph('POST', `/users/${address}/mailFolders`, { body })).status).toBe(201);
  const { body: list } = await server.graph<{ value: Record<string, unknown>[] }>(
    'GET',
    `/users/${address}/mailFolders?$top=50&$select=displayName`,
  );
  expect(list.value.filter((folder) => '@odata.type' in folder)).toMatchObject([
    { displayName: 'Unread', '@odata.type': '#microsoft.graph.mailSearchFolder' },
  ]);
});

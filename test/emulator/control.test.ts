import { afterAll, beforeAll, expect, test } from 'vitest';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

interface MailboxView {
  userId: string;
  totalMessages: number;
  folders: {
    wellKnownName: string | null;
    displayName: string;
    totalItemCount: number;
    messages: { id: string; subject: string }[];
  }[];
}

test('a mail as JSON arrives with everything it says, and a view of the mailbox shows it', async () => {
  const [first, second] = [await server.mailbox(), await server.mailbox()];
  const answer = await server.control('POST', '/mail', {
    to: [first, `Second <${second}>`, 'stranger@elsewhere.example'],
    from: { name: 'Carol', address: 'carol@fabrikam.example' },
    subject: 'Both',
    html: '<p>Hello</p>',
    inReplyTo: '<a@b.example>',
    headers: { 'X-Origin': 'form' },
    receivedDateTime: '2026-03-01T10:00:00Z',
    attachments: [
      { name: 'a.png', contentType: 'image/png', contentBytes: 'AAAA', isInline: true, contentId: 'a' },
    ],
  });
  expect(answer.status).toBe(201);
  expect(answer.body).toMatchObject({ mailbox: first, copies: [{ mailbox: first }, { mailbox: second }] });
  const view = await server.control<MailboxView>('GET', `/mailboxes/${second}`);
  const inbox = view.body.folders.find(({ wellKnownName }) => wellKnownName === 'inbox');
  expect(inbox?.messages).toEqual([
    expect.objectContaining({
      subject: 'Both',
      from: 'carol@fabrikam.example',
      folder: 'inbox',
      received: '2026-03-01T10:00:00Z',
      attachments: 1,
    }),
  ]);
  const message = await server.graph(
    'GET',
    `/users/${second}/messages/${inbox?.messages[0]?.id}?$select=internetMessageHeaders,body`,
  );
  expect(message.body).toMatchObject({
    body: { contentType: 'html', content: '<p>Hello</p>' },
    internetMessageHeaders: expect.arrayContaining([
      { name: 'In-Reply-To', value: '<a@b.example>' },
      { name: 'X-Origin', value: 'form' },
    ]),
  });
});

test('an array is stored whole or not at all', async () => {
  const address = await server.mailbox();
  const mail = { to: address, from: 'carol@fabrikam.example', subject: 'One of many' };
  const stored = await server.control<object[]>('POST', '/mail', [mail, mail]);
  expect(stored.body).toHaveLength(2);
  const refused = await server.control('POST', '/mail', [mail, { ...mail, to: 'nobody@contoso.example' }]);
  expect(refused.status).toBe(404);
  expect((await server.control<MailboxView>('GET', `/mailboxes/${address}`)).body.totalMessages).toBe(2);
});

test('mail that cannot be taken answers with what is wrong', async () => {
  const address = await server.mailbox();
  const mail = { to: address, from: 'carol@fabrikam.example' };
  const codes: unknown[] = [];
  for (const bad of [
    {},
    { ...mail, from: 'nobody' },
    { ...mail, attachments: [{ name: 'a', contentBytes: '%' }] },
    { ...mail, colour: 1 },
    [],
  ]) {
    const answer = await server.control('POST', '/mail', bad);
    codes.push([answer.status, answer.body.error?.code]);
  }
  expect(codes).toEqual(Array(5).fill([400, 'badRequest']));
  expect((await server.postEml('nobody@contoso.example', 'plain.eml')).status).toBe(404);
  expect((await server.control('POST', '/mail', { ...mail, folder: 'nowhere' })).status).toBe(400);
  expect((await server.control('GET', '/mailboxes/nobody@contoso.example')).status).toBe(404);
  expect((await server.control('POST', '/nonsense')).body.error?.code).toBe('notFound');
});

test.each([
  'text/plain\r\nx-forged: yes',
  'text/plain\n',
  'text/\u0000plain',
  'text/\u0001plain',
  'text/\u6587',
  '',
])('a file whose type is %j, by the word of whoever sent it, can be downloaded', async (contentType) => {
  const address = await server.mailbox();
  const attachments = [{ name: 'a.txt', contentType, contentBytes: 'aGVsbG8=' }];
  const { id } = await server.post(address, { attachments });
  const base = `/users/${address}/messages/${id}`;
  const added = await server.graph('POST', `${base}/attachments`, { body: attachments[0] });
  expect(added.status).toBe(201);
  const { body } = await server.graph<{ value: { id: string }[] }>('GET', `${base}/attachments`);
  expect(body.value).toMatchObject([{ contentType }, { contentType }]);
  for (const file of body.value) {
    const response = await fetch(`${server.emulator.graphUrl}/v1.0${base}/attachments/${file.id}/$value`, {
      headers: { authorization: `Bearer ${server.token(null)}` },
      signal: AbortSignal.timeout(SLOW_MACHINE),
    });
    expect(await response.text()).toBe('hello');
    expect(response.headers.get('x-forged')).toBeNull();
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
  }
  const source = await server.graph<string>('GET', `${base}/$value`);
  expect(source.status).toBe(200);
  expect(source.body).not.toMatch(/^x-forged/im);
});

test('tenants and mailboxes are added on the fly; what exists answers 409, an unknown domain 404', async () => {
  const domain = `${crypto.randomUUID()}.example`;
  const address = `anna@${domain}`;
  expect((await server.control('POST', '/mailboxes', { address })).status).toBe(404);
  expect((await server.control('POST', '/tenants', { domain })).status).toBe(201);
  expect((await server.control('POST', '/tenants', { domain })).status).toBe(409);
  const anna = await server.control<{ userId: string }>('POST', '/mailboxes', {
    address,
    displayName: 'Anna Alt',
    isAdmin: true,
  });
  expect(anna.status).toBe(201);
  expect((await server.control('POST', '/mailboxes', { address })).status).toBe(409);
  const shared = {
    address: `team@${domain}`,
    kind: 'shared',
    aliases: [`all@${domain}`],
    fullAccess: [address],
  };
  expect((await server.control('POST', '/mailboxes', shared)).status).toBe(201);
  const token = server.token(address, ['Mail.Read.Shared']);
  expect((await server.graph('GET', `/users/all@${domain}/mailFolders/inbox`, { token })).status).toBe(200);
});

test('requests are counted by operation, batch parts one by one, and the control API not at all', async () => {
  await using own = await startMailServer();
  const address = await own.mailbox();
  await own.graph('GET', `/users/${address}/mailFolders/inbox/messages/delta`);
  const url = `/users/${address}/mailFolders('inbox')`;
  await own.graph('POST', '/$batch', {
    body: {
      requests: [
        { id: '1', method: 'GET', url },
        { id: '2', method: 'GET', url },
      ],
    },
  });
  const report = await own.control('GET', '/requests');
  expect(report.body).toMatchObject({
    httpRequests: 2,
    countedRequests: 3,
    operations: {
      'GET /users/{id}/mailFolders/{id}/messages/delta': 1,
      'POST /$batch': 1,
      'GET /users/{id}/mailFolders/{id}': 2,
    },
  });
  expect((await own.control('DELETE', '/requests')).status).toBe(204);
  expect((await own.control('GET', '/requests')).body).toMatchObject({ httpRequests: 0, operations: {} });
});

test('a reset brings the demo tenants back and takes everything else away', async () => {
  await using own = await startMailServer();
  const address = await own.mailbox();
  await own.post('support@contoso.example');
  await own.control('POST', '/faults', { status: 500 });
  await own.control('POST', '/clock', { advanceSeconds: 3600 });
  expect((await own.control('POST', '/reset')).status).toBe(204);
  expect((await own.control('GET', `/mailboxes/${address}`)).status).toBe(404);
  expect((await own.control('GET', '/mailboxes/support@contoso.example')).body).toMatchObject({
    totalMessages: 0,
  });
  expect((await own.control('GET', '/faults')).body).toEqual([]);
  expect((await own.control('GET', '/clock')).body).toMatchObject({ aheadSeconds: 0 });
});

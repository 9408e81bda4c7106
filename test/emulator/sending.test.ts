import type { Message } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IMMUTABLE, type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const to = (address: string) => [{ emailAddress: { address } }];

async function messagesIn(address: string, folder: string, token?: string): Promise<Message[]> {
  const select =
    '$select=subject,from,sender,toRecipients,bccRecipients,internetMessageId,internetMessageHeaders,conversationId,isDraft,body,hasAttachments';
  const call = { headers: IMMUTABLE, ...(token === undefined ? {} : { token }) };
  return (
    (await server.graph('GET', `/users/${address}/mailFolders/${folder}/messages?${select}`, call)).body
      .value ?? []
  );
}

test('sendMail delivers across tenants with a copy in Sent Items and the same Message-ID', async () => {
  const sender = await server.mailbox({ displayName: 'Help Desk' });
  const secret = await server.mailbox();
  const fabrikam = server.token(null, ['Mail.Read'], { tenant: 'fabrikam.example' });
  const message = {
    subject: 'Answer across',
    body: { contentType: 'HTML', content: '<p>Done</p>' },
    toRecipients: to('erin@fabrikam.example'),
    bccRecipients: to(secret),
    internetMessageHeaders: [{ name: 'x-deskgraph', value: 'T-1' }],
    attachments: [
      { '@odata.type': '#microsoft.graph.fileAttachment', name: 'a.txt', contentBytes: 'aGVsbG8=' },
    ],
  };
  const answer = await server.graph('POST', `/users/${sender}/sendMail`, { body: { message } });
  expect(answer.status).toBe(202);
  expect(answer.body).toBe('');
  const [sent] = await messagesIn(sender, 'sentitems');
  const received = (await messagesIn('erin@fabrikam.example', 'inbox', fabrikam)).find(
    ({ subject }) => subject === 'Answer across',
  );
  expect(received).toMatchObject({
    internetMessageId: sent?.internetMessageId,
    from: { emailAddress: { name: 'Help Desk', address: sender } },
    bccRecipients: [],
    isDraft: false,
    hasAttachments: true,
    body: { contentType: 'html', content: '<p>Done</p>' },
  });
  expect(received?.internetMessageHeaders).toContainEqual({ name: 'x-deskgraph', value: 'T-1' });
  expect(await messagesIn(secret, 'inbox')).toHaveLength(1);
});

test('saveToSentItems false keeps no copy', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  const message = { subject: 'No copy', toRecipients: to(receiver) };
  await server.graph('POST', `/users/${sender}/sendMail`, {
    body: { Message: message, SaveToSentItems: false },
  });
  expect(await messagesIn(sender, 'sentitems')).toEqual([]);
  expect(await messagesIn(receiver, 'inbox')).toHaveLength(1);
});

test('MIME in base64 keeps its threading headers; From becomes the mailbox', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  const mime = [
    'From: somebody-else@example.com',
    `To: ${receiver}`,
    'Subject: By MIME',
    'In-Reply-To: <plain-1@fabrikam.example>',
    'References: <plain-0@fabrikam.example> <plain-1@fabrikam.example>',
    'Auto-Submitted: auto-replied',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Grüße',
  ].join('\r\n');
  const answer = await server.graph('POST', `/users/${sender}/sendMail`, {
    body: Buffer.from(mime).toString('base64'),
  });
  expect(answer.status).toBe(202);
  const [received] = await messagesIn(receiver, 'inbox');
  expect(received?.from?.emailAddress?.address).toBe(sender);
  expect(received?.body?.content).toContain('Grüße');
  const names = received?.internetMessageHeaders?.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['In-Reply-To', 'References', 'Auto-Submitted', 'Message-ID']),
  );
  for (const bad of ['not base64!', Buffer.from('no mail').toString('base64')]) {
    expect((await server.graph('POST', `/users/${sender}/sendMail`, { body: bad })).status).toBe(400);
  }
});

test('a draft keeps its immutable id and Message-ID when it is sent, and cannot be sent twice', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  const property = { id: 'String {f0000000-0000-4000-8000-000000000001} Name Outbox', value: 'row-7' };
  const draft = await server.graph<Message>('POST', `/users/${sender}/messages`, {
    body: { subject: 'Draft', toRecipients: to(receiver), singleValueExtendedProperties: [property] },
    headers: IMMUTABLE,
  });
  expect(draft.status).toBe(201);
  expect(draft.body.isDraft).toBe(true);
  const path = `/users/${sender}/messages/${draft.body.id}`;
  await server.graph('PATCH', path, {
    body: { subject: 'Changed', body: { contentType: 'text', content: 'Text' } },
  });
  const found = await server.graph(
    'GET',
    `/users/${sender}/messages?$filter=singleValueExtendedProperties/Any(ep: ep/id eq '${property.id}' and ep/value eq 'row-7')`,
    { headers: IMMUTABLE },
  );
  expect(found.body.value?.map(({ id }) => id)).toEqual([draft.body.id]);
  expect((await server.graph('POST', `${path}/send`)).status).toBe(202);
  const [sent] = await messagesIn(sender, 'sentitems');
  expect(sent).toMatchObject({
    id: draft.body.id,
    isDraft: false,
    subject: 'Changed',
    internetMessageId: draft.body.internetMessageId,
  });
  expect(await messagesIn(sender, 'drafts')).toEqual([]);
  expect(await messagesIn(receiver, 'inbox')).toHaveLength(1);
  expect((await server.graph('POST', `${path}/send`)).status).toBe(400);
});

test('createReply fills in recipient, subject and threading headers, and the answer joins the conversation', async () => {
  const support = await server.mailbox();
  const { id, internetMessageId } = await server.post(support, {
    from: 'dave@fabrikam.example',
    subject: 'Broken',
  });
  const draft = await server.graph<Message>('POST', `/users/${support}/messages/${id}/createReply`, {
    body: { comment: 'On it' },
  });
  expect(draft.body).toMatchObject({
    subject: 'RE: Broken',
    toRecipients: [{ emailAddress: { address: 'dave@fabrikam.example' } }],
  });
  await server.graph('POST', `/users/${support}/messages/${draft.body.id}/send`);
  const [sent] = await messagesIn(support, 'sentitems');
  expect(sent?.internetMessageHeaders).toContainEqual({ name: 'In-Reply-To', value: internetMessageId });
  const original = await server.graph<Message>('GET', `/users/${support}/messages/${id}`);
  expect(sent?.conversationId).toBe(original.body.conversationId);
  const both = { comment: 'a', message: { body: { contentType: 'text', content: 'b' } } };
  expect(
    (await server.graph('POST', `/users/${support}/messages/${id}/createReply`, { body: both })).status,
  ).toBe(400);
});

test('an unknown address of an emulated domain comes back as a non-delivery report', async () => {
  const sender = await server.mailbox();
  await server.graph('POST', `/users/${sender}/sendMail`, {
    body: { message: { subject: 'Lost', toRecipients: to('nobody@fabrikam.example') } },
  });
  const expand = "$expand=singleValueExtendedProperties($filter=id eq 'String 0x001A')";
  const inbox = await server.graph('GET', `/users/${sender}/mailFolders/inbox/messages?${expand}`);
  expect(inbox.body.value?.[0]).toMatchObject({
    subject: 'Undeliverable: Lost',
    singleValueExtendedProperties: [{ value: 'REPORT.IPM.Note.NDR' }],
  });
});

test('sending needs Mail.Send, for a shared mailbox Mail.Send.Shared, and the right to send as it', async () => {
  const body = { message: { subject: 'Shared', toRecipients: to('mia@contoso.example') } };
  const send = async (path: string, person: string, scopes: string[], message: object = body) =>
    (await server.graph('POST', path, { body: message, token: server.token(person, scopes) })).body.error
      ?.code ?? 'sent';
  const shared = '/users/support@contoso.example/sendMail';
  expect(await send('/me/sendMail', 'sam@contoso.example', ['Mail.ReadWrite'])).toBe('ErrorAccessDenied');
  expect(await send('/me/sendMail', 'sam@contoso.example', ['Mail.Send'])).toBe('sent');
  expect(await send(shared, 'sam@contoso.example', ['Mail.Send'])).toBe('ErrorAccessDenied');
  expect(await send(shared, 'sam@contoso.example', ['Mail.Send.Shared'])).toBe('sent');
  expect(await send(shared, 'mia@contoso.example', ['Mail.Send.Shared'])).toBe('ErrorAccessDenied');
  const from = { emailAddress: { address: 'ada@contoso.example' } };
  const forged = { message: { ...body.message, from } };
  expect(await send('/me/sendMail', 'sam@contoso.example', ['Mail.Send'], forged)).toBe('ErrorSendAsDenied');
});

test('headers that are not x-…, recipients that are none, and bodies over 4 MB are refused', async () => {
  const sender = await server.mailbox();
  const send = (message: object) => server.graph('POST', `/users/${sender}/sendMail`, { body: { message } });
  const receiver = to('mia@contoso.example');
  const header = { internetMessageHeaders: [{ name: 'Auto-Submitted', value: 'x' }], toRecipients: receiver };
  expect((await send(header)).body.error?.code).toBe('InvalidInternetMessageHeader');
  expect((await send({ subject: 'Nobody' })).body.error?.code).toBe('ErrorInvalidRecipients');
  expect((await send({ toRecipients: to('no address') })).body.error?.code).toBe('ErrorInvalidRecipients');
  const content = 'x'.repeat(4 * 1024 * 1024);
  expect((await send({ toRecipients: receiver, body: { contentType: 'text', content } })).status).toBe(413);
});

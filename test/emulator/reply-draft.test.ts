import type { Message } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const to = (address: string) => [{ emailAddress: { address } }];
const INTERNET_HEADERS = '{00020386-0000-0000-C000-000000000046}';

async function inbox(address: string): Promise<Message[]> {
  const select = '$select=subject,conversationId,internetMessageHeaders,toRecipients,ccRecipients,body';
  const token = server.token(null, ['Mail.Read'], { tenant: address.slice(address.indexOf('@') + 1) });
  const path = `/users/${address}/mailFolders/inbox/messages?${select}`;
  return (await server.graph('GET', path, { token })).body.value ?? [];
}

async function sent(address: string, path: string, body?: unknown): Promise<Message> {
  const draft = await server.graph<Message>('POST', path, body === undefined ? {} : { body });
  expect(draft.status).toBe(201);
  expect((await server.graph('POST', `/users/${address}/messages/${draft.body.id}/send`)).status).toBe(202);
  return draft.body;
}

const headersOf = (message: Message | undefined) =>
  Object.fromEntries(
    (message?.internetMessageHeaders ?? []).map(({ name, value }) => [name?.toLowerCase(), value]),
  );

test('a reply takes what its message says, keeps the threading headers beside its own, and joins both conversations', async () => {
  const desk = await server.mailbox();
  const customer = await server.mailbox();
  const { body: first } = await server.graph<Message>('POST', `/users/${customer}/messages`, {
    body: { subject: 'Printer', toRecipients: to(desk) },
  });
  await server.graph('POST', `/users/${customer}/messages/${first.id}/send`);
  const [original] = await inbox(desk);
  const colleague = await server.mailbox();
  const draft = await sent(desk, `/users/${desk}/messages/${original?.id}/createReply`, {
    message: {
      subject: 'Re: Printer [#7]',
      toRecipients: to(customer),
      ccRecipients: to(colleague),
      body: { contentType: 'html', content: '<p>On it</p>' },
      internetMessageHeaders: [{ name: 'x-deskgraph-organization', value: 'o-1' }],
      singleValueExtendedProperties: [{ id: `String ${INTERNET_HEADERS} Name X-Later`, value: 'yes' }],
    },
  });
  const [reply] = await inbox(customer);
  const [copy] = await inbox(colleague);
  expect(reply).toMatchObject({ subject: 'Re: Printer [#7]', body: { content: '<p>On it</p>' } });
  expect(headersOf(reply)).toMatchObject({
    'in-reply-to': first.internetMessageId,
    references: first.internetMessageId,
    'x-deskgraph-organization': 'o-1',
    'x-later': 'yes',
    'message-id': draft.internetMessageId,
  });
  const own = await server.graph('GET', `/users/${customer}/mailFolders/sentitems/messages`);
  expect(reply?.conversationId).toBe(own.body.value?.[0]?.conversationId);
  expect(copy?.ccRecipients).toEqual([{ emailAddress: { name: colleague, address: colleague } }]);
});

test('properties 0x1042 and 0x1039 become In-Reply-To and References, also across tenants', async () => {
  const desk = await server.mailbox();
  const customer = 'dave@fabrikam.example';
  await sent(desk, `/users/${desk}/messages`, {
    subject: 'By property',
    toRecipients: to(customer),
    singleValueExtendedProperties: [
      { id: 'String 0x1042', value: '<b@x>' },
      { id: 'String 0x1039', value: '<a@x> <b@x>' },
    ],
  });
  const mail = (await inbox(customer)).find(({ subject }) => subject === 'By property');
  expect(headersOf(mail)).toMatchObject({ 'in-reply-to': '<b@x>', references: '<a@x> <b@x>' });
});

test('Auto-Submitted passes as MIME and as a property, unless Exchange drops it', async () => {
  const [desk, customer] = [await server.mailbox(), await server.mailbox()];
  const mime = Buffer.from(
    `From: a@b.example\r\nTo: ${customer}\r\nSubject: MIME\r\nAuto-Submitted: auto-replied\r\n\r\nHi`,
  ).toString('base64');
  const automatic = async () => headersOf((await inbox(customer))[0])['auto-submitted'];
  const { id } = await server.post(desk, { from: customer });
  await sent(desk, `/users/${desk}/messages/${id}/createReply`, mime);
  expect(await automatic()).toBe('auto-replied');
  await sent(desk, `/users/${desk}/messages`, {
    toRecipients: to(customer),
    singleValueExtendedProperties: [
      { id: `String ${INTERNET_HEADERS.toLowerCase()} Name Auto-Submitted`, value: 'auto-generated' },
    ],
  });
  expect(await automatic()).toBe('auto-generated');
  await server.control('PUT', `/mailboxes/${desk}/sending`, { dropsHeaders: ['auto-submitted'] });
  await sent(desk, `/users/${desk}/messages/${id}/createReply`, mime);
  expect(await automatic()).toBeUndefined();
});

test('a reply needs no body of its own, and a change of the draft takes its headers away from nobody', async () => {
  const desk = await server.mailbox();
  const { id, internetMessageId } = await server.post(desk, { from: 'dave@fabrikam.example' });
  const { body: draft } = await server.graph<Message>('POST', `/users/${desk}/messages/${id}/createReply`);
  const path = `/users/${desk}/messages/${draft.id}`;
  await server.graph('PATCH', path, {
    body: { subject: 'Changed', internetMessageHeaders: [{ name: 'x-late', value: '1' }] },
  });
  const { body } = await server.graph<Message>('GET', `${path}?$select=subject,internetMessageHeaders`);
  expect(body.subject).toBe('Changed');
  expect(headersOf(body)).toMatchObject({ 'in-reply-to': internetMessageId });
  expect(headersOf(body)['x-late']).toBeUndefined();
});

test('an id that is no extended property is refused', async () => {
  const desk = await server.mailbox();
  const answer = await server.graph('POST', `/users/${desk}/messages`, {
    body: { singleValueExtendedProperties: [{ id: 'String Outbox', value: '1' }] },
  });
  expect(answer.status).toBe(400);
});

import { readFile } from 'node:fs/promises';
import type { Attachment, FileAttachment, Message } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MailServer, startMailServer } from './mail-harness.ts';

const SELECT =
  '$select=subject,from,sender,toRecipients,ccRecipients,replyTo,body,uniqueBody,bodyPreview,internetMessageId,internetMessageHeaders,sentDateTime,hasAttachments,importance,conversationId,conversationIndex';

let server: MailServer;
let address: string;
beforeAll(async () => {
  server = await startMailServer();
  address = await server.mailbox();
});
afterAll(() => server[Symbol.asyncDispose]());

async function ingest(name: string, to = address): Promise<{ path: string; message: Message }> {
  const posted = await server.postEml(to, name);
  expect(posted.status, JSON.stringify(posted.body)).toBe(201);
  const path = `/users/${to}/messages/${posted.body.id}`;
  return { path, message: (await server.graph<Message>('GET', `${path}?${SELECT}`)).body };
}

async function attachmentsOf(path: string): Promise<(Attachment & FileAttachment)[]> {
  const { body } = await server.graph<{ value: (Attachment & FileAttachment)[] }>(
    'GET',
    `${path}/attachments`,
  );
  return body.value;
}

async function bytesOf(path: string): Promise<Buffer> {
  const response = await fetch(`${server.emulator.graphUrl}/v1.0${path}`, {
    headers: { authorization: `Bearer ${server.token(null)}` },
  });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

test('a plain mail becomes a message with its addresses, instants, headers in order, and its own bytes as source', async () => {
  const { path, message } = await ingest('plain.eml');
  expect(message).toMatchObject({
    subject: 'The printer on the second floor does not print',
    from: { emailAddress: { name: 'Carol Customer', address: 'carol@fabrikam.example' } },
    toRecipients: [{ emailAddress: { name: 'Contoso Support', address: 'support@contoso.example' } }],
    ccRecipients: [{ emailAddress: { name: 'Dorn, Dave', address: 'dave@fabrikam.example' } }],
    internetMessageId: '<plain-1@fabrikam.example>',
    sentDateTime: '2026-11-16T08:15:00Z',
    importance: 'high',
    hasAttachments: false,
    body: { contentType: 'text', content: expect.stringContaining('Error 49.4C02') },
  });
  expect(message.internetMessageHeaders?.slice(0, 3).map(({ name }) => name)).toEqual([
    'Return-Path',
    'Received',
    'Message-ID',
  ]);
  const source = await readFile(new URL('../fixtures/eml/plain.eml', import.meta.url));
  expect(await bytesOf(`${path}/$value`)).toEqual(source);
});

test('a reply joins the conversation of what it refers to, and its unique body leaves the quote out', async () => {
  const own = await server.mailbox();
  const { message: first } = await ingest('plain.eml', own);
  const { message: reply } = await ingest('reply.eml', own);
  expect(reply.conversationId).toBe(first.conversationId);
  expect(Buffer.from(String(reply.conversationIndex), 'base64')).toHaveLength(27);
  expect(reply.replyTo?.[0]?.emailAddress?.address).toBe('it-team@fabrikam.example');
  expect(reply.uniqueBody?.content).toContain('did not help');
  expect(reply.uniqueBody?.content).not.toContain('prints nothing');
  expect(reply.internetMessageHeaders).toContainEqual({
    name: 'In-Reply-To',
    value: '<plain-1@fabrikam.example>',
  });
});

test('an inline image is an inline attachment with the content id of the HTML, and does not count as an attachment', async () => {
  const { path, message } = await ingest('html-inline-image.eml');
  expect(message.hasAttachments).toBe(false);
  expect(message.body?.contentType).toBe('html');
  expect(message.body?.content).toContain('cid:shot-1@fabrikam.example');
  expect(message.body?.content).not.toContain('<script');
  const [image] = await attachmentsOf(path);
  expect(image).toMatchObject({
    isInline: true,
    contentId: 'shot-1@fabrikam.example',
    contentType: 'image/png',
    name: 'screenshot.png',
  });
  expect((await bytesOf(`${path}/attachments/${image?.id}/$value`)).subarray(1, 4).toString()).toBe('PNG');
});

test('attached files keep name, type and bytes; $select leaves the bytes out', async () => {
  const { path, message } = await ingest('attachment.eml');
  expect(message.hasAttachments).toBe(true);
  const [pdf, csv] = await attachmentsOf(path);
  expect(pdf).toMatchObject({
    '@odata.type': '#microsoft.graph.fileAttachment',
    name: 'order 4711.pdf',
    contentType: 'application/pdf',
    isInline: false,
  });
  expect(csv?.name).toBe('Stückliste.csv');
  const bytes = await bytesOf(`${path}/attachments/${csv?.id}/$value`);
  expect(bytes.toString()).toContain('Gehäuse;2');
  expect(csv?.size).toBe(bytes.length);
  expect(Buffer.from(String(csv?.contentBytes), 'base64')).toEqual(bytes);
  const selected = await server.graph<{ value: object[] }>('GET', `${path}/attachments?$select=id,name,size`);
  expect(Object.keys(selected.body.value[0] ?? {})).not.toContain('contentBytes');
});

test('umlauts and emoji survive encoded words and quoted-printable', async () => {
  const { message } = await ingest('umlauts-emoji.eml');
  expect(message.subject).toBe('Grüße aus Köln 🎉 – Änderung der Anschrift');
  expect(message.from?.emailAddress?.name).toBe('Jürgen Müller');
  expect(message.toRecipients?.[0]?.emailAddress?.name).toBe('Kundendienst – Contoso');
  expect(message.body?.content).toContain('Schönen guten Tag 👋');
  expect(message.body?.content).toContain('Das €-Konto');
});

test('a forwarded mail is an item attachment whose content is MIME', async () => {
  const { path, message } = await ingest('forwarded-rfc822.eml');
  expect(message.body?.content).not.toContain('wrong sum');
  const [item] = await attachmentsOf(path);
  expect(item).toMatchObject({ '@odata.type': '#microsoft.graph.itemAttachment', name: 'Invoice is wrong' });
  expect((await bytesOf(`${path}/attachments/${item?.id}/$value`)).toString()).toContain(
    'Message-ID: <invoice-9@fabrikam.example>',
  );
});

test('a mail without Message-ID gets one', async () => {
  const { message } = await ingest('no-message-id.eml');
  expect(message.internetMessageId).toMatch(/^<[^<>\s]+@[^<>\s]+>$/);
});

test('an automatic reply shows as such in PidTagMessageClass', async () => {
  const { path } = await ingest('auto-reply.eml');
  const expand = "$expand=singleValueExtendedProperties($filter=id eq 'String 0x001A')";
  const { body } = await server.graph<Message>('GET', `${path}?$select=body&${expand}`);
  expect(body.singleValueExtendedProperties).toEqual([
    { id: 'String 0x1a', value: 'IPM.Note.Rules.OofTemplate.Microsoft' },
  ]);
  expect(body.body?.content).toContain('nicht im Büro');
});

test('what is no mail answers 400 with the reason and leaves nothing behind', async () => {
  const own = await server.mailbox();
  for (const name of ['malformed.eml', 'malformed-no-boundary.eml']) {
    const answer = await server.postEml(own, name);
    expect(answer.status, name).toBe(400);
    expect(answer.body.error?.code).toBe('ErrorMimeContentInvalid');
  }
  expect((await server.control('GET', `/mailboxes/${own}`)).body).toMatchObject({ totalMessages: 0 });
});

test('the body comes in the form that is preferred', async () => {
  const { path } = await ingest('html-inline-image.eml');
  const text = await server.graph<Message>('GET', path, {
    headers: { prefer: 'outlook.body-content-type="text"' },
  });
  expect(text.body.body?.contentType).toBe('text');
  expect(text.body.body?.content).toContain('This is what I see:');
  expect(text.headers.get('preference-applied')).toBe('outlook.body-content-type="text"');
  const { path: plain } = await ingest('plain.eml');
  const html = await server.graph<Message>('GET', plain, {
    headers: { prefer: 'outlook.body-content-type="html"' },
  });
  expect(html.body.body).toMatchObject({ contentType: 'html', content: expect.stringContaining('<div') });
});

test('of a mail that is S/MIME-signed in the clear the text is the body, and all that was signed is one smime.p7m', async () => {
  const { path, message } = await ingest('smime-clear-signed.eml');
  expect(message.body?.content?.trim()).toBe('Please send two more.');
  const [signed, ...others] = await attachmentsOf(path);
  expect(signed).toMatchObject({ name: 'smime.p7m', contentType: 'multipart/signed', isInline: false });
  expect(others).toEqual([]);
  const source = await readFile(new URL('../fixtures/eml/smime-clear-signed.eml', import.meta.url));
  const entity = (await bytesOf(`${path}/attachments/${signed?.id}/$value`)).toString();
  expect(entity).toMatch(/^Content-Type: multipart\/signed; protocol="application\/pkcs7-signature";/);
  expect(entity.split('\r\n\r\n').slice(1)).toEqual(source.toString().split('\r\n\r\n').slice(1));
});

test('HTML nested ten thousand times is given out with its preview, and does not make the mailbox unreadable', async () => {
  const { id } = await server.post(address, { html: `Before${'<div>'.repeat(10_000)}inside` });
  const { status, body } = await server.graph<Message>('GET', `/users/${address}/messages/${id}`);
  expect(status).toBe(200);
  expect(body.bodyPreview).toContain('Before');
});

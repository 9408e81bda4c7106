import type { Message } from '@microsoft/microsoft-graph-types';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IMMUTABLE, type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const to = (address: string) => [{ emailAddress: { address } }];

async function newDraft(address: string, message: object, token?: string): Promise<Message> {
  const answer = await server.graph<Message>('POST', `/users/${address}/messages`, {
    body: { subject: 'Draft', ...message },
    headers: IMMUTABLE,
    ...(token === undefined ? {} : { token }),
  });
  expect(answer.status).toBe(201);
  return answer.body;
}

const send = (address: string, id: string | undefined, token?: string) =>
  server.graph('POST', `/users/${address}/messages/${id}/send`, token === undefined ? {} : { token });

async function folder(address: string, name: string): Promise<Message[]> {
  const path = `/users/${address}/mailFolders/${name}/messages?$select=subject,from,sender,isDraft,internetMessageId,internetMessageHeaders,conversationId`;
  const token = server.token(null, ['Mail.Read'], { tenant: address.slice(address.indexOf('@') + 1) });
  return (await server.graph('GET', path, { headers: IMMUTABLE, token })).body.value ?? [];
}

const rules = (address: string, body: object) => server.control('PUT', `/mailboxes/${address}/sending`, body);

test('a sent draft waits in the Outbox until its copy is in Sent Items, under its id, and cannot be sent again', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  await rules(sender, { sentCopyDelayMs: 3_600_000 });
  const { id } = await newDraft(sender, { toRecipients: to(receiver) });
  expect((await send(sender, id)).status).toBe(202);
  expect(await folder(receiver, 'inbox')).toHaveLength(1);
  expect((await folder(sender, 'outbox')).map((one) => [one.id, one.isDraft])).toEqual([[id, true]]);
  expect(await folder(sender, 'drafts')).toEqual([]);
  expect((await send(sender, id)).status).toBe(400);
  await server.control('POST', '/clock', { advanceSeconds: 3_600 });
  expect((await folder(sender, 'sentitems')).map((one) => [one.id, one.isDraft])).toEqual([[id, false]]);
  expect(await folder(sender, 'outbox')).toEqual([]);
  expect(await folder(receiver, 'inbox')).toHaveLength(1);
});

test('NOWHERE: meanwhile the draft cannot be read; newIdAfterSend: its copy has another id and the same properties', async () => {
  const [sender, receiver] = [await server.mailbox(), await server.mailbox()];
  await rules(sender, { sentCopyDelayMs: 60_000, whileSending: 'NOWHERE', newIdAfterSend: true });
  const property = { id: 'String {f0000000-0000-4000-8000-000000000001} Name Outbox', value: 'row-9' };
  const draft = await newDraft(sender, {
    toRecipients: to(receiver),
    singleValueExtendedProperties: [property],
  });
  await send(sender, draft.id);
  const path = `/users/${sender}/messages`;
  const filter = `?$filter=singleValueExtendedProperties/any(ep:ep/id eq '${property.id}' and ep/value eq 'row-9')`;
  expect((await server.graph('GET', `${path}/${draft.id}`)).status).toBe(404);
  expect((await server.graph('GET', path + filter)).body.value).toEqual([]);
  await server.control('POST', '/clock', { advanceSeconds: 61 });
  expect((await server.graph('GET', `${path}/${draft.id}`)).status).toBe(404);
  const found = await server.graph('GET', path + filter, { headers: IMMUTABLE });
  expect(found.body.value).toHaveLength(1);
  expect(found.body.value?.[0]).toMatchObject({ isDraft: false, internetMessageId: draft.internetMessageId });
  expect(found.body.value?.[0]?.id).not.toBe(draft.id);
});

test("the directory's name replaces that of the mail, and the primary address an alias, unless that is switched", async () => {
  const receiver = await server.mailbox();
  const alias = `alias-${receiver}`;
  const sender = await server.mailbox({ displayName: 'Real Name', aliases: [alias] });
  const from = { emailAddress: { name: 'Fancy', address: alias } };
  await send(sender, (await newDraft(sender, { toRecipients: to(receiver), from })).id);
  const real = { emailAddress: { name: 'Real Name', address: sender } };
  expect((await folder(receiver, 'inbox'))[0]).toMatchObject({ from: real, sender: real });
  expect((await folder(sender, 'sentitems'))[0]).toMatchObject({ from: real });
  await rules(sender, { directoryNameWins: false, sendFromAlias: true });
  await send(sender, (await newDraft(sender, { toRecipients: to(receiver), from })).id);
  expect((await folder(receiver, 'inbox'))[0]).toMatchObject({ from });
});

test('Send As leaves no trace, Send on Behalf names both, and without a right the send is refused and the draft stays', async () => {
  const [person, receiver] = [await server.mailbox({ displayName: 'Pat Person' }), await server.mailbox()];
  const shared = await server.mailbox({ kind: 'shared', displayName: 'Team' });
  const token = server.token(person, ['Mail.ReadWrite', 'Mail.Send']);
  const post = async () => {
    const draft = await newDraft(person, { toRecipients: to(receiver), from: to(shared)[0] }, token);
    return { draft, answer: await send(person, draft.id, token) };
  };
  const refused = await post();
  expect([refused.answer.status, refused.answer.body.error?.code]).toEqual([403, 'ErrorSendAsDenied']);
  expect((await folder(person, 'drafts')).map(({ id }) => id)).toEqual([refused.draft.id]);

  await server.control('PATCH', `/mailboxes/${shared}`, { sendOnBehalf: [person] });
  await rules(shared, { messageCopyForSendOnBehalf: true });
  await post();
  const [onBehalf] = await folder(receiver, 'inbox');
  expect(onBehalf).toMatchObject({
    from: { emailAddress: { name: 'Team', address: shared } },
    sender: { emailAddress: { name: 'Pat Person', address: person } },
  });
  expect(onBehalf?.internetMessageHeaders).toContainEqual({
    name: 'Sender',
    value: `"Pat Person" <${person}>`,
  });
  expect(await folder(shared, 'sentitems')).toHaveLength(1);

  await server.control('PATCH', `/mailboxes/${shared}`, { sendAs: [person] });
  await post();
  const [as] = await folder(receiver, 'inbox');
  expect(as?.sender).toEqual(as?.from);
  // Only copies of what is sent on behalf were switched on.
  expect(await folder(shared, 'sentitems')).toHaveLength(1);
  expect(await folder(person, 'sentitems')).toHaveLength(2);
});

test('an application sends as another mailbox with the rights of the one it addresses', async () => {
  const [own, other, receiver] = [await server.mailbox(), await server.mailbox(), await server.mailbox()];
  const message = { toRecipients: to(receiver), from: to(other)[0] };
  expect((await send(own, (await newDraft(own, message)).id)).status).toBe(403);
  await server.control('PATCH', `/mailboxes/${other}`, { sendAs: [own] });
  expect((await send(own, (await newDraft(own, message)).id)).status).toBe(202);
  expect((await folder(receiver, 'inbox'))[0]?.from?.emailAddress?.address).toBe(other);
});

test('copyGoesToSender: what a person sends from a shared mailbox is filed with the person', async () => {
  const [person, receiver] = [await server.mailbox(), await server.mailbox()];
  const shared = await server.mailbox({ kind: 'shared', fullAccess: [person] });
  await rules(shared, { copyGoesToSender: true });
  const token = server.token(person, ['Mail.ReadWrite.Shared', 'Mail.Send.Shared']);
  const { id } = await newDraft(shared, { toRecipients: to(receiver) }, token);
  expect((await send(shared, id, token)).status).toBe(202);
  expect([await folder(shared, 'sentitems'), await folder(shared, 'drafts')]).toEqual([[], []]);
  expect(await folder(person, 'sentitems')).toHaveLength(1);
});

test('addresses can be changed, and the directory tells them', async () => {
  const address = await server.mailbox({ displayName: 'Before' });
  const proxyAddresses = [`SMTP:new-${address}`, `smtp:${address}`, `smtp:third-${address}`];
  await server.control('PATCH', `/mailboxes/${address}`, { proxyAddresses, displayName: 'After' });
  const path = `/users/${address}?$select=mail,userPrincipalName,proxyAddresses,displayName`;
  const { body } = await server.graph<object>('GET', path, { token: server.token(null, ['User.Read.All']) });
  expect(body).toMatchObject({
    mail: `new-${address}`,
    userPrincipalName: address,
    proxyAddresses,
    displayName: 'After',
  });
  const from = await server.mailbox();
  await send(from, (await newDraft(from, { toRecipients: to(`third-${address}`) })).id);
  expect(await folder(address, 'inbox')).toHaveLength(1);
});

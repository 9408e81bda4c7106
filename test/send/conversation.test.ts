import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply, upload } from '../outbound/reply-desk.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { headerOf, newCustomer } from './customer.ts';

let app: TestApp;
let desk: Desk;
let mailbox: { mailboxId: string; address: string };
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk('Conversation');
  mailbox = await desk.connectMailbox(undefined, { sends: true });
  await desk.enable(mailbox.mailboxId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Listed {
  id: string;
  subject: string;
  messages: { edges: { node: { kind: string; strippedText: string; internetMessageId: string | null } }[] };
}

/** The tickets with this subject and their messages. */
async function ticketsOf(subject: string): Promise<Listed[]> {
  const { tickets } = await desk.request<{ tickets: { edges: { node: Listed }[] } }>(
    `query ($text: String!) { tickets(first: 10, filter: { text: $text }) { edges { node { id subject
       messages(first: 100) { edges { node { kind strippedText internetMessageId } } } } } } }`,
    { text: subject },
  );
  return tickets.edges.map(({ node }) => node);
}

test('ten turns between an agent and a customer stay one ticket here and one conversation there', async () => {
  const customer = await newCustomer(app.emulator);
  await customer.writes(mailbox.address, 'My order', 'Where is my order?');
  const ticketId = await eventually('the ticket is there', async () => {
    await desk.sync(mailbox.mailboxId);
    return (await ticketsOf('My order'))[0]?.id ?? false;
  });
  const saying: string[] = ['INBOUND Where is my order?'];
  for (let turn = 1; turn <= 5; turn += 1) {
    const text = `Agent, turn ${turn}`;
    const { code } = await reply(app.url, desk.apiKey, { ticketId, text });
    expect(code).toBeUndefined();
    saying.push(`OUTBOUND ${text}`);
    const received = await customer.gets(`the customer gets turn ${turn}`, ({ body }) =>
      (body?.content ?? '').includes(text),
    );
    await customer.answers(received, `Customer, turn ${turn}`);
    saying.push(`INBOUND Customer, turn ${turn}`);
    await eventually(`turn ${turn} joins the ticket`, async () => {
      await desk.sync(mailbox.mailboxId);
      return (await ticketsOf('My order'))[0]?.messages.edges.length === saying.length;
    });
  }
  const tickets = await ticketsOf('My order');
  expect(tickets).toHaveLength(1);
  const messages = tickets[0]?.messages.edges.map(({ node }) => node) ?? [];
  expect(messages.map(({ kind, strippedText }) => `${kind} ${strippedText}`)).toEqual(saying);

  const theirs = [...(await customer.messages()), ...(await customer.messages('sentitems'))];
  expect(theirs).toHaveLength(11);
  expect(new Set(theirs.map(({ conversationId }) => conversationId)).size).toBe(1);
  // Every program threads by these (RFC 5322, 3.6.4): each of ours answers the customer's mail before it, and names all.
  const answers = (await customer.messages()).toReversed();
  const written = (await customer.messages('sentitems')).toReversed();
  expect(answers.map((mail) => headerOf(mail, 'In-Reply-To'))).toEqual(
    written.slice(0, 5).map(({ internetMessageId }) => internetMessageId),
  );
  const last = answers.at(-1);
  const chain = last ? (headerOf(last, 'References') ?? '').split(/\s+/) : [];
  expect(chain).toEqual(
    expect.arrayContaining(written.slice(0, 5).map(({ internetMessageId }) => internetMessageId)),
  );
  // Our own Message-IDs are those of the mails that arrived.
  expect(messages.filter(({ kind }) => kind === 'OUTBOUND').map((one) => one.internetMessageId)).toEqual(
    answers.map(({ internetMessageId }) => internetMessageId),
  );
  expect(answers.map(({ subject }) => subject)).toEqual(answers.map(() => answers[0]?.subject));
}, 180_000);

test('a reply with 20 MB arrives intact, from the right address and name, in the customer’s thread', async () => {
  const customer = await newCustomer(app.emulator);
  await customer.writes(mailbox.address, 'The plans', 'Please send the plans.');
  const ticketId = await eventually('the ticket is there', async () => {
    await desk.sync(mailbox.mailboxId);
    return (await ticketsOf('The plans'))[0]?.id ?? false;
  });
  const content = new Uint8Array(20 * 1024 * 1024);
  for (let i = 0; i < content.length; i += 1) content[i] = (i * 31 + (i >> 11)) & 0xff;
  const uploadId = await upload(app.url, desk.apiKey, content, {
    name: 'plans.zip',
    contentType: 'application/zip',
  });
  const { outboundMessage, code } = await reply(app.url, desk.apiKey, {
    ticketId,
    text: 'Here they are.',
    uploadIds: [uploadId],
  });
  expect(code).toBeUndefined();
  const received = await eventually(
    'the reply arrives',
    async () =>
      (await customer.messages()).find(({ subject }) => subject?.startsWith('Re: The plans')) ?? false,
    90_000,
  );
  expect(await customer.files(received)).toEqual([
    {
      name: 'plans.zip',
      sizeBytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    },
  ]);
  const [asked] = await customer.messages('sentitems');
  expect(received.from?.emailAddress).toMatchObject({ address: mailbox.address });
  expect(received.from?.emailAddress?.name).toBeTruthy();
  expect(headerOf(received, 'In-Reply-To')).toBe(asked?.internetMessageId);
  expect(headerOf(received, 'References')).toContain(asked?.internetMessageId ?? '');
  expect(received.conversationId).toBe(asked?.conversationId);
  await eventually('the mail is told to be sent', async () => {
    const { node } = await desk.request<{ node: { state: string } }>(
      'query ($id: ID!) { node(id: $id) { ... on OutboundMessage { state } } }',
      { id: outboundMessage?.id },
    );
    return node.state === 'SENT';
  });
}, 180_000);

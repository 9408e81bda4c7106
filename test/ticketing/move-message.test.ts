import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, type TestMail } from '../support/mail.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

interface Shown {
  id: string;
  number: number;
  version: number;
  requester: { emailAddress: string };
  messages: { edges: { node: { id: string; kind: string; text: string; subject: string } }[] };
}

async function open() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const receive = async (mail: Omit<TestMail, 'to'>) => {
    const { internetMessageId } = await deliver(app.emulator.url, { to: address, ...mail });
    await desk.sync(mailboxId);
    return internetMessageId;
  };
  return { desk, receive };
}
const tickets = async (desk: Desk) => {
  const { tickets: found } = await desk.request<{ tickets: { edges: { node: Shown }[] } }>(
    `{ tickets(orderBy: { field: NUMBER, direction: ASC }) { edges { node { id number version requester { emailAddress }
       messages { edges { node { id kind text subject } } } } } } }`,
  );
  return found.edges.map(({ node }) => node);
};
const mailsOf = (ticket: Shown | undefined) =>
  ticket?.messages.edges.flatMap(({ node }) => (node.kind === 'INBOUND' ? node.subject : []));
const move = async (desk: Desk, messageId: string | undefined, ticketId?: string | null) =>
  (
    await desk.request<{ moveMessageToTicket: { ticket?: { number: number }; code?: string } }>(
      `mutation ($input: MoveMessageToTicketInput!) { moveMessageToTicket(input: $input) {
         ... on MoveMessageToTicketPayload { ticket { number } message { id } } ... on Error { code } } }`,
      { input: { messageId, ticketId } },
    )
  ).moveMessageToTicket;
const mailId = (ticket: Shown | undefined, subject: string) =>
  ticket?.messages.edges.find(({ node }) => node.subject === subject && node.kind === 'INBOUND')?.node.id;

test('a message moves into an existing ticket, replies to it follow, and the ledger and both tickets say so', async () => {
  const { desk, receive } = await open();
  await receive({ subject: 'Printer' });
  const second = await receive({ subject: 'Scanner' });
  const [printer, scanner] = await tickets(desk);
  expect(await move(desk, mailId(scanner, 'Scanner'), printer?.id)).toMatchObject({ ticket: { number: 1 } });
  await receive({ subject: 'Re: Scanner', inReplyTo: second });
  const after = await tickets(desk);
  expect(after.map(mailsOf)).toEqual([['Printer', 'Scanner', 'Re: Scanner'], []]);
  expect(after[1]?.messages.edges.map(({ node }) => node.text)).toEqual([
    'The message “Scanner” was moved to ticket #1.',
  ]);
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: { reason: string; explanation: string } }[] };
  }>('{ inboundMessages { edges { node { subject outcome reason explanation ticket { number } } } } }');
  expect(inboundMessages.edges[1]?.node).toEqual({
    subject: 'Scanner',
    outcome: 'REPLY_ADDED',
    reason: 'MOVED',
    explanation:
      'A new conversation: it refers to no other message. A person moved it from ticket #2 to ticket #1 later.',
    ticket: { number: 1 },
  });
});

test('a message moves into a ticket of its own, of who wrote it, and replies to it follow', async () => {
  const { desk, receive } = await open();
  const original = await receive({ subject: 'Printer' });
  const other = await receive({
    subject: 'Re: Printer',
    inReplyTo: original,
    from: 'Bob <bob@fabrikam.example>',
  });
  const [printer] = await tickets(desk);
  const messageId = mailId(printer, 'Re: Printer');
  expect(await move(desk, messageId)).toMatchObject({ ticket: { number: 2 } });
  await receive({ subject: 'Re: Re: Printer', inReplyTo: other });
  const [first, second] = await tickets(desk);
  expect([first, second].map(mailsOf)).toEqual([['Printer'], ['Re: Printer', 'Re: Re: Printer']]);
  expect(second?.requester.emailAddress).toBe('bob@fabrikam.example');
});

test('what is so already changes nothing', async () => {
  const { desk, receive } = await open();
  await receive({ subject: 'Printer' });
  const before = await tickets(desk);
  const [printer] = before;
  expect(await move(desk, mailId(printer, 'Printer'), printer?.id)).toMatchObject({ ticket: { number: 1 } });
  expect(await move(desk, mailId(printer, 'Printer'))).toMatchObject({ ticket: { number: 1 } });
  expect(await tickets(desk)).toEqual(before);
});

test('another organization’s message and ticket do not exist', async () => {
  const [ours, theirs] = [await open(), await open()];
  for (const { receive } of [ours, theirs]) await receive({ subject: 'Printer' });
  const [[our], [their]] = [await tickets(ours.desk), await tickets(theirs.desk)];
  expect(await move(ours.desk, mailId(their, 'Printer'), our?.id)).toEqual({ code: 'NOT_FOUND' });
  expect(await move(ours.desk, mailId(our, 'Printer'), their?.id)).toEqual({ code: 'NOT_FOUND' });
});

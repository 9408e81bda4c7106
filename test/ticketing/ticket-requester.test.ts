import { afterAll, beforeAll, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const SET = `mutation ($input: SetTicketRequesterInput!) { setTicketRequester(input: $input) {
  ... on SetTicketRequesterPayload { ticket { version requester { id name emailAddress } } }
  ... on Error { code message } } }`;

interface Answer {
  ticket?: { version: number; requester: { id: string; name: string; emailAddress: string } };
  code?: string;
}

async function set(desk: Desk, input: Record<string, unknown>): Promise<Answer> {
  const { setTicketRequester } = await desk.request<{ setTicketRequester: Answer }>(SET, { input });
  return setTicketRequester;
}

interface Shown {
  id: string;
  version: number;
  requester: { id: string; emailAddress: string };
  messages: {
    edges: {
      node: { id: string; kind: string; text: string; forwardedFrom: { emailAddress: string } | null };
    }[];
  };
}

async function read(desk: Desk, number = 1): Promise<Shown> {
  const { ticket } = await desk.request<{ ticket: Shown }>(
    `query ($number: Int!) { ticket(number: $number) { id version requester { id emailAddress }
       messages { edges { node { id kind text forwardedFrom { emailAddress } } } } } }`,
    { number },
  );
  return ticket;
}

/** A desk whose first ticket is a mail that a colleague has forwarded. */
async function open() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await deliver(app.emulator.url, {
    to: address,
    from: 'Cora Colleague <cora@contoso.example>',
    subject: 'Fwd: Printer',
    text: 'Can you help?\n\nFrom: Dora Customer <Dora@Fabrikam.example>\nSent: Friday, 20 November 2026 09:00\nTo: Cora\nSubject: Printer\n\nIt smokes.',
  });
  await desk.sync(mailboxId);
  return { desk, address, mailboxId, ticket: await read(desk) };
}

const notes = ({ messages }: Shown) => messages.edges.filter(({ node }) => node.kind === 'NOTE');

test('the offer of a forwarded mail is taken in one call; a note keeps who it was', async () => {
  const { desk, ticket } = await open();
  const [message] = ticket.messages.edges;
  expect(message?.node.forwardedFrom).toEqual({ emailAddress: 'dora@fabrikam.example' });
  const answer = await set(desk, { ticketId: ticket.id, forwardedMessageId: message?.node.id });
  expect(answer.ticket?.requester).toMatchObject({
    name: 'Dora Customer',
    emailAddress: 'dora@fabrikam.example',
  });
  const after = await read(desk);
  expect(after.version).toBeGreaterThan(ticket.version);
  expect(notes(after).map(({ node }) => node.text)).toEqual([
    'The requester is dora@fabrikam.example now; it was cora@contoso.example.',
  ]);
});

test('the offer of a mail that was forwarded as an attachment is taken from the header of the attached one', async () => {
  const { desk, address, mailboxId } = await open();
  const original =
    'From: Ann Original <ann@origin.example>\r\nSubject: Scanner\r\n\r\nFrom: nobody@else.example';
  await deliver(app.emulator.url, {
    to: address,
    from: 'Cora Colleague <cora@contoso.example>',
    subject: 'Fwd: Scanner',
    text: 'And this one?',
    attachments: [
      {
        name: 'Scanner.eml',
        contentType: 'message/rfc822',
        contentBytes: Buffer.from(original).toString('base64'),
      },
    ],
  });
  await desk.sync(mailboxId);
  const offered = await eventually('the attached mail is stored', async () => {
    const ticket = await read(desk, 2);
    return ticket.messages.edges[0]?.node.forwardedFrom?.emailAddress === 'ann@origin.example' && ticket;
  });
  const forwardedMessageId = offered.messages.edges[0]?.node.id;
  const { ticket } = await set(desk, { ticketId: offered.id, forwardedMessageId });
  expect(ticket?.requester).toMatchObject({ name: 'Ann Original', emailAddress: 'ann@origin.example' });
});

test('a contact or an address is taken as well, and who it is already changes nothing', async () => {
  const { desk, ticket } = await open();
  const cora = ticket.requester.id;
  const named = { ticketId: ticket.id, emailAddress: 'Ann@New.example', name: 'Ann' };
  const first = await set(desk, named);
  expect(first.ticket?.requester).toMatchObject({ name: 'Ann', emailAddress: 'ann@new.example' });
  expect(await set(desk, named)).toEqual(first);
  expect(notes(await read(desk))).toHaveLength(1);
  expect((await set(desk, { ticketId: ticket.id, contactId: cora })).ticket?.requester.id).toBe(cora);
  expect(notes(await read(desk))).toHaveLength(2);
});

test('the new requester is answered by the token of the ticket, as a stranger is not', async () => {
  const { desk, address, mailboxId, ticket } = await open();
  await set(desk, { ticketId: ticket.id, emailAddress: 'ann@new.example' });
  for (const from of ['Ann <ann@new.example>', 'Mallory <mallory@elsewhere.example>']) {
    await deliver(app.emulator.url, { to: address, from, subject: '[#1] it still smokes' });
  }
  await desk.sync(mailboxId);
  const mails = (await read(desk)).messages.edges.filter(({ node }) => node.kind === 'INBOUND');
  expect(mails).toHaveLength(2);
  expect((await read(desk, 2)).requester.emailAddress).toBe('mallory@elsewhere.example');
});

test('who listens to the ticket is told, once', async () => {
  const { desk, ticket } = await open();
  const from = Buffer.from('0.0').toString('base64url');
  const updates = async (count: number) => {
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${desk.apiKey}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({
        query: `subscription { ticketUpdated(after: "${from}") { cursor ticket { requester { emailAddress } } } }`,
      }),
      // Events wait for the oldest transaction of the whole server, and other files have theirs.
      signal: AbortSignal.timeout(SLOW_MACHINE),
    });
    let text = '';
    const told = () => [...text.matchAll(/"emailAddress":"([^"]+)"/g)].map(([, address]) => address);
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (told().length >= count) break;
    }
    return told();
  };
  const ann = { ticketId: ticket.id, emailAddress: 'ann@new.example' };
  for (const input of [ann, ann, { ...ann, emailAddress: 'ben@new.example' }]) await set(desk, input);
  expect(await updates(2)).toEqual(['ben@new.example', 'ben@new.example']);
});

test('two ways at once, none, an address that is none and a mail that forwards nothing are refused', async () => {
  const { desk, address, mailboxId, ticket } = await open();
  await deliver(app.emulator.url, { to: address, subject: 'Scanner', text: 'From: me@x.example' });
  await desk.sync(mailboxId);
  const other = await read(desk, 2);
  const plain = other.messages.edges[0]?.node.id;
  const forwarded = ticket.messages.edges[0]?.node.id;
  const ask = async (input: Record<string, unknown>) => (await set(desk, input)).code;
  expect(await ask({ ticketId: ticket.id })).toBe('INVALID_INPUT');
  const both = { contactId: other.requester.id, emailAddress: 'a@b.example' };
  expect(await ask({ ticketId: ticket.id, ...both })).toBe('INVALID_INPUT');
  expect(await ask({ ticketId: ticket.id, emailAddress: 'nobody' })).toBe('INVALID_INPUT');
  expect(await ask({ ticketId: other.id, forwardedMessageId: plain })).toBe('INVALID_INPUT');
  expect(await ask({ ticketId: other.id, forwardedMessageId: forwarded })).toBe('NOT_FOUND');
  expect(await ask({ ticketId: ticket.id, emailAddress: 'a@b.example', expectedVersion: 99 })).toBe(
    'TICKET_CHANGED',
  );
  expect(await read(desk)).toEqual(ticket);
});

test('a VIEWER may not, and nothing of another organization can be named', async () => {
  const [ours, theirs] = [await open(), await open()];
  const { secret } = await signIn(app.database, ours.desk.organizationId, 'VIEWER');
  const input = { ticketId: ours.ticket.id, emailAddress: 'a@b.example' };
  await expect(graphqlRequest(app.url, secret, SET, { input })).rejects.toThrow();
  const ask = async (more: Record<string, unknown>) =>
    (await set(ours.desk, { ticketId: ours.ticket.id, ...more })).code;
  expect(await ask({ ticketId: theirs.ticket.id, emailAddress: 'a@b.example' })).toBe('NOT_FOUND');
  expect(await ask({ contactId: theirs.ticket.requester.id })).toBe('NOT_FOUND');
  expect(await ask({ forwardedMessageId: theirs.ticket.messages.edges[0]?.node.id })).toBe('NOT_FOUND');
  expect(await read(ours.desk)).toEqual(ours.ticket);
  expect(await read(theirs.desk)).toEqual(theirs.ticket);
});

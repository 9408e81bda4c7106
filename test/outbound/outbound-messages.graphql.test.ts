import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeId, encodeGlobalId } from '../../src/graphql/global-id.ts';
import { signIn } from '../access/harness.ts';
import { subscribeOverSocket } from '../server/harness.ts';
import { graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { type OutboxDesk, openOutbox } from './outbox-desk.ts';

let app: TestApp;
let outbox: OutboxDesk;
beforeAll(async () => {
  app = await startTestApp();
  outbox = await openOutbox(app);
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function newTicket(): Promise<string> {
  const { createTicket } = await outbox.desk.request<{ createTicket: { ticket: { id: string } } }>(
    `mutation { createTicket(input: { subject: "A question", text: "Hello", requesterEmail: "ada@example.com" }) {
       ... on CreateTicketPayload { ticket { id } } ... on Error { message } } }`,
  );
  return createTicket.ticket.id;
}

const rowIdOf = (globalId: string) => decodeId('Ticket', globalId);

test('the outbox lists what fits a filter, with all that is known of it', async () => {
  const ticket = await newTicket();
  const bcc = [{ name: null, emailAddress: 'secret@fabrikam.example' }];
  const id = await outbox.queue({ kind: 'REPLY', ticketId: rowIdOf(ticket), bcc });
  await outbox.reaches(id, 'SENT');
  const query = `query ($filter: OutboundMessageFilter) { outboundMessages(first: 10, filter: $filter) { edges { node {
    id kind state problem { code } waitingFor subject from { emailAddress } to { emailAddress } bcc { emailAddress }
    attempts queuedAt sentAt sentCopy internetMessageId identity { emailAddress } mailbox { id } ticket { id } } } } }`;
  const list = async (filter: object, key = outbox.desk.apiKey) => {
    const data = await graphqlRequest<{
      outboundMessages: { edges: { node: { id: string; bcc: object[] } }[] };
    }>(app.url, key, query, { filter });
    return data.outboundMessages.edges.map(({ node }) => node);
  };
  const [found] = await list({ ticketId: ticket, state: ['SENT'], kind: ['REPLY'] });
  expect(found).toMatchObject({
    id: encodeGlobalId('OutboundMessage', id),
    state: 'SENT',
    problem: null,
    waitingFor: null,
    from: { emailAddress: outbox.address },
    bcc: [{ emailAddress: 'secret@fabrikam.example' }],
    identity: { emailAddress: outbox.address },
    mailbox: { id: encodeGlobalId('Mailbox', outbox.mailboxId) },
    ticket: { id: ticket },
    attempts: 1,
  });
  expect(await list({ ticketId: ticket, state: ['FAILED'] })).toEqual([]);
  const viewer = await signIn(app.database, outbox.desk.organizationId, 'VIEWER');
  const [seen] = await list({ ticketId: ticket }, viewer.secret);
  expect(seen?.bcc).toEqual([]);
});

test('what becomes of the mails of a ticket comes live, and from a cursor after a cut', async () => {
  const ticket = await newTicket();
  const other = await newTicket();
  const query = (after = '') => `subscription { outboundMessageChanged(ticketId: "${ticket}"${after}) {
    cursor outboundMessage { id state } } }`;
  interface Event {
    outboundMessageChanged: { cursor: string; outboundMessage: { id: string; state: string } };
  }
  const live = subscribeOverSocket(app.url, outbox.desk.apiKey, query());
  const next = async (stream: typeof live) =>
    ((await stream.next())?.data as Event | undefined)?.outboundMessageChanged;
  const own: string[] = [];
  const queue = async () => {
    const queued = await outbox.queue({ ticketId: rowIdOf(ticket) });
    own.push(encodeGlobalId('OutboundMessage', queued));
    return queued;
  };
  let stands = false;
  const earliest = next(live).finally(() => {
    stands = true;
  });
  // When a subscription stands is not told; that a mail of after that has come through is.
  while (!stands) await outbox.reaches(await queue(), 'SENT');
  await outbox.queue({ ticketId: rowIdOf(other) });
  const id = await queue();
  let first = await earliest;
  while (first?.outboundMessage.id !== own.at(-1)) {
    expect(own).toContain(first?.outboundMessage.id);
    first = await next(live);
  }
  await outbox.reaches(id, 'SENT');
  const resumed = subscribeOverSocket(app.url, outbox.desk.apiKey, query(`, after: "${first?.cursor}"`));
  let last = await next(resumed);
  while (last?.outboundMessage.id !== own.at(-1) || last?.outboundMessage.state !== 'SENT') {
    expect(own).toContain(last?.outboundMessage.id);
    last = await next(resumed);
  }
});

test('copies that lie in Sent Items are nothing to warn of', async () => {
  const own = await openOutbox(app);
  const ids = [await own.queue(), await own.queue()];
  for (const id of ids) await own.reaches(id, 'SENT');
  await eventually(
    'the copies are looked at',
    async () => (await Promise.all(ids.map(own.read))).every(({ sentCopy }) => sentCopy === 'FOUND'),
    40_000,
  );
  const { node } = await own.desk.request<{ node: { outgoing: { warnings: { code: string }[] } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing { warnings { code } } } } }',
    { id: encodeGlobalId('Mailbox', own.mailboxId) },
  );
  expect(node.outgoing.warnings).toEqual([]);
});

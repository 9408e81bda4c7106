import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliverMany, type TestMail } from '../support/mail.ts';

let app: TestApp;
let desk: Desk;
let mailboxId: string;
let otherId: string;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
  const [support, sales] = [await desk.connectMailbox(), await desk.connectMailbox()];
  mailboxId = support.mailboxId;
  otherId = sales.mailboxId;
  await desk.enable(mailboxId);
  await desk.enable(otherId, { createTickets: false });
  const at = (minute: number) => new Date(Date.now() + minute * 60_000).toISOString().slice(0, 19);
  const mails: (Omit<TestMail, 'to'> & { headers?: Record<string, string> })[] = [
    { subject: 'First', messageId: '<first@x.example>', receivedDateTime: `${at(3)}Z` },
    { subject: 'Robot', headers: { 'Auto-Submitted': 'auto-replied' }, receivedDateTime: `${at(1)}Z` },
    { subject: 'Re: First', inReplyTo: '<first@x.example>', receivedDateTime: `${at(5)}Z` },
    { subject: 'Dave', from: 'Dave <Dave@fabrikam.example>', receivedDateTime: `${at(2)}Z` },
  ];
  await deliverMany(
    app.emulator.url,
    mails.map((mail) => ({ to: support.address, ...mail })),
  );
  await desk.sync(mailboxId);
  await deliverMany(app.emulator.url, [{ to: sales.address, subject: 'Off', receivedDateTime: `${at(4)}Z` }]);
  await desk.sync(otherId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Row {
  subject: string;
  receivedAt: string;
}

async function list(filter: Record<string, unknown>, page = '', by: Desk = desk) {
  const { inboundMessages } = await by.request<{
    inboundMessages: {
      edges: { cursor: string; node: Row }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
  }>(
    `query ($filter: InboundMessageFilter) { inboundMessages(filter: $filter ${page}) {
       edges { cursor node { subject receivedAt } } pageInfo { hasNextPage endCursor } } }`,
    { filter },
  );
  return inboundMessages;
}
const subjects = async (filter: Record<string, unknown>, by: Desk = desk) =>
  (await list(filter, '', by)).edges.map(({ node }) => node.subject);
const ticketId = async (number: number) =>
  (await desk.request<{ ticket: { id: string } }>(`{ ticket(number: ${number}) { id } }`)).ticket.id;
const timeOf = async (subject: string) =>
  (await list({})).edges.find(({ node }) => node.subject === subject)?.node.receivedAt;

test('by reason, one or several, also of one mailbox', async () => {
  expect(await subjects({ reason: ['AUTO_REPLY'] })).toEqual(['Robot']);
  expect((await subjects({ reason: ['AUTO_REPLY', 'TICKETS_OFF'] })).sort()).toEqual(['Off', 'Robot']);
  expect(await subjects({ reason: ['AUTO_REPLY', 'TICKETS_OFF'], mailboxId: otherId })).toEqual(['Off']);
  expect(await subjects({ reason: ['AUTO_REPLY'], outcome: ['TICKET_CREATED'] })).toEqual([]);
  expect(await subjects({ reason: [] })).toEqual([]);
});

test('by sender, in upper or lower case', async () => {
  expect(await subjects({ fromAddress: ' DAVE@fabrikam.example ' })).toEqual(['Dave']);
  expect(await subjects({ fromAddress: 'carol@fabrikam.example', reason: ['REFERENCES'] })).toEqual([
    'Re: First',
  ]);
  expect(await subjects({ fromAddress: 'nobody@fabrikam.example' })).toEqual([]);
});

test('by ticket; of a ticket of another organization there is nothing', async () => {
  const numbers = await Promise.all(
    [1, 2].map(async (number) => subjects({ ticketId: await ticketId(number) })),
  );
  expect(numbers.map((found) => found.length).sort()).toEqual([1, 2]);
  expect(numbers.flat().sort()).toEqual(['Dave', 'First', 'Re: First']);
  const other = await app.newDesk();
  expect(await subjects({ ticketId: await ticketId(1) }, other)).toEqual([]);
});

test('by time of receipt: from included, until not, in the order of receipt, page by page', async () => {
  const all = ['Re: First', 'Off', 'First', 'Dave', 'Robot'];
  expect(await subjects({ receivedFrom: '2020-01-01T00:00:00Z' })).toEqual(all);
  const [from, until] = [await timeOf('Dave'), await timeOf('Off')];
  expect(await subjects({ receivedFrom: from, receivedUntil: until })).toEqual(['First', 'Dave']);
  expect(await subjects({ receivedFrom: from, receivedUntil: until, mailboxId })).toEqual(['First', 'Dave']);
  expect(await subjects({ receivedUntil: from })).toEqual(['Robot']);
  const filter = { receivedFrom: '2020-01-01T00:00:00Z' };
  const seen: string[] = [];
  for (let after = ''; ; ) {
    const { edges, pageInfo } = await list(filter, `first: 2 ${after}`);
    seen.push(...edges.map(({ node }) => node.subject));
    if (!pageInfo.hasNextPage) break;
    after = `after: "${pageInfo.endCursor}"`;
  }
  expect(seen).toEqual(all);
});

test('a cursor of the one order is refused in the other: it would hide rows without a word', async () => {
  const { edges } = await list({}, 'first: 1');
  await expect(
    list({ receivedFrom: '2020-01-01T00:00:00Z' }, `after: "${edges[0]?.cursor}"`),
  ).rejects.toThrow(/cursor/i);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { isCopyOf } from '../../src/ticketing/copies.ts';
import { InboundMessage } from '../../src/ticketing/inbound-message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { addMailbox, createDesk, type Desk, ingest, mail } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const em = (desk: Desk) => forkFor(own.database, desk.organizationId);
const tickets = (desk: Desk) => em(desk).find(Ticket, {}, { orderBy: { number: 'asc' } });
const ledger = (desk: Desk) =>
  em(desk).find(InboundMessage, {}, { orderBy: { createdAt: 'asc', id: 'asc' } });
const from = (emailAddress: string) => ({ from: { name: null, emailAddress } });

describe('a mail is a copy', () => {
  const known = { mailboxId: 'a', contentDigest: 'x', ticket: { id: 't', number: 1 } };
  test.each([
    ['in the same mailbox', 'x', 'a', 'SEPARATE', true],
    ['in another one', 'x', 'b', 'ONE_TICKET', true],
    ['in another one, when each has its own ticket', 'x', 'b', 'SEPARATE', false],
    ['of other content', 'y', 'a', 'ONE_TICKET', false],
    ['without a Message-ID', null, 'a', 'ONE_TICKET', false],
  ] as const)('%s', (_name, contentDigest, mailboxId, policy, expected) => {
    expect(isCopyOf({ contentDigest, formerDigest: null, mailboxId }, known, policy)).toBe(expected);
  });
});

test('one mail to two mailboxes is one ticket and two rows of the ledger', async () => {
  const desk = await createDesk(own.database);
  const other = await addMailbox(own.database, desk.organizationId, desk.accountId, 'sales@example.com');
  const one = mail();
  await ingest(own.database, desk, [one]);
  await ingest(own.database, { ...desk, mailbox: other }, [{ ...one, graphMessageId: 'over-there' }]);
  const [ticket] = await tickets(desk);
  expect(await tickets(desk)).toHaveLength(1);
  const rows = await ledger(desk);
  expect(rows.map(({ ticket: its }) => its?.id)).toEqual([ticket?.id, ticket?.id]);
  expect(rows[1]).toMatchObject({ outcome: 'IGNORED', reason: 'DUPLICATE' });
  expect(rows[1]?.explanation).toBe(
    'Ignored: the same mail came to another mailbox too, and is in ticket #1.',
  );
});

test('mail without a Message-ID is never a copy', async () => {
  const desk = await createDesk(own.database);
  const one = mail({ internetMessageId: null });
  const result = await ingest(own.database, desk, [one, { ...one, graphMessageId: 'again' }]);
  expect(result).toMatchObject({ created: 1, appended: 1, ignored: 0 });
});

test('the same Message-ID from another sender is another message, and says so', async () => {
  const desk = await createDesk(own.database);
  const one = mail();
  await ingest(own.database, desk, [one]);
  await ingest(own.database, desk, [
    { ...one, graphMessageId: 'forged', ...from('mallory@elsewhere.example') },
  ]);
  expect(await tickets(desk)).toHaveLength(2);
  expect((await ledger(desk))[1]?.explanation).toMatch(/#1 has the same Message-ID but another sender/);
});

test('a reply to a Message-ID of several tickets joins the one of its sender, else the oldest', async () => {
  const desk = await createDesk(own.database);
  const internetMessageId = `<form-${crypto.randomUUID()}@site>`;
  const people = ['ann@a.example', 'ben@b.example', 'cem@c.example'];
  await ingest(
    own.database,
    desk,
    people.map((address) => mail({ internetMessageId, ...from(address) })),
  );
  const replies = [...people, 'stranger@d.example'].map((address) =>
    mail({ inReplyTo: [internetMessageId], ...from(address) }),
  );
  expect(await ingest(own.database, desk, replies)).toMatchObject({ appended: 4 });
  const numbers = new Map((await tickets(desk)).map(({ id, number }) => [id, number]));
  const rows = await em(desk).find(InboundMessage, { reason: 'REFERENCES' });
  const ticketOf = (address: string) =>
    numbers.get(rows.find(({ fromAddress }) => fromAddress === address)?.ticket?.id ?? '');
  expect([...people, 'stranger@d.example'].map(ticketOf)).toEqual([1, 2, 3, 1]);
  for (const { explanation } of rows) expect(explanation).toMatch(/same Message-ID/);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { InboundMessage } from '../../src/ticketing/inbound-message.entity.ts';
import { fateOfReply } from '../../src/ticketing/reopening.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { createDesk, type Desk, ingest, mail } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const DAY = 24 * 60 * 60 * 1_000;
const CLOSED = new Date('2026-10-01T12:00:00Z');
const daysLater = (days: number) => new Date(CLOSED.getTime() + days * DAY);
const em = (desk: Desk) => forkFor(own.database, desk.organizationId);
const tickets = (desk: Desk) => em(desk).find(Ticket, {}, { orderBy: { number: 'asc' } });

describe('a reply', () => {
  const open = { id: 'old', number: 1, closedAt: null };
  const closed = { ...open, closedAt: CLOSED };
  const next = { id: 'next', number: 2, closedAt: null };
  test.each([
    ['to an open ticket joins it', open, null, 100, true, { joins: 'old' }],
    ['on the day of the closing opens it again', closed, null, 0, true, { joins: 'old' }],
    ['from before the closing, read late, opens it again', closed, null, -30, true, { joins: 'old' }],
    ['within the period opens it again', closed, null, 14, true, { joins: 'old' }],
    ['after the period follows it up', closed, null, 14.01, true, { followsUp: 'old' }],
    ['joins what follows it up', closed, next, 30, true, { joins: 'next' }],
    ['reopens what follows it up', closed, { ...next, closedAt: daysLater(20) }, 30, true, { joins: 'next' }],
    [
      'follows up the last one',
      closed,
      { ...next, closedAt: daysLater(20) },
      60,
      true,
      { followsUp: 'next' },
    ],
    ['opens the old one where none are opened', closed, null, 60, false, { joins: 'old' }],
  ] as const)('%s', (_name, ticket, newest, days, createTickets, expected) => {
    const fate = fateOfReply(ticket, newest, {
      at: daysLater(days),
      createTickets,
      reopenWithinDays: 14,
    });
    expect(
      Object.fromEntries(Object.entries(fate).map(([key, to]) => [key, (to as { id?: string })?.id])),
    ).toEqual({
      ...expected,
      because: undefined,
    });
  });
});

async function closedTicket() {
  const desk = await createDesk(own.database);
  const original = mail({ receivedAt: daysLater(-1) });
  await ingest(own.database, desk, [original]);
  await em(desk).nativeUpdate(Ticket, {}, { status: 'CLOSED', closedAt: CLOSED });
  const reply = (days: number) =>
    mail({ inReplyTo: [original.internetMessageId ?? ''], receivedAt: daysLater(days) });
  return { desk, reply };
}

test('within the period the ticket opens again', async () => {
  const { desk, reply } = await closedTicket();
  expect(await ingest(own.database, desk, [reply(13)])).toMatchObject({ appended: 1, created: 0 });
  expect(await tickets(desk)).toMatchObject([{ status: 'OPEN', closedAt: null }]);
});

test('later a new ticket is linked to the old one, and what follows joins that, in one page or in several', async () => {
  const { desk, reply } = await closedTicket();
  expect(await ingest(own.database, desk, [reply(20), reply(21)])).toMatchObject({ created: 1, appended: 1 });
  expect(await ingest(own.database, desk, [reply(22)])).toMatchObject({ created: 0, appended: 1 });
  const [old, next, ...none] = await tickets(desk);
  expect(none).toEqual([]);
  expect(old).toMatchObject({ status: 'CLOSED', closedAt: CLOSED, followUpOfId: null });
  expect(next).toMatchObject({ status: 'OPEN', followUpOfId: old?.id });
  const rows = await em(desk).find(InboundMessage, {}, { orderBy: { receivedAt: 'asc' } });
  expect(rows.map(({ reason }) => reason)).toEqual([
    'NEW_CONVERSATION',
    'FOLLOW_UP',
    'REFERENCES',
    'REFERENCES',
  ]);
  expect(rows[1]?.explanation).toMatch(
    /ticket #1\. Ticket #1 was closed more than 14 days before: a new ticket/,
  );
  expect(rows[3]?.explanation).toMatch(/goes on in ticket #2/);
});

test('and when that was closed long ago as well, the next follows it up', async () => {
  const { desk, reply } = await closedTicket();
  await ingest(own.database, desk, [reply(20)]);
  await em(desk).nativeUpdate(Ticket, { number: 2 }, { status: 'CLOSED', closedAt: daysLater(21) });
  await ingest(own.database, desk, [reply(60)]);
  await ingest(own.database, desk, [reply(61)]);
  const [, second, third, ...none] = await tickets(desk);
  expect(none).toEqual([]);
  expect(third?.followUpOfId).toBe(second?.id);
});

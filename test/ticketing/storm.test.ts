import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { forkFor } from '../../src/platform/database.ts';
import { InboundMessage } from '../../src/ticketing/inbound-message.entity.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { createDesk, type Desk, ingest, mail } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const em = (desk: Desk) => forkFor(own.database, desk.organizationId);
const tickets = (desk: Desk) => em(desk).find(Ticket, {}, { orderBy: { number: 'asc' } });
const ledger = (desk: Desk) =>
  em(desk).find(InboundMessage, {}, { orderBy: { receivedAt: 'asc', id: 'asc' } });

async function deskWithLimit(limit: number | null): Promise<Desk> {
  const desk = await createDesk(own.database);
  await em(desk).execute('update organization set storm_limit = ?, ticket_storm_limit = ? where id = ?', [
    limit,
    limit,
    desk.organizationId,
  ]);
  return desk;
}

const START = Date.parse('2026-11-21T09:00:00Z');
const at = (minutes: number) => new Date(START + minutes * 60_000);
/** Mails of one robot without any header, one a minute. */
const flood = (count: number, from = 0, parts: Partial<IncomingMail> = {}) =>
  Array.from({ length: count }, (_, index) => mail({ receivedAt: at(from + index), ...parts }));

describe('a flood of one sender', () => {
  test('becomes one ticket with a warning; nothing is lost', async () => {
    const desk = await deskWithLimit(3);
    await ingest(own.database, desk, flood(10));
    expect((await tickets(desk)).map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    const rows = await ledger(desk);
    expect(rows.map(({ outcome, reason }) => `${outcome} ${reason}`)).toEqual([
      ...Array.from({ length: 3 }, () => 'TICKET_CREATED NEW_CONVERSATION'),
      'TICKET_CREATED STORM',
      ...Array.from({ length: 6 }, () => 'REPLY_ADDED STORM'),
    ]);
    expect(new Set(rows.slice(3).map(({ ticket }) => ticket?.id)).size).toBe(1);
    const messages = await em(desk).find(Message, {}, { populate: ['text'] });
    expect(messages.filter(({ kind }) => kind === 'INBOUND')).toHaveLength(10);
    const notes = messages.filter(({ kind }) => kind === 'NOTE');
    expect(notes.map(({ text }) => text)).toEqual([
      'A storm: carla@customer.example has opened 3 tickets within an hour. Further messages join this ticket, and nothing answers them.',
    ]);
    expect(messages.filter(({ automatic }) => automatic === 'STORM')).toHaveLength(8);
  });

  test('also when each mail comes in a page of its own', async () => {
    const desk = await deskWithLimit(3);
    for (const one of flood(8)) await ingest(own.database, desk, [one]);
    expect(await tickets(desk)).toHaveLength(4);
    const notes = await em(desk).count(Message, { kind: 'NOTE' });
    expect(notes).toBe(1);
  });

  test('is over after an hour, and never touches other senders', async () => {
    const desk = await deskWithLimit(3);
    const from = { name: null, emailAddress: 'dora@customer.example' };
    await ingest(own.database, desk, [...flood(6), ...flood(3, 0, { from })]);
    expect(await tickets(desk)).toHaveLength(4 + 3);
    await ingest(own.database, desk, flood(1, 70));
    expect(await tickets(desk)).toHaveLength(4 + 3 + 1);
  });

  test('a storm ticket that was closed is left closed: the next mail opens another', async () => {
    const desk = await deskWithLimit(2);
    await ingest(own.database, desk, flood(4));
    await em(desk).execute(
      `update ticket set status = 'CLOSED', closed_at = now() where organization_id = ? and number = 3`,
      [desk.organizationId],
    );
    await ingest(own.database, desk, flood(2, 4));
    expect((await tickets(desk)).map(({ status }) => status)).toEqual(['OPEN', 'OPEN', 'CLOSED', 'OPEN']);
  });

  test('is no flood in an organization without a limit: the control', async () => {
    const desk = await deskWithLimit(null);
    await ingest(own.database, desk, flood(10));
    expect(await tickets(desk)).toHaveLength(10);
  });
});

test('two robots that answer each other in a ticket stop reopening it', async () => {
  const desk = await deskWithLimit(3);
  const first = mail({ receivedAt: at(0) });
  await ingest(own.database, desk, [first]);
  const answer = (minute: number) =>
    mail({ receivedAt: at(minute), inReplyTo: [first.internetMessageId ?? ''] });
  await ingest(own.database, desk, [answer(1), answer(2)]);
  await em(desk).execute(`update ticket set status = 'CLOSED', closed_at = ? where organization_id = ?`, [
    at(3),
    desk.organizationId,
  ]);
  await ingest(own.database, desk, [answer(4)]);
  expect((await tickets(desk)).map(({ status }) => status)).toEqual(['CLOSED']);
  const rows = await ledger(desk);
  expect(rows.at(-1)).toMatchObject({ outcome: 'REPLY_ADDED', reason: 'REFERENCES' });
  expect(rows.at(-1)?.explanation).toContain('has sent 3 messages to this ticket within an hour');
  await ingest(own.database, desk, [answer(90)]);
  expect((await tickets(desk)).map(({ status }) => status)).toEqual(['OPEN']);
});

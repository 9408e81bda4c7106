import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InvalidInputError } from '../../src/errors.ts';
import { forkFor } from '../../src/platform/database.ts';
import { InvalidCursorError } from '../../src/platform/keyset.ts';
import { listInboundMessages } from '../../src/ticketing/inbound-message-list.ts';
import { attachmentsOf, listMessages } from '../../src/ticketing/message-list.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { listTickets, type TicketFilter, type TicketListArguments } from '../../src/ticketing/ticket-list.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { createDesk, type Desk, ingest, mail } from './fixtures.ts';

let own: TestDatabase;
let desk: Desk;
beforeAll(async () => {
  own = await cloneDatabase();
  desk = await createDesk(own.database);
  await ingest(
    own.database,
    desk,
    Array.from({ length: 25 }, (_, i) =>
      mail({
        subject: i % 5 === 0 ? `100%_sure ${i}` : `Subject ${i}`,
        from: { name: null, emailAddress: `customer-${i % 3}@example.org` },
        receivedAt: new Date(Date.UTC(2026, 10, 21, 9, 0, 25 - i)),
      }),
    ),
  );
  const em = forkFor(own.database, desk.organizationId);
  await em.nativeUpdate(
    Ticket,
    { number: { $lte: 5 } },
    { status: 'CLOSED', tags: ['done', 'old'], priority: 'HIGH' },
  );
});
afterAll(() => own[Symbol.asyncDispose]());

const list = (args: TicketListArguments) => listTickets(forkFor(own.database, desk.organizationId), args);
const numbers = (page: { edges: { node: Ticket }[] }) => page.edges.map(({ node }) => node.number);

describe('paging', () => {
  const orders = (['createdAt', 'lastMessageAt', 'number'] as const).flatMap((field) =>
    (['asc', 'desc'] as const).map((direction) => ({ field, direction })),
  );
  test.each(orders)(
    'forwards and backwards by $field $direction meets every ticket once, in the same order',
    async (orderBy) => {
      const forward: number[] = [];
      for (let after: string | null = null; ; ) {
        const page = await list({ first: 7, after, orderBy });
        forward.push(...numbers(page));
        if (!page.pageInfo.hasNextPage) break;
        after = page.pageInfo.endCursor;
      }
      const backward: number[] = [];
      for (let before: string | null = null; ; ) {
        const page = await list({ last: 7, before, orderBy });
        backward.unshift(...numbers(page));
        if (!page.pageInfo.hasPreviousPage) break;
        before = page.pageInfo.startCursor;
      }
      expect(new Set(forward).size).toBe(25);
      expect(backward).toEqual(forward);
      if (orderBy.field === 'number') {
        const sorted = Array.from({ length: 25 }, (_, i) => i + 1);
        expect(forward).toEqual(orderBy.direction === 'asc' ? sorted : sorted.reverse());
      }
    },
  );

  test('is stable while tickets are inserted: none twice, none missed', async () => {
    const busy = await createDesk(own.database);
    const page = (args: TicketListArguments) => listTickets(forkFor(own.database, busy.organizationId), args);
    const fill = () => ingest(own.database, busy, [mail(), mail(), mail()]);
    for (let i = 0; i < 4; i += 1) await fill();
    const seen: number[] = [];
    for (let after: string | null = null; ; ) {
      const next = await page({ first: 5, after });
      seen.push(...numbers(next));
      await fill(); // newer tickets come in at the front, as in life
      if (!next.pageInfo.hasNextPage) break;
      after = next.pageInfo.endCursor;
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => 12 - i));
  });

  test('refuses cursors that are damaged, of another order or of nothing', async () => {
    const { pageInfo } = await list({ first: 1, orderBy: { field: 'number', direction: 'asc' } });
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const uuid = '00000000-0000-7000-8000-000000000000';
    const cursors = [
      'x',
      '%%%',
      pageInfo.endCursor?.slice(0, -5),
      pageInfo.endCursor,
      encode(['createdAt desc', 'd', 'yesterday', uuid]),
      encode(['createdAt desc', 'd', '+275760-09-13T00:00:00.000Z', uuid]),
      encode(['createdAt desc', 'd', '-271821-04-20T00:00:00.000Z', uuid]),
      encode(['createdAt desc', 'd', '0000-01-01T00:00:00.000Z', uuid]),
      encode(['createdAt desc', 'd', 8.64e15, uuid]),
      encode(['createdAt desc', 's', 'a\u0000b', uuid]),
      encode(['createdAt desc', 'n', 1, uuid]),
      encode(['createdAt desc', 'd', '2026-11-21T00:00:00.000Z', "'; drop table ticket; --"]),
      encode({ length: 4 }),
      encode(null),
    ];
    for (const after of cursors) {
      await expect(list({ after }), String(after)).rejects.toThrow(InvalidCursorError);
    }
    const odd = encode(['number asc', 'n', 1e300, uuid]);
    await expect(list({ after: odd, orderBy: { field: 'number', direction: 'asc' } })).rejects.toThrow(
      InvalidCursorError,
    );
  });

  test('refuses pages that are too long or have two ends', async () => {
    for (const args of [{ first: 101 }, { first: -1 }, { last: 101 }, { first: 1, last: 1 }]) {
      await expect(list(args)).rejects.toThrow(InvalidInputError);
    }
    expect((await list({})).edges).toHaveLength(20);
  });
});

describe('the filter', () => {
  const cases: [name: string, filter: TicketFilter, count: number][] = [
    ['nothing', {}, 25],
    ['status', { status: ['CLOSED'] }, 5],
    ['several statuses', { status: ['CLOSED', 'OPEN'] }, 25],
    ['no status', { status: [] }, 0],
    ['priority', { priority: ['HIGH', 'URGENT'] }, 5],
    ['tag', { tag: 'old' }, 5],
    ['unknown tag', { tag: "o'ld" }, 0],
    ['requester in any case', { requesterEmail: ' Customer-1@Example.org ' }, 8],
    ['unassigned', { unassigned: true }, 25],
    ['assigned', { unassigned: false }, 0],
    ['text in any case', { text: 'SUBJECT' }, 20],
    ['text with what means something to LIKE', { text: '100%_s' }, 5],
    ['text with a backslash', { text: '\\' }, 0],
    ['text with a NUL', { text: 'Sub\u0000ject' }, 20],
    ['everything at once', { status: ['CLOSED'], tag: 'done', text: '100%' }, 1],
  ];
  test.each(cases)('%s', async (_name, filter, count) => {
    expect((await list({ first: 100, filter })).edges).toHaveLength(count);
  });

  test('by mailbox, and by one of another organization', async () => {
    const other = await createDesk(own.database);
    expect((await list({ first: 100, filter: { mailboxId: desk.mailbox.id } })).edges).toHaveLength(25);
    expect((await list({ filter: { mailboxId: other.mailbox.id } })).edges).toHaveLength(0);
  });

  test('refuses what is not an id, a status or too long', async () => {
    for (const filter of [{ mailboxId: 'x' }, { status: ['GONE' as 'OPEN'] }, { text: 'x'.repeat(201) }]) {
      await expect(list({ filter })).rejects.toThrow(InvalidInputError);
    }
  });
});

test('lists show nothing of another organization', async () => {
  const em = forkFor(own.database, (await createDesk(own.database)).organizationId);
  const ticket = (await list({ first: 1 })).edges[0]?.node;
  expect((await listTickets(em, {})).edges).toEqual([]);
  expect((await listInboundMessages(em, {})).edges).toEqual([]);
  expect((await listMessages(em, ticket?.id ?? '', {})).edges).toEqual([]);
});

test("a ticket's messages come in the order in which they were received, also those of one page", async () => {
  const busy = await createDesk(own.database);
  const original = mail({ subject: 'first', receivedAt: new Date('2026-11-21T08:00:00Z') });
  const inReplyTo = [original.internetMessageId ?? ''];
  const third = mail({ subject: 'third', inReplyTo, receivedAt: new Date('2026-11-21T08:02:00Z') });
  const second = mail({ subject: 'second', inReplyTo, receivedAt: new Date('2026-11-21T08:01:00Z') });
  await ingest(own.database, busy, [third, second, original]);
  const em = forkFor(own.database, busy.organizationId);
  const ticket = await em.findOneOrFail(Ticket, { number: 1 });
  const { edges } = await listMessages(em, ticket.id, {});
  expect(edges.map(({ node }) => node.subject)).toEqual(['first', 'second', 'third']);
  expect(await Promise.all(edges.map(({ node }) => attachmentsOf(em, node.id)))).toEqual([[], [], []]);
});

test('the ledger is filtered by mailbox, outcome and Message-ID', async () => {
  const em = forkFor(own.database, desk.organizationId);
  const all = await listInboundMessages(em, { first: 100, filter: { mailboxId: desk.mailbox.id } });
  expect(all.edges).toHaveLength(25);
  const internetMessageId = all.edges[0]?.node.internetMessageId ?? null;
  expect((await listInboundMessages(em, { filter: { internetMessageId } })).edges).toHaveLength(1);
  expect((await listInboundMessages(em, { filter: { outcome: ['FAILED', 'IGNORED'] } })).edges).toEqual([]);
});

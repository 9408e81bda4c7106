import { afterAll, beforeAll, expect, test } from 'vitest';
import { DAY } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { encodeCursor } from '../../src/realtime/cursor.ts';
import { forgetForeignEvents } from '../../src/realtime/event-log.ts';
import { createPruneEvents, EVENT_RETENTION } from '../../src/realtime/prune.jobs.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { commitEvents, follow, numberOf, othersAreThrough, startProcess } from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const newOrganization = async () => (await createTestOrganization(own.database)).id;
const START = Date.UTC(2030, 0, 1);

async function prune(now: number): Promise<void> {
  const handler = createPruneEvents({ database: own.database, clock: { now: () => new Date(now) } });
  await othersAreThrough(own);
  const context = { logger: createLogger('silent'), attempt: 1, isLastAttempt: false };
  await handler.handle({}, { ...context, signal: new AbortController().signal });
}

/** Lets the organization's events with these numbers be as old as the others are new. */
async function date(organizationId: string, milliseconds: number, numbers: readonly number[]): Promise<void> {
  await own.database.em.fork().execute(
    `update event set created_at = ?::timestamptz where organization_id = ?::uuid
        and (payload->>'ticketId')::int in (select jsonb_array_elements_text(?::jsonb)::int)`,
    [new Date(milliseconds).toISOString(), organizationId, JSON.stringify(numbers)],
  );
}

test('a cursor expires when events after it are gone, and not when nothing happened after it', async () => {
  const [busy, quiet] = [await newOrganization(), await newOrganization()];
  const bus = await startProcess(own);
  const [inBusy, inQuiet] = [follow(bus, busy), follow(bus, quiet)];
  await commitEvents(own, busy, [1, 2, 3, 4]);
  await commitEvents(own, quiet, [1]);
  const [first, second, third] = await inBusy.take(4);
  const [only] = await inQuiet.take(1);
  await date(busy, START, [1, 2]);
  await date(quiet, START, [1]);
  await date(busy, START + DAY, [3, 4]);

  await prune(START + EVENT_RETENTION + 1);
  await prune(START + EVENT_RETENTION + 1);
  const resume = (organization: string, cursor: string | undefined) =>
    follow(bus, organization, { after: cursor });
  await expect(resume(busy, first?.cursor).next()).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  expect((await resume(busy, second?.cursor).take(2)).map(numberOf)).toEqual([3, 4]);
  expect((await resume(busy, third?.cursor).take(1)).map(numberOf)).toEqual([4]);

  // The quiet organization's last event is gone as well, but nothing came after it.
  const waiting = resume(quiet, only?.cursor);
  await commitEvents(own, quiet, [2]);
  expect((await waiting.take(1)).map(numberOf)).toEqual([2]);
});

test('a cursor from the future, as of another database, is expired and not silent for ever', async () => {
  const organization = await newOrganization();
  const bus = await startProcess(own);
  const after = encodeCursor({ transaction: 2n ** 62n, position: 1n });
  await expect(follow(bus, organization, { after }).next()).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
});

test('what a dump of another cluster brought is forgotten, and what is ours is kept', async () => {
  const organization = await newOrganization();
  const bus = await startProcess(own);
  const follower = follow(bus, organization);
  await commitEvents(own, organization, [1, 2]);
  const [first] = await follower.take(2);
  const em = own.database.em.fork();
  await em.execute(
    `update event set transaction = '4611686018427387904' where organization_id = ?::uuid
      and payload->>'ticketId' = '2'`,
    [organization],
  );
  await em.execute(`insert into event_watermark values (?::uuid, '4611686018427387904', 1)`, [organization]);

  await forgetForeignEvents(own.database);
  await commitEvents(own, organization, [3]);
  const resumed = follow(bus, organization, { after: first?.cursor });
  expect((await resumed.take(1)).map(numberOf)).toEqual([3]);
});

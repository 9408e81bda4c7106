import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../../src/platform/database.ts';
import { readEnd, readTail } from '../../src/realtime/event-log.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';
import {
  commitEvents,
  follow,
  killAllConnections,
  killListeners,
  numbered,
  numberOf,
  openTransaction,
  othersAreThrough,
  range,
  startProcess,
} from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const isConnected = ({ em }: Database) =>
  em
    .fork()
    .transactional((tx) => tx.execute('select 1'))
    .then(
      () => true,
      () => false,
    );

const newOrganization = async () => (await createTestOrganization(own.database)).id;

test('a transaction that took its number first and commits last is neither skipped nor repeated', async () => {
  const organization = await newOrganization();
  const [here, there] = [await startProcess(own), await startProcess(own)];
  const followers = [follow(here, organization), follow(there, organization)];
  const start = here.position;

  const slow = await openTransaction(own, organization);
  await recordEvents(slow.em, organization, [numbered(1)]);
  await commitEvents(own, organization, [2]);
  // The control: event 2 is committed and has the higher number, and a reader by number alone would take it now.
  const [committed] = await own.database.em
    .fork()
    .execute<{ count: number }[]>('select count(*)::int from event where organization_id = ?::uuid', [
      organization,
    ]);
  expect(committed).toEqual({ count: 1 });
  expect(await readTail(own.database, start, 10)).toEqual({ events: [], isHeldBack: true });

  await slow.commit();
  for (const follower of followers) {
    expect((await follower.take(2)).map(numberOf)).toEqual([1, 2]);
  }
  expect(followers[0]?.received).toEqual(followers[1]?.received);
  const inLog = await readTail(own.database, start, 10);
  expect(inLog.isHeldBack).toBe(false);
  expect(inLog.events.map(({ cursor }) => cursor)).toEqual(
    followers[0]?.received.map(({ cursor }) => cursor),
  );
});

test('an event held back is delivered within milliseconds of the end of the transaction that held it', async () => {
  const organization = await newOrganization();
  const bus = await startProcess(own);
  const follower = follow(bus, organization);
  const slow = await openTransaction(own, organization);
  await recordEvents(slow.em, organization, [numbered(1)]);
  await commitEvents(own, organization, [2]);
  await eventually('the bus has found that it may not deliver event 2 yet', () => bus.isHeldBack);
  expect(follower.received).toEqual([]);

  const pending = follower.next();
  // Rolled back: no notification says that event 2 may go now.
  await slow.rollback();
  // Who has been writing in another database since before holds event 2 back as well.
  await othersAreThrough(own);
  const endedAt = performance.now();
  expect(numberOf((await pending) ?? expect.fail('ended'))).toBe(2);
  expect(performance.now() - endedAt).toBeLessThan(2_000);
});

test('2,000 events of 8 concurrent writers: every subscriber of every process sees each once, in one order', async () => {
  const organization = await newOrganization();
  const other = await newOrganization();
  const buses = [await startProcess(own), await startProcess(own)];
  const followers = buses.flatMap((bus) => [follow(bus, organization), follow(bus, organization)]);
  const strangers = buses.map((bus) => follow(bus, other));

  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let round = 0; round < 25; round++) {
      const start = writer * 250 + round * 10;
      const early = await openTransaction(own, organization);
      const late = await openTransaction(own, organization);
      await recordEvents(early.em, organization, range(start, start + 3).map(numbered));
      await recordEvents(late.em, organization, range(start + 3, start + 8).map(numbered));
      await recordEvents(early.em, organization, range(start + 8, start + 10).map(numbered));
      // Who came later commits first, and the numbers of the two are interleaved.
      await late.commit();
      await early.commit();
    }
  });
  const reading = Promise.all(followers.map((follower) => follower.take(2_000)));
  await Promise.all(writers);
  const all = await reading;

  const [first] = all;
  expect(first?.map(numberOf).sort((left, right) => left - right)).toEqual(range(0, 2_000));
  for (const events of all) expect(events).toEqual(first);
  expect(strangers.map(({ received }) => received)).toEqual([[], []]);
});

test('killing the LISTEN connections in the middle of the stream loses nothing', async () => {
  const organization = await newOrganization();
  const bus = await startProcess(own);
  const follower = follow(bus, organization);
  const reading = follower.take(300);
  for (let round = 0; round < 3; round++) {
    await commitEvents(own, organization, range(round * 100, round * 100 + 50));
    expect(await killListeners(own)).toBeGreaterThan(0);
    await commitEvents(own, organization, range(round * 100 + 50, round * 100 + 100));
    await eventually('the connection is back', async () => {
      const [row] = await own.database.em.fork().execute<{ count: number }[]>(
        `select count(*)::int from pg_stat_activity
            where application_name = 'deskgraph-listen' and datname = current_database()`,
      );
      return (row?.count ?? 0) > 0;
    });
  }
  expect((await reading).map(numberOf)).toEqual(range(0, 300));
});

test('losing every connection, those that read included, loses nothing', async () => {
  const organization = await newOrganization();
  const bus = await startProcess(own);
  const follower = follow(bus, organization);
  const reading = follower.take(30);
  for (let round = 0; round < 3; round++) {
    await commitEvents(own, organization, range(round * 10, round * 10 + 5));
    expect(await killAllConnections(own)).toBeGreaterThan(0);
    // The writer may find the connection dead in the first instant; it does not know about the killing.
    await eventually('the writer has a connection', () => isConnected(own.database));
    await commitEvents(own, organization, range(round * 10 + 5, round * 10 + 10));
  }
  expect((await reading).map(numberOf)).toEqual(range(0, 30));
});

test('the end of the log lies after every event that can be read and before every other', async () => {
  const organization = await newOrganization();
  // Else the end lies before the events of the tests above, and what was committed cannot be read yet.
  await othersAreThrough(own);
  const before = await readEnd(own.database);
  const slow = await openTransaction(own, organization);
  await recordEvents(slow.em, organization, [numbered(1)]);
  const during = await readEnd(own.database);
  await slow.commit();
  await othersAreThrough(own);
  const numbersAfter = async (position: typeof before) =>
    (await readTail(own.database, position, 10)).events.map(numberOf);
  expect(await numbersAfter(before)).toEqual([1]);
  expect(await numbersAfter(during)).toEqual([1]);
  expect(await numbersAfter(await readEnd(own.database))).toEqual([]);
});

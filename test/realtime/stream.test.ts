import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExpectedError } from '../../src/errors.ts';
import { forkFor } from '../../src/platform/database.ts';
import { encodeCursor } from '../../src/realtime/cursor.ts';
import { readTail } from '../../src/realtime/event-log.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import { streamEvents } from '../../src/realtime/stream.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';
import {
  ALL_TYPES,
  commitEvents,
  follow,
  numbered,
  numberOf,
  openTransaction,
  range,
  startProcess,
} from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const newOrganization = async () => (await createTestOrganization(own.database)).id;

describe('resuming', () => {
  test('after a cut at every position, in another process: the rest comes once, in order, then the live events', async () => {
    const organization = await newOrganization();
    const [here, there] = [await startProcess(own), await startProcess(own)];
    const whole = follow(here, organization);
    await commitEvents(own, organization, range(0, 20));
    const events = await whole.take(20);
    const resumed = events.map(({ cursor }) => follow(there, organization, { after: cursor }));

    await commitEvents(own, organization, range(20, 25));
    for (const [index, follower] of resumed.entries()) {
      expect((await follower.take(24 - index)).map(numberOf)).toEqual(range(index + 1, 25));
    }
  });

  test('while events keep coming: no gap and no repetition at the seam', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const whole = follow(bus, organization);
    const writing = commitEvents(own, organization, range(0, 400));
    const [first] = await whole.take(1);
    const seams = Array.from({ length: 10 }, async () => {
      const follower = follow(bus, organization, { after: first?.cursor });
      return (await follower.take(399)).map(numberOf);
    });
    await writing;
    for (const numbers of await Promise.all(seams)) expect(numbers).toEqual(range(1, 400));
  });

  test('over more events than a page and a buffer hold', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const whole = follow(bus, organization);
    await commitEvents(own, organization, [0]);
    const [first] = await whole.take(1);
    const em = forkFor(own.database, organization);
    await em.transactional((tx) => recordEvents(tx, organization, range(1, 2_501).map(numbered)));
    const late = await startProcess(own);
    const follower = follow(late, organization, { after: first?.cursor });
    expect((await follower.take(2_500)).map(numberOf)).toEqual(range(1, 2_501));
  });

  test('in a process whose tail is behind the client: what the client has seen is not repeated', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const ahead = await openTransaction(own, organization);
    await recordEvents(ahead.em, organization, range(0, 4).map(numbered));
    const positions = await ahead.em.execute<{ transaction: string; position: string }[]>(
      'select transaction::text, position::text from event where organization_id = ?::uuid order by position',
      [organization],
    );
    // The bus cannot have these events yet; a client may, from a process that is ahead of this one.
    await commitEvents(own, organization, [4]);
    const [, second] = positions.map(({ transaction, position }) =>
      encodeCursor({ transaction: BigInt(transaction), position: BigInt(position) }),
    );
    const follower = follow(bus, organization, { after: second });
    const pending = follower.take(3);
    await eventually('it is subscribed', () => bus.subscriberCount === 1);
    await ahead.commit();
    expect((await pending).map(numberOf)).toEqual([2, 3, 4]);
  });

  test.each(['garbage', ''])('from the malformed cursor %j is refused at once', async (after) => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const { signal } = new AbortController();
    expect(() =>
      streamEvents(bus, { organizationId: organization, types: ALL_TYPES, after, signal }),
    ).toThrow(expect.objectContaining({ code: 'INVALID_CURSOR' }));
  });
});

describe('what a stream brings', () => {
  test('only events of its organization and types', async () => {
    const [mine, theirs] = [await newOrganization(), await newOrganization()];
    const bus = await startProcess(own);
    const follower = follow(bus, mine, { types: ['message.added'] });
    await commitEvents(own, theirs, [1]);
    await commitEvents(own, mine, [2]);
    const em = forkFor(own.database, mine);
    const event = { type: 'message.added', ticketId: 't', messageId: 'm' } as const;
    await em.transactional((tx) => recordEvents(tx, mine, [event]));
    expect((await follower.next())?.event).toEqual(event);
  });

  test("another organization's cursor brings only what is one's own", async () => {
    const [mine, theirs] = [await newOrganization(), await newOrganization()];
    const bus = await startProcess(own);
    const stranger = follow(bus, theirs);
    await commitEvents(own, theirs, [1]);
    const [foreign] = await stranger.take(1);
    await commitEvents(own, theirs, [2]);
    await commitEvents(own, mine, [3]);
    expect((await follow(bus, mine, { after: foreign?.cursor }).take(1)).map(numberOf)).toEqual([3]);
  });

  test('from now on, counted from the call and not from the first read', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const follower = follow(bus, organization);
    await commitEvents(own, organization, [1]);
    await eventually('the bus passed it', async () => {
      const { events, isHeldBack } = await readTail(own.database, bus.position, 1);
      return events.length === 0 && !isHeldBack;
    });
    await commitEvents(own, organization, [2]);
    expect((await follower.take(2)).map(numberOf)).toEqual([1, 2]);
  });
});

describe('a slow consumer', () => {
  test('is ended with SLOW_CONSUMER after what waits for it, and loses nothing by resuming', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const slow = follow(bus, organization);
    const quick = follow(bus, organization);
    await Promise.all([commitEvents(own, organization, [0]), slow.take(1), quick.take(1)]);
    const reading = quick.take(1_500);
    const waiting = slow.next();
    await eventually('both are live', () => bus.subscriberCount === 2);
    for (const numbers of [range(1, 801), range(801, 1_501)]) {
      const em = forkFor(own.database, organization);
      await em.transactional((tx) => recordEvents(tx, organization, numbers.map(numbered)));
    }
    expect((await reading).map(numberOf)).toEqual(range(1, 1_501));
    await waiting;
    expect(bus.subscriberCount).toBe(1);

    await expect(slow.take(1_500)).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
    const rest = follow(bus, organization, { after: slow.received.at(-1)?.cursor });
    const missing = 1_501 - slow.received.length;
    await rest.take(missing);
    expect([...slow.received, ...rest.received].map(numberOf)).toEqual(range(0, 1_501));
  });
});

describe('ending', () => {
  test('return() ends a stream that waits, and leaves nobody subscribed', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const follower = follow(bus, organization);
    const pending = follower.next();
    await eventually('it is subscribed', () => bus.subscriberCount === 1);
    await follower.stop();
    expect(await pending).toBeUndefined();
    expect(bus.subscriberCount).toBe(0);
    expect(await follower.next()).toBeUndefined();
  });

  test('return() before the first next() leaves nothing behind', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const follower = follow(bus, organization);
    await follower.stop();
    expect(await follower.next()).toBeUndefined();
    expect(bus.subscriberCount).toBe(0);
  });

  test.each([
    ['quietly, for a reason that is nobody’s business', new Error('gone'), undefined],
    ['with the reason, when the consumer should know it', new ExpectedError('X', 'm', 'r'), 'X'],
  ])('an aborted signal ends it %s', async (_name, reason, code) => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const controller = new AbortController();
    const options = { organizationId: organization, types: ALL_TYPES, signal: controller.signal };
    const pending = streamEvents(bus, options).next();
    await eventually('it is subscribed', () => bus.subscriberCount === 1);
    controller.abort(reason);
    if (code) await expect(pending).rejects.toMatchObject({ code });
    else expect(await pending).toEqual({ done: true, value: undefined });
    await eventually('nobody is subscribed', () => bus.subscriberCount === 0);
  });

  test('closing the bus ends every stream quietly', async () => {
    const organization = await newOrganization();
    const bus = await startProcess(own);
    const followers = [follow(bus, organization), follow(bus, organization)];
    const pending = followers.map((follower) => follower.next());
    await eventually('they are subscribed', () => bus.subscriberCount === 2);
    await bus.close();
    expect(await Promise.all(pending)).toEqual([undefined, undefined]);
    expect(bus.subscriberCount).toBe(0);
  });
});

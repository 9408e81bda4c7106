import { afterAll, beforeAll, expect, test } from 'vitest';
import { mapStream } from '../../src/realtime/map-stream.ts';
import { streamEvents } from '../../src/realtime/stream.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';
import { ALL_TYPES, commitEvents, numberOf, range, startProcess } from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

async function open() {
  const { id: organizationId } = await createTestOrganization(own.database);
  const bus = await startProcess(own);
  const { signal } = new AbortController();
  return { organizationId, bus, stream: streamEvents(bus, { organizationId, types: ALL_TYPES, signal }) };
}

test('null leaves an item out, the others keep their order', async () => {
  const { organizationId, stream } = await open();
  const odd = mapStream(stream, async (event) => (numberOf(event) % 2 === 1 ? numberOf(event) : null));
  await commitEvents(own, organizationId, range(0, 6));
  expect([await odd.next(), await odd.next(), await odd.next()].map(({ value }) => value)).toEqual([1, 3, 5]);
  await odd.return?.();
});

test('return() takes effect while a next() waits, and leaves nobody subscribed', async () => {
  const { bus, stream } = await open();
  const mapped = mapStream(stream, (event) => event);
  const pending = mapped.next();
  await eventually('it is subscribed', () => bus.subscriberCount === 1);
  await mapped.return?.();
  expect(await pending).toEqual({ done: true, value: undefined });
  expect(bus.subscriberCount).toBe(0);
});

test('a failure goes to the consumer and ends the source', async () => {
  const { organizationId, bus, stream } = await open();
  const mapped = mapStream(stream, () => {
    throw new Error('could not be read');
  });
  await commitEvents(own, organizationId, [1]);
  await expect(mapped.next()).rejects.toThrow('could not be read');
  expect(bus.subscriberCount).toBe(0);
  expect((await mapped.next()).done).toBe(true);
});

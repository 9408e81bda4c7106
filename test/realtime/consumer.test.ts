import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { JobWorker } from '../../src/jobs/worker.ts';
import { DAY } from '../../src/platform/clock.ts';
import { type EntityManager, forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger, type Logger } from '../../src/platform/logger.ts';
import { createConsumerJobs } from '../../src/realtime/consumer.jobs.ts';
import {
  type ChosenEvent,
  consumeEvents,
  type EventConsumer,
  MAX_TRIES,
} from '../../src/realtime/consumer.ts';
import { type ConsumedEvent, openCursor, readLagSeconds } from '../../src/realtime/consumer-cursor.ts';
import { createPruneEvents, EVENT_RETENTION } from '../../src/realtime/prune.jobs.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import {
  cloneDatabase,
  createTestOrganization,
  disposeAfterTest,
  type TestDatabase,
} from '../support/database.ts';
import { eventually } from '../support/wait.ts';
import { commitEvents, numbered, openTransaction, othersAreThrough, range, startProcess } from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
  await own.database.em.fork().execute('create table effect (consumer text, number integer)');
});
afterAll(() => own[Symbol.asyncDispose]());

const newOrganization = async () => (await createTestOrganization(own.database)).id;
let consumers = 0;

interface Effects {
  consumer: EventConsumer<'ticket.created'>;
  numbers(): Promise<number[]>;
}

/** A consumer whose effect is a row with the number of the event. */
function newConsumer(
  before: (number: number, em: EntityManager) => unknown = () => undefined,
  choose: <Event extends ChosenEvent>(events: readonly Event[]) => Event[] = (events) => [...events],
): Effects {
  consumers += 1;
  const name = `test-${consumers}`;
  return {
    consumer: {
      name,
      types: ['ticket.created'],
      choose: async (_em, events) => choose(events),
      async handle(em: EntityManager, { event }: ConsumedEvent<'ticket.created'>) {
        const number = Number(event.ticketId);
        await em.execute('insert into effect (consumer, number) values (?, ?)', [name, number]);
        await before(number, em);
      },
    },
    async numbers() {
      const rows = await own.database.em
        .fork()
        .execute<{ number: number }[]>('select number from effect where consumer = ? order by ctid', [name]);
      return rows.map(({ number }) => number);
    },
  };
}

const consume = async (
  consumer: EventConsumer<'ticket.created'>,
  logger: Logger = createLogger('silent'),
  signal: AbortSignal = new AbortController().signal,
) => {
  await othersAreThrough(own);
  await consumeEvents(consumer, { database: own.database, logger, signal });
};
const begin = (consumer: EventConsumer<'ticket.created'>) =>
  openCursor(forkAcrossOrganizations(own.database), consumer.name);

test('a new consumer begins at the end of the log, and handles what comes then, each once and in order', async () => {
  const organization = await newOrganization();
  const { consumer, numbers } = newConsumer();
  await commitEvents(own, organization, [1, 2]);
  await consume(consumer);
  expect(await numbers()).toEqual([]);
  await commitEvents(own, organization, range(3, 7));
  await consume(consumer);
  await consume(consumer);
  expect(await numbers()).toEqual([3, 4, 5, 6]);
});

test('several that run at once, as in several processes, handle each event once', async () => {
  const organizations = [await newOrganization(), await newOrganization()];
  const { consumer, numbers } = newConsumer();
  await begin(consumer);
  for (const [index, organization] of organizations.entries()) {
    await commitEvents(own, organization, range(index * 100, index * 100 + 30));
  }
  await Promise.all([1, 2, 3, 4].map(() => consume(consumer)));
  expect(await numbers()).toEqual([...range(0, 30), ...range(100, 130)]);
});

test('an effect that is not committed is made up for, and one that is does not come again', async () => {
  const organization = await newOrganization();
  const died = new Error('the process died');
  const controller = new AbortController();
  const { consumer, numbers } = newConsumer((number) => {
    if (number !== 2 || controller.signal.aborted) return;
    controller.abort(died);
    throw died;
  });
  await begin(consumer);
  await commitEvents(own, organization, [1, 2, 3]);
  await expect(consume(consumer, createLogger('silent'), controller.signal)).rejects.toThrow(died);
  expect(await numbers()).toEqual([1]);
  await consume(consumer);
  expect(await numbers()).toEqual([1, 2, 3]);
});

test('an event that an older transaction holds back is not passed by', async () => {
  const organization = await newOrganization();
  const { consumer, numbers } = newConsumer();
  await begin(consumer);
  const dawdling = await openTransaction(own, organization);
  await recordEvents(dawdling.em, organization, [numbered(1)]);
  await commitEvents(own, organization, [2]);
  await consume(consumer);
  expect(await numbers()).toEqual([]);
  await dawdling.commit();
  await consume(consumer);
  expect(await numbers()).toEqual([1, 2]);
});

test('a poison event is tried, then set aside with its error, and the rest is handled', async () => {
  const organization = await newOrganization();
  let tries = 0;
  const { consumer, numbers } = newConsumer(async (number, em) => {
    if (number !== 2) return;
    tries += 1;
    await em.execute('select 1 / 0 where organization_id is not null');
  });
  await begin(consumer);
  await commitEvents(own, organization, [1, 2, 3]);
  const errors: unknown[] = [];
  const logger = createLogger('silent');
  logger.error = ((about: object, message: string) => void errors.push([about, message])) as Logger['error'];
  await consume(consumer, logger);
  expect(await numbers()).toEqual([1, 3]);
  expect(tries).toBe(MAX_TRIES);
  expect(errors).toHaveLength(1);
  const rows = await own.database.em
    .fork()
    .execute('select type, payload, error from event_failure where organization_id = ?', [organization]);
  expect(rows).toMatchObject([
    { type: 'ticket.created', payload: { ticketId: '2' }, error: expect.stringContaining('organization_id') },
  ]);
});

test('a failure that passes is no poison', async () => {
  const organization = await newOrganization();
  let tries = 0;
  const { consumer, numbers } = newConsumer((number) => {
    tries += 1;
    if (number === 1 && tries < MAX_TRIES) throw new Error('deadlock detected');
  });
  await begin(consumer);
  await commitEvents(own, organization, [1, 2]);
  await consume(consumer);
  expect(await numbers()).toEqual([1, 2]);
});

test('what is not chosen has no effect, also later, and the cursor goes over it', async () => {
  const organization = await newOrganization();
  let isOn = false;
  const { consumer, numbers } = newConsumer(undefined, (events) => (isOn ? [...events] : []));
  await begin(consumer);
  await commitEvents(own, organization, range(1, 300));
  await consume(consumer);
  isOn = true;
  await consume(consumer);
  expect(await numbers()).toEqual([]);
  const em = forkAcrossOrganizations(own.database);
  expect(await readLagSeconds(em, consumer.name, consumer.types)).toBe(0);
});

test('events that were pruned before their turn are jumped over with a warning', async () => {
  const organization = await newOrganization();
  const { consumer, numbers } = newConsumer();
  await begin(consumer);
  await commitEvents(own, organization, [1, 2]);
  await own.database.em
    .fork()
    .execute(`update event set created_at = '2029-01-01' where organization_id = ?`, [organization]);
  await prune(Date.UTC(2029, 0, 1) + EVENT_RETENTION + DAY, organization);
  await commitEvents(own, organization, [3]);
  const warnings: unknown[] = [];
  const logger = createLogger('silent');
  logger.warn = ((_about: object, message: string) => void warnings.push(message)) as Logger['warn'];
  await consume(consumer, logger);
  await consume(consumer, logger);
  expect(await numbers()).toEqual([3]);
  expect(warnings).toEqual([expect.stringContaining('pruned')]);
});

/** Only events of one organization are old enough. */
async function prune(now: number, organization: string): Promise<void> {
  await own.database.em
    .fork()
    .execute(`update event set created_at = '2040-01-01' where organization_id <> ?`, [organization]);
  const handler = createPruneEvents({ database: own.database, clock: { now: () => new Date(now) } });
  await othersAreThrough(own);
  const context = { logger: createLogger('silent'), attempt: 1, isLastAttempt: false };
  await handler.handle({}, { ...context, signal: new AbortController().signal });
}

test('the cursor of another database cluster begins anew at the end, and is not silent for ever', async () => {
  const organization = await newOrganization();
  const { consumer, numbers } = newConsumer();
  await begin(consumer);
  await own.database.em
    .fork()
    .execute(`update event_consumer set transaction = '4611686018427387904' where name = ?`, [consumer.name]);
  await commitEvents(own, organization, [1]);
  await consume(consumer);
  await commitEvents(own, organization, [2]);
  await consume(consumer);
  expect(await numbers()).toEqual([2]);
});

test('a commit wakes it through the event bus, once for many, and what nobody asks for wakes nothing', async () => {
  const [quiet, busy] = [await newOrganization(), await newOrganization()];
  const bus = await startProcess(own);
  const { consumer, numbers } = newConsumer(undefined, (events) =>
    events.filter(({ organizationId }) => organizationId === busy),
  );
  let runs = 0;
  const logger = createLogger('silent');
  const jobs = createConsumerJobs(consumer, {
    database: own.database,
    events: bus,
    logger,
    registry: new Registry(),
  });
  const worker = disposeAfterTest(
    new JobWorker({ databaseUrl: own.url, handlers: [jobs.handler], logger, onAttempt: () => (runs += 1) }),
  );
  await worker.start();
  const watch = await jobs.start();
  onTestFinished(() => watch[Symbol.dispose]());
  await commitEvents(own, quiet, range(0, 20));
  await commitEvents(own, busy, [100]);
  await eventually('the event is handled', async () => (await numbers()).includes(100));
  expect(runs).toBeLessThanOrEqual(2);
  await commitEvents(own, busy, range(101, 150));
  await eventually('all are handled', async () => (await numbers()).length === 50);
  expect(await numbers()).toEqual(range(100, 150));
});

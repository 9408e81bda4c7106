import { Counter, Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import { toError } from '../errors.ts';
import { defineJob, enqueue, handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { EventType } from './catalogue.ts';
import { type ConsumedOutcome, consumeEvents, type EventConsumer } from './consumer.ts';
import { openCursor, readLagSeconds } from './consumer-cursor.ts';
import type { EventBus } from './event-bus.ts';
import type { LoggedEvent } from './event-log.ts';

/** Most events that wait to be looked at for a wake-up; what is beyond it is found by the schedule. */
const MAX_WAITING = 1_000;

/** What runs a consumer in a worker process. */
export interface ConsumerJobs {
  readonly handler: JobHandler;
  /** Each minute, in case a wake-up was lost; and it moves the cursor over what had no effect. */
  readonly schedule: ScheduleEntry;
  /** Begins to listen. Before it, nothing that happens is answered by an installation that never had the consumer. */
  start(): Promise<Disposable>;
}

/** What it needs. */
export interface ConsumerJobsOptions {
  database: Database;
  events: EventBus;
  logger: Logger;
  registry: Registry;
}

/**
 * The job of a consumer and what wakes it: the event bus, after a commit that may matter, and the schedule. Any number of
 * wake-ups in any number of processes are one waiting job; a process asks for it after looking, with one query for the
 * events of the meantime, so that mail which nobody wants to be told of costs no job.
 */
export function createConsumerJobs<Type extends EventType>(
  consumer: EventConsumer<Type>,
  { database, events, logger, registry }: ConsumerJobsOptions,
): ConsumerJobs {
  const job = defineJob({
    name: `realtime.consume-${consumer.name}`,
    input: z.object({}) as z.ZodType<Record<string, never>>,
    key: () => 'all',
    queue: () => `realtime.consume-${consumer.name}`,
    // The schedule asks again each minute.
    maxAttempts: 3,
  });
  const onEvent = createConsumerMetrics(consumer, { database, registry });
  const handler = handleJob(job, async (_input, context) => {
    await consumeEvents(consumer, { database, onEvent, logger: context.logger, signal: context.signal });
  });
  const wake = async (batch: readonly LoggedEvent[]) => {
    try {
      const em = forkAcrossOrganizations(database);
      const chosen = await consumer.choose(em, batch);
      if (chosen.length > 0) await enqueue(em, job, {});
    } catch (thrown) {
      logger.warn({ err: toError(thrown), consumer: consumer.name }, 'could not wake a consumer of events');
    }
  };
  return {
    handler,
    schedule: { job, pattern: '30 * * * * *' },
    async start() {
      await openCursor(forkAcrossOrganizations(database), consumer.name);
      const stop = events.watch(consumer.types, oneAtATime(wake));
      return { [Symbol.dispose]: stop };
    },
  };
}

/** Hands on what comes while the last batch is still looked at in one batch. */
function oneAtATime(
  look: (batch: readonly LoggedEvent[]) => Promise<void>,
): (batch: readonly LoggedEvent[]) => void {
  let waiting: LoggedEvent[] = [];
  let isLooking = false;
  const drain = async () => {
    isLooking = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await look(batch);
    }
    isLooking = false;
  };
  return (batch) => {
    waiting.push(...batch.slice(0, MAX_WAITING - waiting.length));
    if (!isLooking) void drain();
  };
}

function createConsumerMetrics<Type extends EventType>(
  { name, types }: EventConsumer<Type>,
  { database, registry }: { database: Database; registry: Registry },
): (outcome: ConsumedOutcome) => void {
  const lag = new Gauge({
    name: `deskgraph_${name.replaceAll('-', '_')}_lag_seconds`,
    help: `How long the oldest event has waited that the consumer "${name}" has not come to; what has no effect may wait a minute.`,
    registers: [registry],
    async collect() {
      // A scrape must not fail because the database is away; the gauge then keeps its last value.
      await readLagSeconds(forkAcrossOrganizations(database), name, types).then(
        (seconds) => lag.set(seconds),
        () => undefined,
      );
    },
  });
  const handled = new Counter({
    name: `deskgraph_${name.replaceAll('-', '_')}_events_total`,
    help: `Events that the consumer "${name}" has reacted to, and those that it could not handle.`,
    labelNames: ['outcome'],
    registers: [registry],
  });
  return (outcome) => handled.inc({ outcome });
}

/**
 * Reactions to events that must happen: each event has its effect exactly once, over all processes and crashes.
 *
 * A consumer has a name and a cursor in the database. The transaction of an event's effect begins by moving the cursor
 * over the event, and so holds the lock on it: either both are committed or neither is, and nobody else handles the same
 * event meanwhile. The log is read up to where it is complete, as event-log.ts has it, so no event is passed by unseen.
 */
import { toError } from '../errors.ts';
import { delay, SECOND } from '../platform/clock.ts';
import { type Database, type EntityManager, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { DomainEvent, EventType } from './catalogue.ts';
import {
  advanceToEnd,
  type ConsumedEvent,
  countFailure,
  moveCursor,
  openCursor,
  readCursor,
  readPage,
  setAside,
} from './consumer-cursor.ts';

/** Most events read at once. */
const PAGE_SIZE = 200;
/** How often an event is tried before it is set aside. */
export const MAX_TRIES = 5;
/** Before the second try; doubled each time. A deadlock or a lock that somebody holds for long is over by then. */
const RETRY_DELAY = 0.1 * SECOND;

/** An event as far as the choice of what matters needs it. */
export interface ChosenEvent {
  readonly organizationId: string;
  readonly event: DomainEvent;
}

/** What reacts to events. */
export interface EventConsumer<Type extends EventType = EventType> {
  /** The name of its cursor. Never renamed: it would begin anew at the end of the log. */
  readonly name: string;
  readonly types: readonly Type[];
  /**
   * Those of many events that may have an effect, in their order; the others cost nothing more. It only reads, over all
   * organizations, and is asked outside of the transaction of the effect.
   */
  choose<Event extends ChosenEvent>(em: EntityManager, events: readonly Event[]): Promise<Event[]>;
  /** The effect, in its transaction: nothing outside of the database. What it throws rolls all of it back. */
  handle(em: EntityManager, event: ConsumedEvent<Type>): Promise<void>;
}

/** What became of an event. */
export type ConsumedOutcome = 'HANDLED' | 'SET_ASIDE';

/** What consuming needs. */
export interface ConsumeOptions {
  database: Database;
  logger: Logger;
  signal: AbortSignal;
  /** Called after each event that was chosen, for metrics. */
  onEvent?: (outcome: ConsumedOutcome) => void;
}

/**
 * Handles every event up to the present end of the log. A consumer that was never here begins at the end: nothing old is
 * answered. Throws when the database fails; then nothing is lost, and the next call goes on.
 */
export async function consumeEvents<Type extends EventType>(
  consumer: EventConsumer<Type>,
  { database, logger, signal, onEvent }: ConsumeOptions,
): Promise<void> {
  const across = forkAcrossOrganizations(database, signal);
  const cursor = await openCursor(across, consumer.name);
  if (cursor.isForeign) {
    logger.warn({ consumer: consumer.name }, 'the cursor comes from another database: going on from now');
    return;
  }
  if (cursor.hasGap) {
    logger.warn(
      { consumer: consumer.name },
      'events were pruned before they were handled: nothing ran for longer than they are kept',
    );
  }
  for (;;) {
    signal.throwIfAborted();
    const { at, end } = await readCursor(across, consumer.name);
    const page = await readPage(across, { types: consumer.types, after: at, end, limit: PAGE_SIZE });
    for (const event of await consumer.choose(across, page)) {
      signal.throwIfAborted();
      const outcome = await handleOne(consumer, event, database, logger, signal);
      if (outcome !== null) onEvent?.(outcome);
    }
    const last = page.at(-1);
    if (page.length < PAGE_SIZE || last === undefined) {
      await advanceToEnd(across, consumer.name, end);
      return;
    }
    await moveCursor(across, consumer.name, last.at);
  }
}

/** Null when another process was faster. */
async function handleOne<Type extends EventType>(
  consumer: EventConsumer<Type>,
  event: ConsumedEvent<Type>,
  database: Database,
  logger: Logger,
  signal: AbortSignal,
): Promise<ConsumedOutcome | null> {
  for (;;) {
    try {
      return await forkFor(database, event.organizationId, signal).transactional(async (em) => {
        if (!(await moveCursor(em, consumer.name, event.at))) return null;
        await consumer.handle(em, event);
        return 'HANDLED';
      });
    } catch (thrown) {
      signal.throwIfAborted();
      const err = toError(thrown);
      const about = { consumer: consumer.name, event: event.event, organizationId: event.organizationId };
      // A database that is away fails here as well, and then the event is not to blame.
      const failures = await countFailure(forkAcrossOrganizations(database), consumer.name);
      if (failures < MAX_TRIES) {
        logger.warn({ ...about, err, failures }, 'an event could not be handled and is tried again');
        await delay(RETRY_DELAY * 2 ** failures, signal);
        continue;
      }
      const isOurs = await forkFor(database, event.organizationId).transactional(async (em) => {
        if (!(await moveCursor(em, consumer.name, event.at))) return false;
        await setAside(em, consumer.name, event, err);
        return true;
      });
      if (!isOurs) return null;
      logger.error({ ...about, err, failures }, 'an event could not be handled and is passed over');
      return 'SET_ASIDE';
    }
  }
}

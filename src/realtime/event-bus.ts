import { toError } from '../errors.ts';
import { delay, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import type { Database } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { Notifications } from '../platform/notifications.ts';
import type { EventType } from './catalogue.ts';
import type { LogPosition } from './cursor.ts';
import { findOldestWriter, forgetForeignEvents, type LoggedEvent, readEnd, readTail } from './event-log.ts';
import { EVENT_CHANNEL } from './record.ts';

/** Most events read from the log at once. */
const BATCH_SIZE = 500;
/** How often the log is looked at without being woken, in case a notification was lost. */
const SAFETY_POLL_INTERVAL = 5 * SECOND;
/** The waits while an older transaction holds committed events back: doubled from the first to the last. */
const MIN_HELD_BACK_POLL = 5;
const MAX_HELD_BACK_POLL = 50;
/** How long events may be held back before the log says who does it. */
const REPORT_HOLDING_AFTER = 10 * SECOND;
/** The waits after the database failed: doubled from the first to the last. */
const MIN_FAILURE_BACKOFF = 0.1 * SECOND;
const MAX_FAILURE_BACKOFF = 5 * SECOND;

/** Who gets one organization's events as they come. */
export interface Subscriber {
  /** One event, in log order. Must neither throw nor block: every other subscriber waits behind it. */
  onEvent(event: LoggedEvent): void;
}

/** The process's tail of the event log, handed on in memory. */
export interface EventBus extends AsyncDisposable {
  /** For reading what lies before {@link EventBus.position}. */
  readonly database: Database;
  /** Everything up to here has been handed over; everything after it will be. Throws before {@link EventBus.start}. */
  readonly position: LogPosition;
  /** Aborts when the bus closes: nothing more will be handed over. */
  readonly closed: AbortSignal;
  /**
   * Hands over every event of the organization after the present {@link EventBus.position}, each once and in order.
   * Returns what ends it. Costs one entry in a map; events of other organizations cost it nothing.
   */
  subscribe(organizationId: string, subscriber: Subscriber): () => void;
  /**
   * Calls `onBatch` with the events of these types, of whatever organization, after each batch that brings some; it must
   * neither throw nor block. For what wakes work in the background. Returns what ends it.
   */
  watch(types: readonly EventType[], onBatch: (events: readonly LoggedEvent[]) => void): () => void;
  /** How many subscribers there are now. */
  readonly subscriberCount: number;
  /** Whether committed events wait for an older transaction to end, as the bus last found: see event-log.ts. */
  readonly isHeldBack: boolean;
  /** Begins to follow the log from its present end. Throws when the database cannot be read. */
  start(): Promise<void>;
  /** Ends every subscription and stops following. */
  close(): Promise<void>;
}

/** What the bus needs. */
export interface EventBusOptions {
  database: Database;
  /** The process's `LISTEN` connection; the bus neither starts nor closes it. */
  notifications: Notifications;
  logger: Logger;
}

/**
 * Follows the log once for the whole process. A `NOTIFY` wakes it, it reads what is new for all organizations in one
 * query, and hands each event to the subscribers of its organization: a thousand streams cost the database no more
 * than one.
 */
export function createEventBus(options: EventBusOptions): EventBus {
  return new LogTail(options);
}

class LogTail implements EventBus {
  readonly database: Database;
  readonly #notifications: Notifications;
  readonly #logger: Logger;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  readonly #watchers = new Set<(events: readonly LoggedEvent[]) => void>();
  readonly #closing = new AbortController();
  #position: LogPosition | undefined;
  #stopListening: (() => void) | undefined;
  #following: Promise<void> | undefined;
  /** Whether somebody said that there may be news since the log was last read. */
  #isWoken = false;
  #wakeSleeper: (() => void) | undefined;
  /** Since when events have been held back, on the monotonic clock; undefined when none are. */
  #heldBackSince: number | undefined;
  #isHoldingReported = false;

  constructor({ database, notifications, logger }: EventBusOptions) {
    this.database = database;
    this.#notifications = notifications;
    this.#logger = logger;
  }

  get position(): LogPosition {
    if (!this.#position) throw new Error('The event bus has not been started.');
    return this.#position;
  }

  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  get subscriberCount(): number {
    return this.#subscribers.values().reduce((count, subscribers) => count + subscribers.size, 0);
  }

  get isHeldBack(): boolean {
    return this.#heldBackSince !== undefined;
  }

  subscribe(organizationId: string, subscriber: Subscriber): () => void {
    const subscribers = this.#subscribers.get(organizationId) ?? new Set();
    this.#subscribers.set(organizationId, subscribers.add(subscriber));
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#subscribers.get(organizationId) === subscribers) {
        this.#subscribers.delete(organizationId);
      }
    };
  }

  watch(types: readonly EventType[], onBatch: (events: readonly LoggedEvent[]) => void): () => void {
    const watched = new Set(types);
    const watcher = (events: readonly LoggedEvent[]) => {
      const found = events.filter(({ event }) => watched.has(event.type));
      if (found.length > 0) onBatch(found);
    };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  async start(): Promise<void> {
    await forgetForeignEvents(this.database);
    this.#position = await readEnd(this.database);
    const wake = () => this.#wake();
    this.#stopListening = this.#notifications.listen(EVENT_CHANNEL, { onMessage: wake, onListening: wake });
    this.#following = this.#follow();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#following;
    this.#closing.abort(new Error('The event bus is closed.'));
    this.#stopListening?.();
    this.#wake();
    await this.#following;
    this.#subscribers.clear();
    this.#watchers.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The one loop: read, hand over, sleep until woken. */
  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    let heldBackPoll = MIN_HELD_BACK_POLL;
    let failureBackoff = MIN_FAILURE_BACKOFF;
    while (!signal.aborted) {
      try {
        // Cleared before reading: what is announced from now on leads to another round.
        this.#isWoken = false;
        const { handedOver, isHeldBack } = await this.#handOverBatch();
        failureBackoff = MIN_FAILURE_BACKOFF;
        if (handedOver === BATCH_SIZE) continue;
        if (handedOver > 0) heldBackPoll = MIN_HELD_BACK_POLL;
        // An event's NOTIFY comes with its commit, but an older transaction may still hold it back, and nothing
        // announces the end of that one: only looking again tells.
        await this.#watchHolding(isHeldBack && handedOver === 0);
        await this.#sleep(isHeldBack ? heldBackPoll : SAFETY_POLL_INTERVAL, !isHeldBack);
        heldBackPoll = isHeldBack ? Math.min(heldBackPoll * 2, MAX_HELD_BACK_POLL) : MIN_HELD_BACK_POLL;
      } catch (thrown) {
        if (signal.aborted) return;
        this.#logger.warn({ err: toError(thrown) }, 'could not read the event log; trying again');
        await delay(failureBackoff, signal).catch(() => undefined);
        failureBackoff = Math.min(failureBackoff * 2, MAX_FAILURE_BACKOFF);
      }
    }
  }

  /** Returns how many events there were. Handing over is synchronous: `position` never stands inside a batch. */
  async #handOverBatch(): Promise<{ handedOver: number; isHeldBack: boolean }> {
    const { events, isHeldBack } = await readTail(this.database, this.position, BATCH_SIZE);
    if (this.#closing.signal.aborted) return { handedOver: 0, isHeldBack: false };
    for (const event of events) {
      this.#position = event.at;
      // A subscriber that ends while it gets an event is removed from the set under our hands, which a Set allows.
      for (const subscriber of this.#subscribers.get(event.organizationId) ?? []) subscriber.onEvent(event);
    }
    for (const watch of this.#watchers) watch(events);
    return { handedOver: events.length, isHeldBack };
  }

  /** Says once who holds events back for long: nobody would look for it in a forgotten session of psql. */
  async #watchHolding(isHeldBack: boolean): Promise<void> {
    if (!isHeldBack) {
      this.#heldBackSince = undefined;
      this.#isHoldingReported = false;
      return;
    }
    const now = monotonicMilliseconds();
    this.#heldBackSince ??= now;
    if (this.#isHoldingReported || now - this.#heldBackSince < REPORT_HOLDING_AFTER) return;
    this.#isHoldingReported = true;
    const holder = await findOldestWriter(this.database);
    this.#logger.warn({ holder }, 'events are held back by a long transaction; they follow when it ends');
  }

  #wake(): void {
    this.#isWoken = true;
    this.#wakeSleeper?.();
  }

  /** Sleeps at most `milliseconds`; less when woken, if `canBeWoken`: a flood of notifications must not beat the wait. */
  async #sleep(milliseconds: number, canBeWoken: boolean): Promise<void> {
    if (!canBeWoken) return delay(milliseconds, this.#closing.signal).catch(() => undefined);
    if (this.#isWoken) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wakeSleeper = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeSleeper = undefined;
  }
}

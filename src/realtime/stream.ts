import { ExpectedError } from '../errors.ts';
import type { DomainEvent, EventOf, EventType } from './catalogue.ts';
import { comparePositions, decodeCursor, type LogPosition } from './cursor.ts';
import type { EventBus } from './event-bus.ts';
import { type LoggedEvent, readEvents, refuseExpired } from './event-log.ts';

/** Most events that wait in memory for one consumer. */
const BUFFER_SIZE = 1_000;
/** Most events read at once while catching up. */
const PAGE_SIZE = 500;

/** One event and the cursor to resume after it. */
export interface StreamedEvent<Event extends DomainEvent = DomainEvent> {
  cursor: string;
  event: Event;
}

/** What to stream. */
export interface StreamOptions<Type extends EventType> {
  organizationId: string;
  types: readonly Type[];
  /** Resume after the event with this cursor; from now on when left out. */
  after?: string | null | undefined;
  /** Ends the stream. An {@link ExpectedError} as its reason is thrown to the consumer; any other ends it quietly. */
  signal: AbortSignal;
}

/** The consumer took its events more slowly than they came. */
export class SlowConsumerError extends ExpectedError {
  constructor() {
    super(
      'SLOW_CONSUMER',
      `More than ${BUFFER_SIZE} events waited to be taken, so the stream was ended. Nothing is lost.`,
      'Subscribe again with the cursor of the last event received as `after`.',
    );
  }
}

/**
 * Streams one organization's events: with `after`, first what was missed, in order, then what comes; without gap,
 * repetition or disorder. Ends quietly when the signal aborts, the consumer returns or the bus closes.
 *
 * Throws InvalidEventCursorError at once; the iteration throws CursorExpiredError when what was missed is no longer kept, and
 * {@link SlowConsumerError} when the consumer lags too far behind while live. Nothing is held open before the first
 * `next()`, yet "now" is this call: what is committed from now on comes. What was committed just before and is still on
 * its way through the bus may come as well.
 *
 * The seam between old and new needs no comparing of what both may bring. The bus stands at one exact position: what
 * lies before is in the log for good, what lies after will be handed over. So the log is read up to the bus's
 * position, again and again while that moves, and the subscription is made in the same tick in which both are equal.
 * While catching up nothing is buffered: a client may take a week of events at its own pace.
 */
export function streamEvents<Type extends EventType>(
  bus: EventBus,
  options: StreamOptions<Type>,
): AsyncIterableIterator<StreamedEvent<EventOf<Type>>, undefined> {
  const isResumed = typeof options.after === 'string';
  const start = typeof options.after === 'string' ? decodeCursor(options.after) : bus.position;
  const returned = new AbortController();
  const signal = AbortSignal.any([options.signal, bus.closed, returned.signal]);
  const events = follow(bus, options, start, isResumed, signal) as AsyncGenerator<
    StreamedEvent<EventOf<Type>>,
    undefined
  >;
  return {
    next: () => events.next(),
    // A generator queues return() behind the next() that still waits, so that one is ended first.
    async return() {
      returned.abort();
      return events.return(undefined);
    },
    throw(error: unknown) {
      returned.abort();
      return events.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* follow(
  bus: EventBus,
  { organizationId, types, signal: callerSignal }: StreamOptions<EventType>,
  start: LogPosition,
  isResumed: boolean,
  signal: AbortSignal,
): AsyncGenerator<StreamedEvent, undefined> {
  let reached = start;
  // Also when there is nothing to catch up with: a cursor from a foreign or pruned log must not look like silence.
  if (isResumed) await refuseExpired(bus.database, organizationId, start);
  while (!signal.aborted && comparePositions(reached, bus.position) < 0) {
    const upTo = bus.position;
    const range = { organizationId, types, after: reached, upTo, limit: PAGE_SIZE };
    const page = await readEvents(bus.database, range);
    for (const { cursor, event } of page) {
      if (signal.aborted) return end(callerSignal);
      yield { cursor, event };
    }
    reached = page.length < PAGE_SIZE ? upTo : (page.at(-1)?.at ?? upTo);
  }
  // No await between the comparison above and this line.
  using live = new LiveBuffer(bus, organizationId, types, reached, signal);
  for (;;) {
    const next = await live.take();
    if (next === undefined || signal.aborted) return end(callerSignal);
    yield { cursor: next.cursor, event: next.event };
  }
}

function end(callerSignal: AbortSignal): undefined {
  if (callerSignal.reason instanceof ExpectedError) throw callerSignal.reason;
  return undefined;
}

/** What the bus handed over and the consumer has not yet taken. */
class LiveBuffer implements Disposable {
  readonly #types: ReadonlySet<EventType>;
  readonly #after: LogPosition;
  readonly #signal: AbortSignal;
  readonly #unsubscribe: () => void;
  #waiting: LoggedEvent[] = [];
  #isOverflowing = false;
  #notifyTaker: (() => void) | undefined;

  constructor(
    bus: EventBus,
    organizationId: string,
    types: readonly EventType[],
    after: LogPosition,
    signal: AbortSignal,
  ) {
    this.#types = new Set(types);
    this.#after = after;
    this.#signal = signal;
    this.#unsubscribe = bus.subscribe(organizationId, { onEvent: (event) => this.#push(event) });
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The next event, or undefined when the signal aborted. Throws {@link SlowConsumerError} after an overflow. */
  async take(): Promise<LoggedEvent | undefined> {
    for (;;) {
      if (this.#signal.aborted) return undefined;
      const next = this.#waiting.shift();
      if (next) return next;
      if (this.#isOverflowing) throw new SlowConsumerError();
      await new Promise<void>((resolve) => {
        this.#notifyTaker = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#waiting = [];
  }

  #push(event: LoggedEvent): void {
    // The client may have seen more than this process has: it came from another one, whose tail was ahead.
    if (!this.#types.has(event.event.type) || comparePositions(event.at, this.#after) <= 0) return;
    if (this.#waiting.length >= BUFFER_SIZE) {
      // What waits is still delivered, in order; what follows is for the resumed stream.
      this.#isOverflowing = true;
      this.#unsubscribe();
      return;
    }
    this.#waiting.push(event);
    this.#notifyTaker?.();
  }

  readonly #onAbort = () => this.#notifyTaker?.();
}

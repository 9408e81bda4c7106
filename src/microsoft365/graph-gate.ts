import { monotonicMilliseconds } from '../platform/clock.ts';

/** Requests that Microsoft lets one app have under way in one mailbox. https://learn.microsoft.com/graph/throttling-limits */
export const SLOTS_PER_MAILBOX = 4;

/**
 * Keeps this process inside the limits of each mailbox. A mailbox that is throttled or slow holds up nobody else.
 * Several processes have a gate each: what they do too much together Microsoft refuses with 429, which is obeyed.
 */
export interface GraphGate {
  /**
   * Waits in line until `slots` of the mailbox are free and no pause lasts; call the result once to give them back.
   * Rejects with the signal's reason when it aborts first.
   */
  enter(mailbox: string, slots: number, signal: AbortSignal): Promise<() => void>;
  /** Lets nobody into the mailbox for that long; a longer pause that lasts already stays. */
  pause(mailbox: string, milliseconds: number): void;
  /** How long the mailbox's pause still lasts, in milliseconds; 0 without one. */
  pausedFor(mailbox: string): number;
}

interface Waiter {
  slots: number;
  admit(): void;
}

interface Lane {
  free: number;
  /** First come, first served: what needs all slots is not overtaken for ever by what needs one. */
  queue: Waiter[];
  pausedUntil: number;
  timer: NodeJS.Timeout | null;
}

/** A gate without anybody inside. */
export function createGraphGate(): GraphGate {
  const lanes = new Map<string, Lane>();

  const laneOf = (mailbox: string): Lane => {
    const known = lanes.get(mailbox);
    if (known !== undefined) return known;
    const lane: Lane = { free: SLOTS_PER_MAILBOX, queue: [], pausedUntil: 0, timer: null };
    lanes.set(mailbox, lane);
    return lane;
  };

  const advance = (mailbox: string, lane: Lane): void => {
    const remaining = lane.pausedUntil - monotonicMilliseconds();
    if (remaining > 0) {
      // Timers may fire a little early: it asks again until the pause is really over.
      lane.timer ??= setTimeout(() => {
        lane.timer = null;
        advance(mailbox, lane);
      }, Math.ceil(remaining)).unref();
      return;
    }
    for (let next = lane.queue[0]; next !== undefined && next.slots <= lane.free; next = lane.queue[0]) {
      lane.queue.shift();
      lane.free -= next.slots;
      next.admit();
    }
    if (lane.queue.length === 0 && lane.free === SLOTS_PER_MAILBOX) lanes.delete(mailbox);
  };

  return {
    enter(mailbox, slots, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const lane = laneOf(mailbox);
        const waiter: Waiter = {
          slots,
          admit() {
            signal.removeEventListener('abort', giveUp);
            let isInside = true;
            resolve(() => {
              if (!isInside) return;
              isInside = false;
              lane.free += slots;
              advance(mailbox, lane);
            });
          },
        };
        const giveUp = () => {
          lane.queue.splice(lane.queue.indexOf(waiter), 1);
          advance(mailbox, lane);
          reject(signal.reason);
        };
        signal.addEventListener('abort', giveUp, { once: true });
        lane.queue.push(waiter);
        advance(mailbox, lane);
      });
    },
    pause(mailbox, milliseconds) {
      const lane = laneOf(mailbox);
      const until = monotonicMilliseconds() + milliseconds;
      if (until <= lane.pausedUntil) return;
      lane.pausedUntil = until;
      if (lane.timer !== null) clearTimeout(lane.timer);
      lane.timer = null;
      advance(mailbox, lane);
    },
    pausedFor(mailbox) {
      return Math.max(0, (lanes.get(mailbox)?.pausedUntil ?? 0) - monotonicMilliseconds());
    },
  };
}

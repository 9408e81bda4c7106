import { monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { GraphError } from './graph-error.ts';

/** Requests that Microsoft lets one app have under way in one mailbox. https://learn.microsoft.com/graph/throttling-limits */
export const SLOTS_PER_MAILBOX = 4;

/** How long requests for one slot may overtake one that needs several: tickets go before archiving. */
const OVERTAKEN_MILLISECONDS = 0.5 * SECOND;
/** How long everybody then waits for those several slots; after that, one stuck download would hold up everything. */
const DRAIN_MILLISECONDS = 2 * SECOND;

/** What somebody needs who stands in line. */
export interface Passage {
  slots: number;
  /** Moves have a pause of their own. */
  isMove?: boolean;
  /** The longest pause that is sat out in line; who finds or meets a longer one is sent away. Without end when left out. */
  patienceMilliseconds?: number;
}

/** Whom a pause keeps out. */
export type PauseKind = 'ALL' | 'MOVES';

/** What a lane needs at the moment, for those who give out slots. */
export interface SlotNeed {
  /** Slots that requests under way hold. */
  used: number;
  /** Waiting requests that need one slot each, and may go. */
  singles: number;
  /** What the first waiting request that needs several slots needs; 0 without one. */
  several: number;
  /** Whether nobody may overtake it any more. */
  isDraining: boolean;
}

/** Gives out the slots of all processes. Without one, a gate has all of them. */
export interface SlotSupply {
  /** How many slots of the lane this process may use now. */
  held(lane: string): number;
  /** Says what the lane needs, after every change. What comes of it is told by the listener of the supply. */
  need(lane: string, need: SlotNeed): void;
}

/** Keeps to the limits of each mailbox. A mailbox that is throttled or slow holds up nobody else. */
export interface GraphGate {
  /**
   * Waits in line until the slots of the mailbox are free and no pause lasts; call the result once to give them back.
   * Rejects with the signal's reason when it aborts first, and with `GraphError` `THROTTLED` when patience ends.
   */
  enter(lane: string, passage: Passage, signal: AbortSignal): Promise<() => void>;
  /** Lets nobody, or no moves, into the mailbox for that long; a longer pause that lasts already stays. */
  pause(lane: string, milliseconds: number, kind?: PauseKind): void;
  /** How long the pause still lasts for reads or for moves, in milliseconds; 0 without one. */
  pausedFor(lane: string, isMove?: boolean): number;
  /** The supply of slots has changed. */
  advance(lane: string): void;
}

interface Waiter extends Required<Passage> {
  since: number;
  admit(): void;
  refuse(reason: unknown): void;
}

interface Lane {
  used: number;
  /** In the order of their coming. */
  queue: Waiter[];
  pausedUntil: number;
  movesPausedUntil: number;
  timer: NodeJS.Timeout | null;
}

const EVERYTHING: SlotSupply = { held: () => SLOTS_PER_MAILBOX, need: () => undefined };

/** A gate without anybody inside. */
export function createGraphGate(supply: SlotSupply = EVERYTHING): GraphGate {
  const lanes = new Map<string, Lane>();

  const laneOf = (name: string): Lane => {
    const known = lanes.get(name);
    if (known !== undefined) return known;
    const lane: Lane = { used: 0, queue: [], pausedUntil: 0, movesPausedUntil: 0, timer: null };
    lanes.set(name, lane);
    return lane;
  };

  const advance = (name: string, lane: Lane): void => {
    if (lane.timer !== null) clearTimeout(lane.timer);
    lane.timer = null;
    const now = monotonicMilliseconds();
    let line = lineUp(lane, now);
    for (
      let next = line.next;
      next !== null && next.slots <= supply.held(name) - lane.used;
      next = line.next
    ) {
      lane.queue.splice(lane.queue.indexOf(next), 1);
      lane.used += next.slots;
      next.admit();
      line = lineUp(lane, now);
    }
    const { singles, several, isDraining, wakeAt } = line;
    supply.need(name, { used: lane.used, singles, several, isDraining });
    if (wakeAt !== null) {
      // Timers may fire a little early: it looks again until the time has really come.
      lane.timer = setTimeout(() => advance(name, lane), Math.max(1, Math.ceil(wakeAt - now))).unref();
    } else if (
      lane.queue.length === 0 &&
      lane.used === 0 &&
      Math.max(lane.pausedUntil, lane.movesPausedUntil) <= now
    ) {
      lanes.delete(name);
    }
  };

  const pausedFor = (lane: Lane | undefined, isMove: boolean): number => {
    if (lane === undefined) return 0;
    const until = isMove ? Math.max(lane.pausedUntil, lane.movesPausedUntil) : lane.pausedUntil;
    return Math.max(0, until - monotonicMilliseconds());
  };

  return {
    enter(name, { slots, isMove = false, patienceMilliseconds = Number.POSITIVE_INFINITY }, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const lane = laneOf(name);
        const pause = pausedFor(lane, isMove);
        if (pause > patienceMilliseconds) return reject(throttledError(pause));
        const leaveLine = () => signal.removeEventListener('abort', giveUp);
        const waiter: Waiter = {
          slots,
          isMove,
          patienceMilliseconds,
          since: monotonicMilliseconds(),
          admit() {
            leaveLine();
            let isInside = true;
            resolve(() => {
              if (!isInside) return;
              isInside = false;
              lane.used -= slots;
              advance(name, lane);
            });
          },
          refuse(reason) {
            leaveLine();
            lane.queue.splice(lane.queue.indexOf(waiter), 1);
            reject(reason);
          },
        };
        const giveUp = () => {
          waiter.refuse(signal.reason);
          advance(name, lane);
        };
        signal.addEventListener('abort', giveUp, { once: true });
        lane.queue.push(waiter);
        advance(name, lane);
      });
    },
    pause(name, milliseconds, kind = 'ALL') {
      const lane = laneOf(name);
      const until = monotonicMilliseconds() + milliseconds;
      if (kind === 'ALL') lane.pausedUntil = Math.max(lane.pausedUntil, until);
      else lane.movesPausedUntil = Math.max(lane.movesPausedUntil, until);
      for (const waiter of [...lane.queue]) {
        const pause = pausedFor(lane, waiter.isMove);
        if (pause > waiter.patienceMilliseconds) waiter.refuse(throttledError(pause));
      }
      advance(name, lane);
    },
    pausedFor: (name, isMove = false) => pausedFor(lanes.get(name), isMove),
    advance(name) {
      const lane = lanes.get(name);
      if (lane !== undefined) advance(name, lane);
    },
  };
}

/** Who is next, what the line needs, and when it has to be looked at again although nothing happens. */
function lineUp(
  lane: Lane,
  now: number,
): Omit<SlotNeed, 'used'> & { next: Waiter | null; wakeAt: number | null } {
  const { queue, pausedUntil, movesPausedUntil } = lane;
  if (pausedUntil > now) {
    return { next: null, singles: 0, several: 0, isDraining: false, wakeAt: pausedUntil };
  }
  const mayMove = movesPausedUntil <= now;
  const ready = mayMove ? queue : queue.filter(({ isMove }) => !isMove);
  const singles = ready.filter(({ slots }) => slots === 1);
  const several = ready.find(({ slots }) => slots > 1) ?? null;
  const round = OVERTAKEN_MILLISECONDS + DRAIN_MILLISECONDS;
  const phase = several === null ? 0 : (now - several.since) % round;
  const isDraining = several !== null && phase >= OVERTAKEN_MILLISECONDS;
  const first = singles[0] ?? null;
  const wakes = [
    mayMove ? null : movesPausedUntil,
    isDraining && first !== null ? now + round - phase : null,
  ].filter((at) => at !== null);
  return {
    next: isDraining || first === null ? several : first,
    singles: singles.length,
    several: several?.slots ?? 0,
    isDraining,
    wakeAt: wakes.length === 0 ? null : Math.min(...wakes),
  };
}

/** What a call ends with when it is not made because the mailbox is left alone. */
export function throttledError(retryAfterMilliseconds: number): GraphError {
  return new GraphError('THROTTLED', 'Microsoft 365 asked us to slow down.', { retryAfterMilliseconds });
}

import { SECOND } from '../platform/clock.ts';
import { SLOTS_PER_MAILBOX, type SlotNeed } from './graph-gate.ts';

/*
 * How many slots of a mailbox a process keeps and asks for, apart from all input and output. A slot belongs to a process
 * until it hands it back: as long as nobody else wants it, requests one after the other cost nothing.
 */

/** How long unused slots are kept while nobody else asks. */
export const IDLE_MILLISECONDS = 0.5 * SECOND;
/** After this long a process that others wait for hands back everything, and stands in line like them. */
export const TURN_MILLISECONDS = 0.5 * SECOND;
/** Others ask again more often than this; who has not asked for so long no longer waits. */
export const CONTENDED_MILLISECONDS = 1 * SECOND;
/** How long slots may be kept unused until there are enough for a request that needs several. */
export const GATHERING_MILLISECONDS = 2 * SECOND;
/** What a process may keep of a mailbox that others want, too. */
const FAIR_SHARE = SLOTS_PER_MAILBOX / 2;

/** What a process knows of its part in a mailbox. Times are monotonic milliseconds. */
export interface SlotShare {
  held: number;
  /** Whether it is the one process that may keep slots while it waits for more. */
  isGathering: boolean;
  gatheringSince: number;
  /** Whether it asked for that last time, and another one had it. */
  mayNotGather: boolean;
  /** When another process first asked in this turn, and when last; null when nobody did. */
  contendedSince: number | null;
  contendedLast: number;
  need: SlotNeed;
}

/** What a process does now. */
export interface SlotPlan {
  /** How many of its slots to hand back; those in use are handed back later. */
  release: number;
  /** How many more to ask for. */
  ask: number;
  /** Whether to ask for the right to gather along with them. */
  askToGather: boolean;
  /** Whether the right to gather is not needed any more. */
  stopGathering: boolean;
  /** Whether the others shall know that it waits, when it does not get what it asks for. */
  insists: boolean;
}

/** How many of its slots a process may use for what comes next: of what others wait for, not all. */
export function allowance(share: SlotShare, now: number): number {
  if (!isContended(share, now) || share.isGathering) return share.held;
  return isTurnOver(share, now) ? 0 : Math.min(share.held, FAIR_SHARE);
}

/** Decides. */
export function planSlots(share: SlotShare, now: number): SlotPlan {
  const { held, need, isGathering } = share;
  const { used, singles, several } = need;
  const contended = isContended(share, now);
  const gathers = several > 0 && (singles === 0 || need.isDraining);
  const goal = Math.min(SLOTS_PER_MAILBOX, used + (gathers ? several : singles));
  const isComplete = held >= goal;
  const isTooLong = isGathering && now - share.gatheringSince > GATHERING_MILLISECONDS;
  let keep = held;
  if (gathers && !isComplete) {
    // Two that each keep two and want four would wait for each other: without the right, nothing is kept unused.
    if (isGathering ? isTooLong : share.mayNotGather || contended) keep = used + singles;
  } else if (contended && !(gathers && isGathering)) {
    keep = isTurnOver(share, now) || gathers ? 0 : Math.min(goal, FAIR_SHARE);
  }
  const release = Math.max(0, held - Math.max(keep, used));
  const left = held - release;
  // Who hands back does not ask in the same breath: the others come first.
  const most = contended && !gathers ? FAIR_SHARE : SLOTS_PER_MAILBOX;
  const ask = release > 0 ? 0 : Math.max(0, Math.min(goal, most) - left);
  // What was gathered is used: who waits meanwhile must not find it kept for the one after.
  const isSpent = contended && held === SLOTS_PER_MAILBOX && used > 0;
  return {
    release,
    ask,
    askToGather: ask > 0 && gathers && !isGathering,
    stopGathering: isGathering && (isSpent || release > 0),
    insists: left < Math.min(goal, gathers ? goal : FAIR_SHARE),
  };
}

function isContended({ contendedSince, contendedLast }: SlotShare, now: number): boolean {
  return contendedSince !== null && now - contendedLast < CONTENDED_MILLISECONDS;
}

function isTurnOver({ contendedSince }: SlotShare, now: number): boolean {
  return contendedSince !== null && now - contendedSince > TURN_MILLISECONDS;
}

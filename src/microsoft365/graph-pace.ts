import { MINUTE, SECOND } from '../platform/clock.ts';
import { REQUESTS_PER_WINDOW } from './graph-budget.ts';

/** The window in which Microsoft counts. https://learn.microsoft.com/graph/throttling-limits */
export const WINDOW_MILLISECONDS = 10 * MINUTE;
/** Moves get this share: reading always has the rest. */
const MOVES_LIMIT = 0.6 * REQUESTS_PER_WINDOW;
/** Where moves stop and leave what remains to reads, whoever has used it. */
const MOVES_END = 0.8 * REQUESTS_PER_WINDOW;
/** From here on each read is followed by a pause, so that what remains lasts. */
const READS_SLOW_DOWN = 0.95 * REQUESTS_PER_WINDOW;

/** What was used in the last ten minutes, over all processes. */
export interface BudgetUse {
  /** Requests, each part of a batch counted, moves included. */
  used: number;
  moves: number;
}

/** The pauses that follow a request, in milliseconds; 0: none. */
export interface Pace {
  all: number;
  moves: number;
}

/**
 * How to go on: by ourselves, before Microsoft tells us. Nothing stops for good, since the window moves on: moves go on
 * with a batch every half a minute, reads with one every second or so.
 */
export function paceOf({ used, moves }: BudgetUse): Pace {
  return {
    all: used >= REQUESTS_PER_WINDOW ? 15 * SECOND : used >= READS_SLOW_DOWN ? 1.2 * SECOND : 0,
    moves: moves >= MOVES_LIMIT || used >= MOVES_END ? 30 * SECOND : 0,
  };
}

import type { GraphGate, PauseKind, SlotSupply } from './graph-gate.ts';
import { SLOTS_PER_MAILBOX } from './graph-gate.ts';

/** Requests that Microsoft lets one app make in one mailbox in ten minutes, each part of a batch counted. */
export const REQUESTS_PER_WINDOW = 10_000;

/** The gate in front of a budget. */
export type BudgetGate = Pick<GraphGate, 'pause' | 'advance'>;

/**
 * What Microsoft grants one app in one mailbox: four requests at a time, 10,000 in ten minutes, and pauses to be kept. A
 * budget is named by `budgetKey`. Nothing here throws or blocks.
 */
export interface GraphBudget extends SlotSupply, AsyncDisposable {
  /** Tells the gate of pauses that others were told of, and of slots that came or went. Call it once, before anything. */
  attach(gate: BudgetGate): void;
  /** Says to all other processes what Microsoft said to this one. */
  pause(key: string, milliseconds: number, kind: PauseKind): void;
  /** Requests go out: counted, and when the budget is nearly used, the gate is told to slow down. */
  count(key: string, requests: number, isMove: boolean): void;
}

/** The budget of a process that is alone: it has all slots, and Microsoft is the judge of the rest. */
export function createOwnBudget(): GraphBudget {
  return {
    attach: () => undefined,
    held: () => SLOTS_PER_MAILBOX,
    need: () => undefined,
    pause: () => undefined,
    count: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

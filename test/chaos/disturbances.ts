import { systemClock } from '../../src/platform/clock.ts';
import type { FaultAction } from './plan-faults.ts';

/** Something that was wrong, and when; in milliseconds since 1970. */
export interface Disturbance {
  kind: FaultAction['kind'];
  from: number;
  /** Infinite while it lasts. */
  to: number;
  /** Null: all of them. */
  mailbox: string | null;
  what: string;
}

/** What was wrong when. */
export class Disturbances {
  readonly all: Disturbance[] = [];

  /** Something goes wrong now; returns what ends it. */
  begin(action: FaultAction): () => void {
    const disturbance: Disturbance = {
      kind: action.kind,
      from: systemClock.now().getTime(),
      to: Number.POSITIVE_INFINITY,
      mailbox: 'mailbox' in action ? action.mailbox : null,
      what: describe(action),
    };
    this.all.push(disturbance);
    return () => {
      disturbance.to = systemClock.now().getTime();
    };
  }
}

/** In a few words, for the log. */
export function describe(action: FaultAction): string {
  const { kind, ...rest } = action;
  return `${kind} ${JSON.stringify(rest)}`;
}

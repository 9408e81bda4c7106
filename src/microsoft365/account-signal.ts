import type { AccountSignal } from './account-status-plan.ts';
import type { GraphError } from './graph-error.ts';
import { postponementOf } from './graph-postpone.ts';

/**
 * What the end of a round of requests to Graph says about the account: null where it says nothing, as trouble with tokens,
 * which the token store has noted already. `failures` counts rounds in a row, this one included.
 */
export function signalOf(error: GraphError | null, failures: number, now: Date): AccountSignal | null {
  if (error === null) return { kind: 'REACHED' };
  switch (error.code) {
    case 'THROTTLED':
      return { kind: 'THROTTLED', problem: error.toProblem(now), milliseconds: postponementOf(error) ?? 0 };
    case 'GRAPH_UNAVAILABLE':
    case 'GRAPH_TIMEOUT':
      return { kind: 'NOT_REACHED', problem: error.toProblem(now), failures };
    default:
      return null;
  }
}

import type { Disturbance } from './disturbances.ts';
import type { Fleet } from './fleet.ts';
import { countByMessage, type SortedIncidents } from './incidents.ts';
import type { ClientRecord } from './listener.ts';
import type { RunRecord } from './record.ts';
import { type Arrival, type LatencyFigures, latencyFigures } from './timeliness.ts';

/** What a run was, in numbers. */
export interface ChaosFigures {
  delivered: number;
  ledgerRows: number;
  messages: number;
  tickets: number;
  outcomes: Record<string, number>;
  /** Faults that were done, by kind. */
  faults: Record<string, number>;
  kills: Record<string, number>;
  /** What each client saw, over how many connections, and what it was told instead of events. */
  clients: Record<
    string,
    { seen: number; connections: number; cuts: number; refusals: Record<string, number> }
  >;
  /** From the last fault to the last arrival. */
  settleSeconds: number;
  /** Milliseconds. */
  latencies: LatencyFigures;
  expectedErrors: Record<string, number>;
  unexpectedErrors: Record<string, number>;
}

/** Counts it all. */
export function figuresOf(run: {
  fleet: Fleet;
  record: RunRecord;
  clients: readonly ClientRecord[];
  arrivals: readonly Arrival[];
  disturbances: readonly Disturbance[];
  incidents: SortedIncidents;
  settleSeconds: number;
}): ChaosFigures {
  const { fleet, record, clients, arrivals, disturbances, incidents, settleSeconds } = run;
  return {
    delivered: record.delivered.length,
    ledgerRows: record.ledger.length,
    messages: record.messages.length,
    tickets: record.tickets.length,
    outcomes: count(record.ledger.map(({ outcome }) => outcome)),
    faults: count(disturbances.map(({ kind }) => kind)),
    kills: Object.fromEntries(fleet.members.map(({ name, kills }) => [name, kills])),
    clients: Object.fromEntries(
      clients.map(({ name, seen, connections, cuts, refusals }) => [
        name,
        { seen: seen.length, connections, cuts, refusals: count(refusals) },
      ]),
    ),
    settleSeconds: Math.round(settleSeconds * 10) / 10,
    latencies: latencyFigures(arrivals, disturbances),
    expectedErrors: countByMessage(incidents.expected),
    unexpectedErrors: countByMessage(incidents.unexpected),
  };
}

function count(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

import type { Check } from './checker.ts';
import type { Disturbance } from './disturbances.ts';
import { POLLING_MINUTES, SPARED_MAILBOX } from './stage.ts';

/** A mail with the moments at which it was sent and stored, in milliseconds since 1970. */
export interface Arrival {
  mailbox: string;
  messageId: string;
  sentAt: number;
  storedAt: number;
}

/** What reading a whole burst may take, with the seconds between two looks at who is due. */
const MARGIN_MILLISECONDS = 15_000;
const INTERVAL_MILLISECONDS = POLLING_MINUTES * 60_000;

/** How long what is over may still be felt, beyond what a poll is waited for anyway. */
const AFTERMATH_MILLISECONDS: Partial<Record<Disturbance['kind'], number>> = {
  // Jobs of a dead process go back within seconds.
  KILL: 10_000,
  DATABASE: 10_000,
  // The longest `Retry-After` of the plan.
  GRAPH: 5_000,
  TOKENS: 2_000,
  // A mail that could not be read is tried again after half a minute.
  QUIRKS: 35_000,
};

/**
 * R4: with push off, broken or lost, mail arrives within one polling interval. The interval counts from the end of the last
 * trouble that could keep a poll from reading this mailbox.
 */
export function checkPolling(arrivals: readonly Arrival[], disturbances: readonly Disturbance[]): Check {
  const allowed = INTERVAL_MILLISECONDS + MARGIN_MILLISECONDS;
  const late = arrivals.flatMap(({ mailbox, messageId, sentAt, storedAt }) => {
    const free = disturbances.reduce((since, disturbance) => {
      const aftermath = AFTERMATH_MILLISECONDS[disturbance.kind];
      const isMeant = disturbance.mailbox === null || disturbance.mailbox === mailbox;
      if (aftermath === undefined || !isMeant || disturbance.from >= storedAt) return since;
      return Math.max(since, Math.min(disturbance.to + aftermath, storedAt));
    }, sentAt);
    const waited = storedAt - free;
    return waited > allowed ? [`${mailbox} ${messageId}: ${Math.round(waited / 1_000)} s`] : [];
  });
  return { name: 'every mail arrived within one polling interval of the last trouble', faults: late };
}

/** Milliseconds from the arrival at Exchange to the message here. */
export interface Latencies {
  count: number;
  median: number;
  p99: number;
}

/** How long mail took, and how long beside the trouble of others. */
export interface LatencyFigures {
  byMailbox: Record<string, Latencies>;
  /** R5, of the mailbox that Graph never failed for: when nothing was wrong at all, and while it failed for others. */
  spared: { calm: Latencies; besideTroubled: Latencies; ratio: number | null };
}

/** Reported, and not judged: a machine that is busy with other things moves it more than any fault. */
export function latencyFigures(
  arrivals: readonly Arrival[],
  disturbances: readonly Disturbance[],
): LatencyFigures {
  const byMailbox = Object.fromEntries(
    [...Map.groupBy(arrivals, ({ mailbox }) => mailbox)].map(([mailbox, some]) => [mailbox, latencies(some)]),
  );
  const spared = arrivals.filter(({ mailbox }) => mailbox === SPARED_MAILBOX);
  const during = ({ sentAt, storedAt }: Arrival) =>
    disturbances.filter(
      ({ kind, from, to }) =>
        kind !== 'CUT' && from <= storedAt && to + (AFTERMATH_MILLISECONDS[kind] ?? 5_000) >= sentAt,
    );
  const calm = latencies(spared.filter((arrival) => during(arrival).length === 0));
  const besideTroubled = latencies(
    spared.filter((arrival) => {
      const troubles = during(arrival);
      return (
        troubles.length > 0 &&
        troubles.every(
          ({ kind, mailbox }) => kind === 'GRAPH' && mailbox !== null && mailbox !== SPARED_MAILBOX,
        )
      );
    }),
  );
  const ratio = calm.count > 0 && besideTroubled.count > 0 ? besideTroubled.median / calm.median : null;
  return {
    byMailbox,
    spared: { calm, besideTroubled, ratio: ratio === null ? null : Math.round(ratio * 100) / 100 },
  };
}

function latencies(arrivals: readonly Arrival[]): Latencies {
  const sorted = arrivals.map(({ sentAt, storedAt }) => storedAt - sentAt).sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  return { count: sorted.length, median: at(0.5), p99: at(0.99) };
}

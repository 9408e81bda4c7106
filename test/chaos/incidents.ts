import type { Check } from './checker.ts';
import type { Disturbance } from './disturbances.ts';
import type { Incident } from './member.ts';

/** How long after a restart of the database processes may still complain about it. */
const DATABASE_AFTERMATH_MILLISECONDS = 20_000;

/** What the processes complained about, sorted by whether it was to be expected. */
export interface SortedIncidents {
  /** While the database was away, or just back. */
  expected: Incident[];
  unexpected: Incident[];
}

/** Errors are expected while the database is away; anything that nobody caught, and errors at other times, are not. */
export function sortIncidents(
  incidents: readonly Incident[],
  disturbances: readonly Disturbance[],
): SortedIncidents {
  const outages = disturbances.filter(({ kind }) => kind === 'DATABASE');
  const isExpected = ({ at, level }: Incident) =>
    level !== 'fatal' &&
    outages.some(({ from, to }) => at >= from && at <= to + DATABASE_AFTERMATH_MILLISECONDS);
  return {
    expected: incidents.filter(isExpected),
    unexpected: incidents.filter((incident) => !isExpected(incident)),
  };
}

/** Whether the processes lived and logged as they should. */
export function checkIncidents({ unexpected }: SortedIncidents): Check[] {
  const faultsOf = (isMeant: (incident: Incident) => boolean) =>
    unexpected.filter(isMeant).map(({ member, text }) => `${member}: ${text}`);
  return [
    {
      name: 'no process ended by itself, and none met an error that nobody caught',
      faults: faultsOf(({ level }) => level !== 'error'),
    },
    {
      name: 'no error was logged but for the database being away',
      faults: faultsOf(({ level }) => level === 'error'),
    },
  ];
}

/** How often each message was logged. */
export function countByMessage(incidents: readonly Incident[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { text } of incidents) {
    const message = /"msg":"([^"]*)"/.exec(text)?.[1] ?? text.slice(0, 80);
    const kind = message.replace(/\d+ms/, '… ms');
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

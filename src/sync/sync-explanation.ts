import { readableTime } from '../platform/zoned-time.ts';
import type { FilingFailures } from './filing-failures.ts';
import type { SyncStatus } from './sync-status.ts';

/** What an explanation looks at. */
export type ExplainedStatus = Pick<
  SyncStatus,
  'state' | 'timeZone' | 'resumesAt' | 'lastSuccessAt' | 'nextPollAt' | 'problem'
>;

/** The sync of a mailbox in a sentence or two, with times as clocks of the mailbox's zone show them. */
export function explainSync({
  state,
  timeZone,
  resumesAt,
  lastSuccessAt,
  nextPollAt,
  problem,
}: ExplainedStatus): string {
  const at = (time: Date) => readableTime(time, timeZone);
  const last = lastSuccessAt
    ? `The folder was last read to its end at ${at(lastSuccessAt)}.`
    : 'The folder was never read to its end yet.';
  switch (state) {
    case 'DISABLED':
      return 'Incoming mail is switched off.';
    case 'RUNNING':
      return `The folder is being read. ${last}`;
    case 'QUEUED':
      return `A run waits for a worker. ${last}`;
    case 'PAUSED':
      return `Paused${resumesAt ? ` until ${at(resumesAt)}` : ''}: Microsoft 365 asked to slow down, and it goes on by itself. ${last}`;
    case 'FAILING':
      return `${problem?.message ?? 'The last run failed.'} ${last}${nextPollAt ? ` It is tried again at ${at(nextPollAt)} at the latest.` : ''}`;
    case 'IDLE':
      return `${last}${nextPollAt ? ` It is read next at ${at(nextPollAt)} at the latest.` : ''}`;
  }
}

/** What of a mailbox's mail could not be filed, in a sentence; empty when nothing is wrong. */
export function explainFiling({ count, problem }: FilingFailures): string {
  if (count === 0) return '';
  const messages = count === 1 ? '1 message' : `${count} messages`;
  return `${messages} could not be archived, deleted or copied${problem === null ? '.' : `: ${problem.message}`}`;
}

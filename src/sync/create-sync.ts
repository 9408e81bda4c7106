import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { lookAgain } from './announced-mail.ts';
import { archiveMail } from './archive-mail.ts';
import { pollDueMailboxes } from './poll-due-mailboxes.ts';
import { recoverMailboxes } from './recover-mailboxes.ts';
import { retryInboundMessage } from './retry-inbound-message.ts';
import { runSync, type SyncDependencies } from './run-sync.ts';
import {
  archiveMailJob,
  lookAgainJob,
  pollDueMailboxesJob,
  recoverMailboxesJob,
  retryInboundMessageJob,
  syncMailboxJob,
} from './sync.jobs.ts';

/** The jobs of the sync engine. */
export function createSyncJobs(deps: SyncDependencies): JobHandler[] {
  return [
    handleJob(syncMailboxJob, (input, context) => runSync(deps, input, context)),
    handleJob(lookAgainJob, (input, context) => lookAgain(deps, input, context)),
    handleJob(archiveMailJob, (input, context) => archiveMail(deps, input, context)),
    handleJob(retryInboundMessageJob, (input, context) => retryInboundMessage(deps, input, context)),
    handleJob(recoverMailboxesJob, (input, context) => recoverMailboxes(deps, input, context)),
    handleJob(pollDueMailboxesJob, (_input, context) => pollDueMailboxes(deps, context)),
  ];
}

/** What the clock asks for: every five seconds, who is due. */
export const syncSchedule: readonly ScheduleEntry[] = [
  { job: pollDueMailboxesJob, pattern: '*/5 * * * * *' },
];

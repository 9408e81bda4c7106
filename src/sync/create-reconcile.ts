import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { reconcileDueMailboxesJob, reconcileMailboxJob } from './reconcile.jobs.ts';
import { reconcileDueMailboxes } from './reconcile-due-mailboxes.ts';
import { reconcileMailbox } from './reconcile-mailbox.ts';
import type { SyncDependencies } from './run-sync.ts';

/** The jobs that prove the ledger against the folders. */
export function createReconcileJobs(deps: SyncDependencies): JobHandler[] {
  return [
    handleJob(reconcileMailboxJob, (input, context) => reconcileMailbox(deps, input, context)),
    handleJob(reconcileDueMailboxesJob, (_input, context) => reconcileDueMailboxes(deps, context)),
  ];
}

/** What the clock asks for: every minute, whose turn it is. */
export const reconcileSchedule: readonly ScheduleEntry[] = [
  { job: reconcileDueMailboxesJob, pattern: '15 * * * * *' },
];

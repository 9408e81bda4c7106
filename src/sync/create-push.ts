import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { managePushJob, removePushOrphansJob, sweepPushJob, wakePushJob, watchPushJob } from './push.jobs.ts';
import { managePush, type PushDependencies } from './push-subscriptions.ts';
import { sweepAccount, sweepPush } from './sweep-push.ts';
import { watchPush } from './watch-push.ts';

/** The jobs that keep subscriptions for change notifications alive. */
export function createPushJobs(deps: PushDependencies): JobHandler[] {
  return [
    handleJob(managePushJob, (input, context) => managePush(deps, input, context)),
    handleJob(wakePushJob, (input, context) => managePush(deps, input, context)),
    handleJob(watchPushJob, (_input, context) => watchPush(deps, context)),
    handleJob(sweepPushJob, () => sweepPush(deps)),
    handleJob(removePushOrphansJob, (input, context) => sweepAccount(deps, input, context)),
  ];
}

/** What the clock asks for: every minute, what is due; every night, what was forgotten at Microsoft. */
export const pushSchedule: readonly ScheduleEntry[] = [
  { job: watchPushJob, pattern: '30 * * * * *' },
  { job: sweepPushJob, pattern: '0 41 3 * * *' },
];

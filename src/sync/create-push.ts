import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { forkFor } from '../platform/database.ts';
import { managePushJob, removePushOrphansJob, sweepPushJob, wakePushJob, watchPushJob } from './push.jobs.ts';
import { serverObstacle, webhookUrls } from './push-environment.ts';
import { removeOrphans } from './push-orphans.ts';
import { managePush, type PushDependencies } from './push-subscriptions.ts';
import { sweepPush, watchPush } from './watch-push.ts';

/** The jobs that keep subscriptions for change notifications alive. */
export function createPushJobs(deps: PushDependencies): JobHandler[] {
  const { database, environment } = deps;
  return [
    handleJob(managePushJob, (input, context) => managePush(deps, input, context)),
    handleJob(wakePushJob, (input, context) => managePush(deps, input, context)),
    handleJob(watchPushJob, (_input, context) => watchPush(deps, context)),
    handleJob(sweepPushJob, () => sweepPush(deps)),
    handleJob(removePushOrphansJob, async ({ organizationId, mailboxId }, { signal, logger }) => {
      if (environment.publicUrl === null || serverObstacle(environment)) return;
      const mailbox = await forkFor(database, organizationId, signal).findOne(Mailbox, { id: mailboxId });
      if (!mailbox) return;
      const { notificationUrl } = webhookUrls(environment.publicUrl);
      const orphans = await removeOrphans(deps, mailbox, notificationUrl, signal);
      if (orphans > 0) logger.warn({ mailboxId, orphans }, 'ended subscriptions that nobody here knew');
    }),
  ];
}

/** What the clock asks for: every minute, what is due; every night, what was forgotten at Microsoft. */
export const pushSchedule: readonly ScheduleEntry[] = [
  { job: watchPushJob, pattern: '30 * * * * *' },
  { job: sweepPushJob, pattern: '0 41 3 * * *' },
];

import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { limitBulky, MOST_BULKY_RUNS } from './bulky-places.ts';
import { checkSentCopyJob, deliverJob, sweepOutboxJob } from './deliver.jobs.ts';
import { sweepOutbox } from './deliver.ts';
import type { DeliveryDeps } from './delivery.ts';
import { SETTLING_TIMES, type SettlingTimes } from './delivery-plan.ts';
import { crashing, nothingHappens, type Reached } from './fault-points.ts';
import { limitsWith, type SendLimits } from './send-limits.ts';
import { hurryMailboxes } from './sending-pause.ts';
import { checkSentCopy } from './sent-copy.ts';

/** What a test may set of the outbox. */
export interface OutboxOverrides {
  /** Called at each of `FAULT_POINTS`: what it throws ends the job there, and a process that it ends has died there. */
  reached?: Reached;
  /** Smaller limits than Exchange's. */
  limits?: Partial<SendLimits>;
  /** Shorter waits for what may still change by itself, in milliseconds. */
  times?: Partial<SettlingTimes>;
  /** Fewer lanes of large mails at a time. */
  bulkyRuns?: number;
}

/** The limits that mails are sent within: Exchange's, or a test's. */
export function outboxLimits({ limits }: OutboxOverrides = {}): SendLimits {
  return limitsWith(limits);
}

/** The jobs of the outbox. */
export function createOutboxJobs(
  deps: Omit<DeliveryDeps, 'reached' | 'limits' | 'times'>,
  overrides: OutboxOverrides = {},
): JobHandler[] {
  const all: DeliveryDeps = {
    ...deps,
    reached: crashing(overrides.reached ?? nothingHappens),
    limits: outboxLimits(overrides),
    times: { ...SETTLING_TIMES, ...overrides.times },
  };
  const deliver = limitBulky(overrides.bulkyRuns ?? MOST_BULKY_RUNS);
  return [
    handleJob(deliverJob, (input, context) => deliver(all, input, context)),
    handleJob(checkSentCopyJob, (input, context) => checkSentCopy(all, input, context)),
    handleJob(sweepOutboxJob, (_input, context) => sweepOutbox(all, context)),
  ];
}

/** What the clock asks for: every minute, what was forgotten. */
export const outboxSchedule: readonly ScheduleEntry[] = [{ job: sweepOutboxJob, pattern: '11 * * * * *' }];

/** Makes what waits in the mailboxes of an account due at once: for when the account can act again. Inside a transaction. */
export async function hurryOutbox(em: EntityManager, account: Account): Promise<void> {
  await hurryMailboxes(em, account.organization.id, { accountId: account.id });
}

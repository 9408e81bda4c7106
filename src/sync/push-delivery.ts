import { MINUTE } from '../platform/clock.ts';
import { readableTime } from '../platform/zoned-time.ts';
import { obstacleOf, type PushEnvironment } from './push-environment.ts';
import type { SubscriptionFacts } from './push-plan.ts';
import { ANNOUNCEMENT_GRACE, isProbeUnanswered, isProven, silentProbes } from './push-probe-plan.ts';

const SILENCE_REMEDY =
  'Check that the webhook URLs of microsoft365Setup are reachable from the internet for everybody, not only for this machine. The subscription is made anew and probed again by itself; after a repair, probePush does it at once.';

/** How new mail is noticed. */
export const DELIVERIES = ['PUSH', 'POLLING'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** How new mail of a mailbox is noticed, and why. */
export interface DeliveryStatus {
  delivery: Delivery;
  reason: string;
  /** Null when there is nothing to do. */
  remedy: string | null;
}

/** Says how new mail of a mailbox is noticed. */
export function deliveryOf(
  environment: PushEnvironment,
  mailbox: {
    kind: string;
    incomingEnabled: boolean;
    syncIntervalMinutes: number;
    /** In which the reason names times; UTC when left out. */
    timeZone?: string;
    folder?: { id: string } | null | undefined;
  },
  current: SubscriptionFacts | null,
  now: Date,
): DeliveryStatus {
  const every = `every ${mailbox.syncIntervalMinutes} min`;
  const polling = (reason: string, remedy: string | null = null): DeliveryStatus => ({
    delivery: 'POLLING',
    reason: `${reason} The folder is read ${every}.`,
    remedy,
  });
  const timeOf = (time: Date | null | undefined) =>
    time ? readableTime(time, mailbox.timeZone ?? 'UTC') : 'an unknown time';
  const obstacle = obstacleOf(environment, mailbox);
  if (obstacle) return polling(obstacle.reason, obstacle.remedy);
  if (!mailbox.incomingEnabled) {
    return { delivery: 'POLLING', reason: 'Incoming mail is switched off.', remedy: null };
  }
  const { state, problem, missedCount = 0 } = current ?? {};
  // While it is asked for once more, what stood in the way is still all that is known.
  if ((state === 'FAILED' || state === 'CREATING') && problem)
    return polling(problem.message, problem.remedy);
  if (state === 'REMOVED') return polling('Microsoft ended the subscription; another one is being made.');
  if (state !== 'ACTIVE' || current?.folderId !== mailbox.folder?.id) {
    return polling('The subscription for notifications is being made.');
  }
  if (!current?.expiresAt || current.expiresAt <= now) {
    return polling(problem?.message ?? 'The subscription has expired.', problem?.remedy ?? null);
  }
  if (missedCount > 0) {
    return polling(
      `Microsoft has the subscription but did not announce new mail, ${missedCount} ${missedCount === 1 ? 'time' : 'times'} since the last notification.`,
      'Nothing to do at first: it heals with the next notification, and the subscription is made anew. If it lasts, check that the webhook URLs of microsoft365Setup are reachable from the internet.',
    );
  }
  if (isProbeUnanswered(current, now)) {
    return polling(
      `Microsoft accepted the subscription, but a probe at ${timeOf(current.probeStartedAt)} was not announced within ${ANNOUNCEMENT_GRACE / MINUTE} minutes.`,
      SILENCE_REMEDY,
    );
  }
  if (!isProven(current, now)) return unproven(current, now, polling, timeOf);
  return {
    delivery: 'PUSH',
    reason: `Microsoft announces new mail at once; besides, the folder is read ${every}.${renewalTrouble()}`,
    remedy: problem?.remedy ?? null,
  };

  /** Until it expires it works, whatever Microsoft said when it was to be renewed. */
  function renewalTrouble(): string {
    if (!problem) return '';
    return ` The subscription could not be renewed so far, and ends at ${timeOf(current?.expiresAt)}: ${problem.message}`;
  }
}

/** Microsoft has the subscription, and nothing has shown yet, or for long, that its notifications come. */
function unproven(
  current: SubscriptionFacts,
  now: Date,
  polling: (reason: string, remedy?: string | null) => DeliveryStatus,
  timeOf: (time: Date) => string,
): DeliveryStatus {
  const { lastNotificationAt, probeProblem } = current;
  if (probeProblem) {
    return polling(
      `Microsoft accepted the subscription, and no probe could be made to see whether its notifications come: ${probeProblem.message} The first mail that Microsoft announces proves it.`,
      probeProblem.remedy,
    );
  }
  const silent = silentProbes(current, now);
  if (silent > 0) {
    return polling(
      `Microsoft accepted the subscription, but announced none of its probes (${silent} so far) within ${ANNOUNCEMENT_GRACE / MINUTE} minutes.`,
      SILENCE_REMEDY,
    );
  }
  const since = lastNotificationAt
    ? `the last notification came at ${timeOf(lastNotificationAt)}`
    : 'its first notification is awaited';
  return polling(
    `Microsoft accepted the subscription; ${since}, and a probe is made to see whether they come.`,
  );
}

import { LockMode } from '@mikro-orm/core';
import { enqueue } from '../jobs/define-job.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { managePushJob } from './push.jobs.ts';
import { obstacleOf, type PushEnvironment } from './push-environment.ts';
import { PushImpossibleError, PushNotActiveError, PushProbeTooSoonError } from './push-errors.ts';
import { PROBE_PAUSE, type PushProbeState, probeDeadlineOf, probeStateOf } from './push-probe-plan.ts';
import { PushSubscription } from './push-subscription.entity.ts';
import { IncomingDisabledError } from './sync-errors.ts';

/** A probe as people see it. */
export class PushProbe {
  readonly state: PushProbeState;
  readonly startedAt: Date | null;
  readonly deadline: Date | null;
  readonly answeredAt: Date | null;
  readonly roundTripMilliseconds: number | null;
  readonly problem: Problem | null;

  constructor(state: PushProbeState, subscription: PushSubscription) {
    // What is still in the columns of a queued one is about its predecessor.
    const isQueued = state === 'QUEUED';
    const startedAt = (isQueued ? null : subscription.probeStartedAt) ?? null;
    const answeredAt = (isQueued ? null : subscription.probeAnsweredAt) ?? null;
    this.state = state;
    this.startedAt = startedAt;
    this.deadline = isQueued ? null : probeDeadlineOf(subscription);
    this.answeredAt = answeredAt;
    // The two may come from the clocks of two machines.
    this.roundTripMilliseconds =
      startedAt && answeredAt ? Math.max(answeredAt.getTime() - startedAt.getTime(), 0) : null;
    this.problem = (state === 'FAILED' ? subscription.probeProblem : null) ?? null;
  }
}

/** The last probe of a subscription; null when there was none and none is due. */
export function readPushProbe(subscription: PushSubscription, now: Date): PushProbe | null {
  const isActive = subscription.state === 'ACTIVE';
  const state = probeStateOf(subscription, now);
  return state === null || (state === 'QUEUED' && !isActive) ? null : new PushProbe(state, subscription);
}

/**
 * Asks for a probe of a mailbox's subscription. One that is queued or under way is given back as it is. Throws
 * `PushImpossibleError`, `IncomingDisabledError`, `PushNotActiveError`, `PushProbeTooSoonError`.
 */
export async function requestPushProbe(
  em: EntityManager,
  mailbox: Mailbox,
  { environment, clock }: { environment: PushEnvironment; clock: Clock },
): Promise<PushProbe> {
  const obstacle = obstacleOf(environment, mailbox);
  if (obstacle) throw new PushImpossibleError(obstacle);
  if (!mailbox.incomingEnabled) throw new IncomingDisabledError();
  return em.transactional(async (tx) => {
    const current = await tx.findOne(
      PushSubscription,
      { mailbox: mailbox.id, replacedAt: null },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    const now = clock.now();
    if (current?.state !== 'ACTIVE' || !current.expiresAt || current.expiresAt <= now) {
      throw new PushNotActiveError(current?.problem ?? null);
    }
    const open = readPushProbe(current, now);
    if (open?.state === 'WAITING') return open;
    if (open?.state !== 'QUEUED') {
      const allowedAt = (current.probeStartedAt?.getTime() ?? 0) + PROBE_PAUSE;
      if (allowedAt > now.getTime()) {
        throw new PushProbeTooSoonError(Math.ceil((allowedAt - now.getTime()) / SECOND));
      }
      tx.assign(current, { nextProbeAt: now });
      await tx.flush();
      await recordEvents(tx, mailbox.organization.id, [
        { type: 'sync-status.changed', mailboxId: mailbox.id },
      ]);
    }
    await enqueue(tx, managePushJob, { organizationId: mailbox.organization.id, mailboxId: mailbox.id });
    return new PushProbe('QUEUED', current);
  });
}

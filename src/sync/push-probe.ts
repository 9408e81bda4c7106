import { LockMode } from '@mikro-orm/core';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError, type GraphErrorCode } from '../microsoft365/graph-error.ts';
import type { PushApi } from '../microsoft365/push.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { afterProbeEvent, isProbeUnanswered, type ProbeEvent } from './push-probe-plan.ts';
import { PushSubscription } from './push-subscription.entity.ts';

/** Came to no answer, to a fault at Microsoft, or to one that cannot be read. A refusal makes nothing. */
const MAY_HAVE_MADE_IT: ReadonlySet<GraphErrorCode> = new Set<GraphErrorCode>([
  'GRAPH_UNAVAILABLE',
  'GRAPH_TIMEOUT',
  'UNEXPECTED_ANSWER',
  'ANSWER_TOO_LARGE',
]);

/** What making and removing probes of a mailbox takes. Nobody else does so at the same time: see `push.jobs.ts`. */
export interface ProbeJob {
  deps: { push: PushApi; clock: Clock };
  em: EntityManager;
  mailbox: Mailbox;
  signal: AbortSignal;
}

/** Makes a notification of a subscription happen; why and how: `push-probe-plan.ts`. */
export async function probeSubscription(job: ProbeJob, { id, folderId }: PushSubscription): Promise<void> {
  const { deps, mailbox, signal } = job;
  await apply(job, id, { kind: 'BEGUN' });
  let event: ProbeEvent;
  try {
    event = { kind: 'MADE', messageId: await deps.push.makeProbe(accessOf(mailbox), folderId, signal) };
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const { code, isTransient, status, retryAfterMilliseconds } = error;
    event = {
      kind: 'NOT_MADE',
      problem: error.toProblem(deps.clock.now()),
      isCertain: !MAY_HAVE_MADE_IT.has(code),
      // Without an answer of Graph the sign-in is at fault, or a pause: nothing is known about drafts.
      isTransient: isTransient || status === null,
      retryAfterMilliseconds,
    };
  }
  await apply(job, id, event);
}

/**
 * Removes the drafts of a mailbox's probes that were answered, or whose time is over, also those that a crash or a
 * replacement of the subscription has left behind.
 */
export async function removeProbes(job: ProbeJob): Promise<void> {
  const { deps, em, mailbox, signal } = job;
  const due = await em.find(PushSubscription, {
    mailbox: mailbox.id,
    probeRemovalAt: { $lte: deps.clock.now() },
  });
  for (const { id, folderId, probeMessageId } of due) {
    let event: ProbeEvent = { kind: 'REMOVED' };
    try {
      const draft = { folderId, messageId: probeMessageId ?? null };
      await deps.push.removeProbe(accessOf(mailbox), draft, signal);
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      const { isTransient, retryAfterMilliseconds } = error;
      event = { kind: 'NOT_REMOVED', isTransient, retryAfterMilliseconds };
    }
    await apply(job, id, event);
  }
}

/** In a transaction of its own, and on the row as it is by then: meanwhile a notification may have come. */
async function apply(
  { deps, em, mailbox }: ProbeJob,
  subscriptionId: string,
  event: ProbeEvent,
): Promise<void> {
  await em.fork().transactional(async (tx) => {
    const subscription = await tx.findOneOrFail(
      PushSubscription,
      { id: subscriptionId },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    const now = deps.clock.now();
    tx.assign(subscription, afterProbeEvent(subscription, event, now));
    const { kind } = event;
    // That it is answered, the webhook tells; that it is made or removed, nobody sees.
    const tells = kind === 'BEGUN' || kind === 'NOT_MADE' || isProbeUnanswered(subscription, now);
    if (!tells) return;
    await tx.flush();
    await recordEvents(tx, mailbox.organization.id, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
  });
}

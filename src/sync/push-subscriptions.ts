import { LockMode } from '@mikro-orm/core';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { isThrottling, postponementOf } from '../microsoft365/graph-postpone.ts';
import type { PushApi } from '../microsoft365/push.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import { randomToken, type SecretBox } from '../platform/secrets.ts';
import { recordEvents } from '../realtime/record.ts';

import { wakePushJob } from './push.jobs.ts';
import { type PushEnvironment, type PushWish, webhookUrls, wishOf } from './push-environment.ts';
import { removeOrphans } from './push-orphans.ts';
import { afterPushEvent, nextPushStep, nextWakeAt, type PushEvent, WANTED_LIFE } from './push-plan.ts';
import { probeSubscription, removeProbes } from './push-probe.ts';
import { PushSubscription } from './push-subscription.entity.ts';
import { requestSync } from './request-sync.ts';

/** After a renewal that found nothing: replaced, made, probed, at rest. More would be going in circles. */
const MOST_STEPS = 6;

/** What keeps subscriptions alive. */
export interface PushDependencies {
  database: Database;
  push: PushApi;
  secretBox: SecretBox;
  clock: Clock;
  environment: PushEnvironment;
  /** In [0, 1). */
  random(): number;
}

interface Job {
  deps: PushDependencies;
  em: EntityManager;
  mailbox: Mailbox;
  signal: AbortSignal;
}

/** What the client state of a subscription is sealed for. */
export function clientStateContext(subscriptionId: string): string {
  return `push-subscription:${subscriptionId}`;
}

/**
 * Brings the subscription of a mailbox into the state that its settings ask for. Safe to repeat at any point: what we ask
 * for is written down before Microsoft is asked, and what Microsoft has without our knowledge is found and ended.
 */
export async function managePush(
  deps: PushDependencies,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const em = forkFor(deps.database, organizationId, signal);
    const mailbox = await em.findOne(Mailbox, { id: mailboxId });
    if (!mailbox) return;
    const job: Job = { deps, em, mailbox, signal };
    await removeProbes({ ...job, em: em.fork() });
    const current = await em.findOne(PushSubscription, { mailbox: mailboxId, replacedAt: null });
    const wish = wishOf(deps.environment, mailbox);
    const step = nextPushStep(wish, current, deps.clock.now());
    logger.debug({ mailboxId, step }, 'push');
    if (step === 'NONE') {
      const now = deps.clock.now();
      const wakeAt = current && nextWakeAt(current, now);
      const delayMilliseconds = (wakeAt?.getTime() ?? 0) - now.getTime();
      if (wakeAt) await enqueue(em, wakePushJob, { organizationId, mailboxId }, { delayMilliseconds });
      return;
    }
    if (step === 'PROBE' && current) await probeSubscription(job, current);
    else if (step === 'RENEW' && current) await renew(job, current);
    else if (step === 'END' && current) await end(job, current, null);
    else if (step === 'REPLACE' && current && wish) await end(job, current, { wish, isSilent: false });
    else if (step === 'REPLACE_SILENT' && current && wish) await end(job, current, { wish, isSilent: true });
    else if (wish) await create(job, current ?? newSubscription(job, wish), wish);
  }
  logger.warn({ mailboxId }, 'the subscription of a mailbox does not come to rest');
}

function newSubscription({ em, mailbox, deps }: Job, wish: PushWish): PushSubscription {
  return em.create(PushSubscription, {
    organization: mailbox.organization,
    mailbox,
    ...wish,
    sealedClientState: '',
    state: 'CREATING',
    nextStepAt: deps.clock.now(),
    nextProbeAt: deps.clock.now(),
  });
}

async function create(job: Job, subscription: PushSubscription, wish: PushWish): Promise<void> {
  const { deps, em, mailbox, signal } = job;
  const clientState = randomToken();
  // What was never asked for has left nothing behind. Should there be something all the same, Microsoft says so.
  const wasAskedFor = subscription.sealedClientState !== '';
  em.assign(subscription, { state: 'CREATING' });
  // The id is made when the row is: it is part of what the secret is sealed for.
  await em.flush();
  em.assign(subscription, {
    sealedClientState: deps.secretBox.seal(clientState, clientStateContext(subscription.id)),
  });
  await em.flush();
  const ask = async (looksFirst: boolean) => {
    if (looksFirst) await removeOrphans(deps, mailbox, wish.notificationUrl, signal);
    const input = {
      folderId: wish.folderId,
      ...webhookUrls(deps.environment.publicUrl ?? ''),
      clientState,
      expiresAt: wantedExpiry(deps.clock),
    };
    return deps.push.create(accessOf(mailbox), input, signal);
  };
  const event = await outcomeOf(deps, async () => {
    // An answer that got lost leaves a subscription whose id we do not know: it is ended, and asked for once more. To
    // take it over would be one request less, and a guess: its secret, its second URL and its kind of ids cannot be read.
    const made = await ask(wasAskedFor).catch((error) =>
      isDuplicate(error) ? ask(true) : Promise.reject(error),
    );
    return { kind: 'CREATED', graphSubscriptionId: made.id, expiresAt: made.expiresAt };
  });
  await apply(job, subscription.id, event);
}

async function renew(job: Job, subscription: PushSubscription): Promise<void> {
  const { deps, mailbox, signal } = job;
  const event = await outcomeOf(deps, async () => {
    const id = subscription.graphSubscriptionId ?? '';
    const renewed = await deps.push.renew(accessOf(mailbox), id, wantedExpiry(deps.clock), signal);
    return { kind: 'RENEWED', expiresAt: renewed.expiresAt };
  });
  await apply(job, subscription.id, event);
}

/** Ends a subscription at Microsoft and here; with `successor`, its place is taken in the same transaction. */
async function end(
  { deps, em, mailbox, signal }: Job,
  subscription: PushSubscription,
  successor: { wish: PushWish; isSilent: boolean } | null,
): Promise<void> {
  const { graphSubscriptionId, sealedClientState, notificationUrl } = subscription;
  try {
    if (graphSubscriptionId) await deps.push.remove(accessOf(mailbox), graphSubscriptionId, signal);
    // Asked for, and without an answer that we know of: also one that counts as refused may have been made.
    else if (sealedClientState !== '') await removeOrphans(deps, mailbox, notificationUrl, signal);
  } catch (error) {
    // What Microsoft does not let us end, expires within a week; until then its notifications find nobody.
    if (!(error instanceof GraphError) || error.isTransient) throw error;
  }
  await em.transactional(async (tx) => {
    const ended = await tx.findOneOrFail(PushSubscription, { id: subscription.id });
    const now = deps.clock.now();
    // Nobody waits for its notification any more; the draft goes next.
    tx.assign(ended, { replacedAt: now, ...(ended.probeRemovalAt ? { probeRemovalAt: now } : {}) });
    // First the old one, then the new one: only one row of a mailbox may be current.
    await tx.flush();
    if (successor) {
      const { wish, isSilent } = successor;
      const isSame = ended.folderId === wish.folderId && ended.notificationUrl === wish.notificationUrl;
      tx.create(PushSubscription, {
        organization: ended.organization,
        mailbox: ended.mailbox,
        ...wish,
        sealedClientState: '',
        state: 'CREATING',
        nextStepAt: now,
        nextProbeAt: now,
        // A fresh subscription is no proof that notifications come: only one of its own is.
        missedCount: isSame ? ended.missedCount : 0,
        silentRecreations: isSame ? ended.silentRecreations + (isSilent ? 1 : 0) : 0,
        unansweredProbes: isSame ? ended.unansweredProbes : 0,
      });
    }
    await recordEvents(tx, mailbox.organization.id, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
  });
}

async function outcomeOf(deps: PushDependencies, ask: () => Promise<PushEvent>): Promise<PushEvent> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    if (error.code === 'SUBSCRIPTION_NOT_FOUND') return { kind: 'GONE' };
    const { isTransient, retryAfterMilliseconds } = error;
    const problem = error.toProblem(deps.clock.now());
    const pause = isThrottling(error) ? postponementOf(error) : null;
    if (pause !== null) return { kind: 'THROTTLED', problem, milliseconds: pause };
    return {
      kind: 'FAILED',
      problem,
      isTransient,
      retryAfterMilliseconds,
    };
  }
}

/** Writes down what Microsoft did. What came between the last reading and a new subscription is read at once. */
async function apply({ deps, em, mailbox }: Job, subscriptionId: string, event: PushEvent): Promise<void> {
  await em.fork().transactional(async (tx) => {
    const subscription = await tx.findOneOrFail(
      PushSubscription,
      { id: subscriptionId },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    tx.assign(subscription, afterPushEvent(subscription, event, deps.clock.now(), deps.random()));
    await tx.flush();
    const now = await tx.findOne(Mailbox, { id: mailbox.id });
    if (event.kind === 'CREATED' && now?.incomingEnabled) await requestSync(tx, now, 'RECOVERY');
    await recordEvents(tx, mailbox.organization.id, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
  });
}

function isDuplicate(error: unknown): boolean {
  return error instanceof GraphError && error.code === 'PUSH_DUPLICATE';
}

function wantedExpiry(clock: Clock): Date {
  return new Date(clock.now().getTime() + WANTED_LIFE);
}

import { DAY, HOUR, MINUTE, SECOND } from '../platform/clock.ts';
import type { Problem } from '../platform/problem.ts';
import type { PushWish } from './push-environment.ts';
import { isProbeDue, isProbeUnanswered, type ProbeFacts, probeDeadlineOf } from './push-probe-plan.ts';

/*
 * What push decides, apart from all input and output.
 *
 * The states of a subscription: *CREATING* (we have written down that we ask for it: after a crash nobody knows whether
 * Microsoft has made it), *ACTIVE* (Microsoft has made it), *REMOVED* (Microsoft has ended it), *FAILED* (Microsoft refused,
 * it is asked again later). Whether it *works* is another matter: Microsoft never says when notifications stop. So probes are
 * made (`push-probe-plan.ts`), mail that a poll finds and that no notification announced is counted, and only a
 * notification sets the count back.
 */
export const PUSH_SUBSCRIPTION_STATES = ['CREATING', 'ACTIVE', 'REMOVED', 'FAILED'] as const;
export type PushSubscriptionState = (typeof PUSH_SUBSCRIPTION_STATES)[number];

/** The life that is asked for: less than the 10,080 minutes that Microsoft allows, whatever its clock says. */
export const WANTED_LIFE = 10_000 * MINUTE;
/** How long notifications of a replaced subscription still count: Microsoft tries for four hours. */
export const REPLACED_RETENTION = 1 * DAY;
/** `reauthorizationRequired` comes every few minutes near the end; one renewal in this time is enough. */
export const RENEWAL_PAUSE = 10 * MINUTE;
/** What is due later than this is left to the watch, which looks every minute. */
const WAKE_HORIZON = 15 * MINUTE;
/** Unannounced finds after which the subscription is made anew. */
const MISSES_BEFORE_RECREATION = 2;

/** A subscription, as far as decisions need it. */
export interface SubscriptionFacts extends ProbeFacts {
  state: PushSubscriptionState;
  folderId: string;
  notificationUrl: string;
  graphSubscriptionId?: string | null | undefined;
  nextStepAt: Date;
  expiresAt?: Date | null | undefined;
  activeSince?: Date | null | undefined;
  lastMissedAt?: Date | null | undefined;
  missedCount: number;
  silentRecreations: number;
  failures: number;
  problem?: Problem | null | undefined;
}

/** What is to be done for a mailbox. */
export type PushStep =
  /** Nothing for now. */
  | 'NONE'
  /** Ask Microsoft for a subscription. */
  | 'CREATE'
  /** Prolong the one there is. */
  | 'RENEW'
  /** End the one there is, and make another. */
  | 'REPLACE'
  /** Make a notification happen. */
  | 'PROBE'
  /** As `REPLACE`, because it brings no notifications. */
  | 'REPLACE_SILENT'
  /** End the one there is. */
  | 'END';

/** Decides what is to be done; `current` is the subscription that the mailbox has, working or not. */
export function nextPushStep(wish: PushWish | null, current: SubscriptionFacts | null, now: Date): PushStep {
  if (!wish) return current ? 'END' : 'NONE';
  if (!current) return 'CREATE';
  const isKnownToMicrosoft = Boolean(current.graphSubscriptionId);
  if (current.folderId !== wish.folderId || current.notificationUrl !== wish.notificationUrl)
    return 'REPLACE';
  if (current.state === 'REMOVED') return current.nextStepAt <= now ? 'REPLACE' : 'NONE';
  // Jobs of a mailbox run one after the other: what is being created when one begins was left by a crash.
  if (current.state === 'CREATING') return 'CREATE';
  if (current.state === 'FAILED') {
    if (current.nextStepAt > now) return 'NONE';
    return isKnownToMicrosoft ? 'REPLACE' : 'CREATE';
  }
  if (!current.expiresAt || current.expiresAt <= now) return 'REPLACE';
  if (isTooSilent(current, now)) return 'REPLACE_SILENT';
  if (current.nextStepAt <= now) return 'RENEW';
  return isProbeDue(current, now) ? 'PROBE' : 'NONE';
}

/**
 * When to look again; null when the watch is soon enough. The watch rides on the minute: a try that is due in thirty
 * seconds, or a draft whose time is over, would wait for up to ninety.
 */
export function nextWakeAt(current: SubscriptionFacts, now: Date): Date | null {
  const isActive = current.state === 'ACTIVE';
  const times = [
    current.nextStepAt,
    current.probeRemovalAt,
    ...(isActive ? [current.nextProbeAt, probeDeadlineOf(current)] : []),
  ];
  const next = Math.min(
    ...times.map((time) => (time && time > now ? time.getTime() : Number.POSITIVE_INFINITY)),
  );
  return next - now.getTime() <= WAKE_HORIZON ? new Date(next) : null;
}

/** Whether it was made long enough ago, and is known to be silent since, to try another one. */
function isTooSilent(current: SubscriptionFacts, now: Date): boolean {
  const { missedCount, lastMissedAt, activeSince, silentRecreations } = current;
  if (!activeSince) return false;
  const hasMissed =
    missedCount >= MISSES_BEFORE_RECREATION && Boolean(lastMissedAt && lastMissedAt > activeSince);
  if (!hasMissed && !isProbeUnanswered(current, now)) return false;
  // At once the first time, then ever more rarely: if it does not help, it costs for nothing.
  const patience = silentRecreations === 0 ? 0 : Math.min(HOUR * 2 ** (silentRecreations - 1), DAY);
  return now.getTime() - activeSince.getTime() >= patience;
}

/** What Microsoft did with a request of ours. */
export type PushEvent =
  | { kind: 'CREATED'; graphSubscriptionId: string; expiresAt: Date }
  | { kind: 'RENEWED'; expiresAt: Date }
  /** A creation or a renewal was refused, or could not be asked for. */
  | { kind: 'FAILED'; problem: Problem; isTransient: boolean; retryAfterMilliseconds: number | null }
  /** Microsoft asked us to slow down: nothing is wrong with the subscription. */
  | { kind: 'THROTTLED'; problem: Problem; milliseconds: number }
  /** Microsoft does not know it any more. */
  | { kind: 'GONE' };

/** What of a subscription an event changes. */
export type SubscriptionChange = Partial<SubscriptionFacts> & { renewedAt?: Date };

/** What an event changes in the subscription that it is about. `random` is in [0, 1). */
export function afterPushEvent(
  current: SubscriptionFacts,
  event: PushEvent,
  now: Date,
  random: number,
): SubscriptionChange {
  switch (event.kind) {
    case 'CREATED':
      return {
        state: 'ACTIVE',
        graphSubscriptionId: event.graphSubscriptionId,
        activeSince: now,
        // That Microsoft has it proves nothing: a notification does.
        nextProbeAt: now,
        ...alive(event.expiresAt, now, random),
      };
    case 'RENEWED':
      return {
        renewedAt: now,
        ...alive(event.expiresAt, now, random),
        // Microsoft said so while it was asked: what is replaced at once must not wait for half of a life.
        ...(current.state === 'REMOVED' ? { nextStepAt: now } : {}),
      };
    case 'GONE':
      return { state: 'REMOVED', nextStepAt: now };
    case 'THROTTLED':
      return {
        // What was being made is not there yet, and `problem` says why; a renewal has time.
        ...(current.state === 'ACTIVE'
          ? {}
          : { state: 'FAILED' as const, problem: sinceThen(event.problem) }),
        nextStepAt: new Date(now.getTime() + event.milliseconds),
      };
    case 'FAILED': {
      const failures = current.failures + 1;
      const wait = Math.max(failureDelay(event, failures), event.retryAfterMilliseconds ?? 0);
      return {
        // A renewal that fails ends nothing: until it expires it works.
        ...(current.state === 'ACTIVE' ? {} : { state: 'FAILED' as const }),
        failures,
        problem: sinceThen(event.problem),
        nextStepAt: new Date(now.getTime() + wait),
      };
    }
  }

  function sinceThen(problem: Problem): Problem {
    return current.problem?.code === problem.code ? { ...problem, since: current.problem.since } : problem;
  }
}

/** Renewed at half of its life; with jitter, so that what was made together is not renewed together. */
function alive(expiresAt: Date, now: Date, random: number): SubscriptionChange {
  const half = ((expiresAt.getTime() - now.getTime()) / 2) * (0.9 + 0.1 * random);
  return {
    expiresAt,
    failures: 0,
    problem: null,
    nextStepAt: new Date(now.getTime() + Math.max(half, MINUTE)),
  };
}

function failureDelay(
  { problem, isTransient }: { problem: Problem; isTransient: boolean },
  failures: number,
) {
  const growth = 2 ** Math.min(failures - 1, 20);
  if (isTransient) return Math.min(30 * SECOND * growth, 15 * MINUTE);
  // People repair their firewall and look: they shall not wait for long.
  if (problem.code === 'PUSH_VALIDATION_FAILED') return Math.min(MINUTE * growth, HOUR);
  return Math.min(15 * MINUTE * growth, 6 * HOUR);
}

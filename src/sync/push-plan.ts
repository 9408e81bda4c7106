import { DAY, HOUR, MINUTE, SECOND } from '../platform/clock.ts';
import type { Problem } from '../platform/problem.ts';

/*
 * What push decides, apart from all input and output.
 *
 * The states of a subscription: *CREATING* (we have written down that we ask for it: after a crash nobody knows whether
 * Microsoft has made it), *ACTIVE* (Microsoft has made it), *REMOVED* (Microsoft has ended it), *FAILED* (Microsoft refused,
 * it is asked again later). Whether it *works* is another matter: Microsoft never says when notifications stop. So mail
 * that a poll finds and that no notification announced is counted, and only a notification sets the count back.
 */
export const PUSH_SUBSCRIPTION_STATES = ['CREATING', 'ACTIVE', 'REMOVED', 'FAILED'] as const;
export type PushSubscriptionState = (typeof PUSH_SUBSCRIPTION_STATES)[number];

/** How new mail is noticed. */
export const DELIVERIES = ['PUSH', 'POLLING'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** The life that is asked for: less than the 10,080 minutes that Microsoft allows, whatever its clock says. */
export const WANTED_LIFE = 10_000 * MINUTE;
/** Of late notifications Microsoft's documents say up to three minutes; what comes later counts as missed. */
export const ANNOUNCEMENT_GRACE = 4 * MINUTE;
/** How long notifications of a replaced subscription still count: Microsoft tries for four hours. */
export const REPLACED_RETENTION = 1 * DAY;
/** `reauthorizationRequired` comes every few minutes near the end; one renewal in this time is enough. */
export const RENEWAL_PAUSE = 10 * MINUTE;
/** Unannounced finds after which the subscription is made anew. */
const MISSES_BEFORE_RECREATION = 2;

const NOTIFICATION_PATH = '/webhooks/microsoft-graph';
const LIFECYCLE_PATH = '/webhooks/microsoft-graph/lifecycle';

/** What of the configuration decides whether Microsoft can call us. */
export interface PushEnvironment {
  /** Without a trailing slash; null when it is not set. */
  publicUrl: string | null;
  /** Takes the place of Graph; null for Microsoft itself. */
  graphUrl: string | null;
}

/** The addresses that Microsoft calls. */
export interface WebhookUrls {
  notificationUrl: string;
  lifecycleNotificationUrl: string;
}

/** The addresses below a public URL. */
export function webhookUrls(publicUrl: string): WebhookUrls {
  return {
    notificationUrl: publicUrl + NOTIFICATION_PATH,
    lifecycleNotificationUrl: publicUrl + LIFECYCLE_PATH,
  };
}

/** Why something is as it is, and what can be done about it. */
export interface Explanation {
  reason: string;
  remedy: string;
}

/** Why push cannot work on this server for any mailbox; null when it can. */
export function serverObstacle({ publicUrl, graphUrl }: PushEnvironment): Explanation | null {
  if (publicUrl === null) {
    return {
      reason: 'PUBLIC_URL is not set, so Microsoft has no address to announce new mail to.',
      remedy: 'Set PUBLIC_URL to the https address under which the internet reaches this server.',
    };
  }
  const isHttps = publicUrl.startsWith('https:');
  if (!isHttps && !(graphUrl !== null && isLoopback(graphUrl))) {
    return {
      reason: 'PUBLIC_URL is not https, and Microsoft announces new mail to https addresses only.',
      remedy: 'Put TLS in front of this server and set PUBLIC_URL to its https address.',
    };
  }
  return null;
}

/** Why push cannot work for a mailbox; null when it can. */
export function obstacleOf(environment: PushEnvironment, mailbox: { kind: string }): Explanation | null {
  const obstacle = serverObstacle(environment);
  if (obstacle || mailbox.kind !== 'SHARED') return obstacle;
  return {
    reason: 'Microsoft announces new mail of a shared mailbox to apps with application permissions only.',
    remedy: 'Nothing to do: the folder is polled. A shorter interval makes tickets appear sooner.',
  };
}

/** The emulator, or a test: its calls never leave the machine, so they need no TLS. */
function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** What the settings and the environment ask for: null for no subscription. */
export interface PushWish {
  folderId: string;
  notificationUrl: string;
}

/** What a mailbox shall have. */
export function wishOf(
  environment: PushEnvironment,
  mailbox: { kind: string; incomingEnabled: boolean; folder?: { id: string } | null | undefined },
): PushWish | null {
  const { publicUrl } = environment;
  if (!mailbox.incomingEnabled || !mailbox.folder || publicUrl === null) return null;
  if (obstacleOf(environment, mailbox)) return null;
  return { folderId: mailbox.folder.id, notificationUrl: webhookUrls(publicUrl).notificationUrl };
}

/** A subscription, as far as decisions need it. */
export interface SubscriptionFacts {
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
  return current.nextStepAt <= now ? 'RENEW' : 'NONE';
}

/** Whether it was made long enough ago, and has missed enough since, to try another one. */
function isTooSilent(
  { missedCount, lastMissedAt, activeSince, silentRecreations }: SubscriptionFacts,
  now: Date,
) {
  if (missedCount < MISSES_BEFORE_RECREATION || !lastMissedAt || !activeSince) return false;
  // At once the first time, then ever more rarely: if it does not help, it costs for nothing.
  const patience = silentRecreations === 0 ? 0 : Math.min(HOUR * 2 ** (silentRecreations - 1), DAY);
  return lastMissedAt > activeSince && now.getTime() - activeSince.getTime() >= patience;
}

/** What Microsoft did with a request of ours. */
export type PushEvent =
  | { kind: 'CREATED'; graphSubscriptionId: string; expiresAt: Date }
  | { kind: 'RENEWED'; expiresAt: Date }
  /** A creation or a renewal was refused, or could not be asked for. */
  | { kind: 'FAILED'; problem: Problem; isTransient: boolean; retryAfterMilliseconds: number | null }
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
        ...alive(event.expiresAt, now, random),
      };
    case 'RENEWED':
      return { renewedAt: now, ...alive(event.expiresAt, now, random) };
    case 'GONE':
      return { state: 'REMOVED', nextStepAt: now };
    case 'FAILED': {
      const failures = current.failures + 1;
      const since =
        current.problem?.code === event.problem.code ? current.problem.since : event.problem.since;
      const wait = Math.max(failureDelay(event, failures), event.retryAfterMilliseconds ?? 0);
      return {
        // A renewal that fails ends nothing: until it expires it works.
        ...(current.state === 'ACTIVE' ? {} : { state: 'FAILED' as const }),
        failures,
        problem: { ...event.problem, since },
        nextStepAt: new Date(now.getTime() + wait),
      };
    }
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
  const obstacle = obstacleOf(environment, mailbox);
  if (obstacle) return polling(obstacle.reason, obstacle.remedy);
  if (!mailbox.incomingEnabled) {
    return { delivery: 'POLLING', reason: 'Incoming mail is switched off.', remedy: null };
  }
  const { state, problem, missedCount = 0 } = current ?? {};
  if (state === 'FAILED' && problem) return polling(problem.message, problem.remedy);
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
  return {
    delivery: 'PUSH',
    reason: `Microsoft announces new mail at once; besides, the folder is read ${every}.`,
    remedy: problem?.remedy ?? null,
  };
}

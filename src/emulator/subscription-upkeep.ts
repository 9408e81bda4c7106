import type { PushSettings } from './push-settings.ts';
import type { StoredSubscription } from './subscription.ts';

const MINUTE = 60 * 1000;
/** Near its end a subscription is reminded about so often. */
const REMINDER_MS = 15 * MINUTE;
/** Within this time of each other `PATCH` and `/reauthorize` are an error of the client. */
const CONFLICT_MS = 10 * MINUTE;

/** What is due for a subscription, and when to look again. Instants are milliseconds since 1970. */
export interface Upkeep {
  isExpired: boolean;
  /** `reauthorizationRequired` is due. */
  isReminderDue: boolean;
  nextAt: number;
}

/** Decides what time has brought a subscription. */
export function upkeepOf(subscription: StoredSubscription, now: number, settings: PushSettings): Upkeep {
  if (subscription.expiresAt <= now) return { isExpired: true, isReminderDue: false, nextAt: now };
  const remindAt = reminderAt(subscription, settings);
  const isReminderDue = remindAt <= now;
  const nextAt = Math.min(subscription.expiresAt, isReminderDue ? now + REMINDER_MS : remindAt);
  return { isExpired: false, isReminderDue, nextAt };
}

/** Whether the token behind it still counts; notifications wait while it does not. */
export function isAuthorized(subscription: StoredSubscription, now: number, settings: PushSettings): boolean {
  return now < authorizationEnd(subscription, settings);
}

/** Whether a renewal and a reauthorization of one subscription come too close, which Microsoft forbids. */
export function isConflict(one: number | null, other: number): boolean {
  return one !== null && Math.abs(other - one) < CONFLICT_MS;
}

function reminderAt(subscription: StoredSubscription, settings: PushSettings): number {
  const { reauthorizationLeadMinutes: lead } = settings;
  if (lead === 0 || subscription.isSilent || subscription.lifecycleNotificationUrl === null) {
    return Number.POSITIVE_INFINITY;
  }
  const end = Math.min(subscription.expiresAt, authorizationEnd(subscription, settings));
  const { askedAt } = subscription;
  return Math.max(end - lead * MINUTE, askedAt === null ? 0 : askedAt + REMINDER_MS);
}

function authorizationEnd(subscription: StoredSubscription, settings: PushSettings): number {
  const { authorizationMinutes } = settings;
  if (authorizationMinutes === null) return Number.POSITIVE_INFINITY;
  return subscription.authorizedAt + authorizationMinutes * MINUTE;
}

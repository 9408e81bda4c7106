import { DAY, MINUTE } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { NotificationKind } from './notification.entity.ts';
import type { Recipient } from './notification-decision.ts';
import type { NotificationSubject } from './notification-facts.ts';
import { loadNotificationPolicy } from './notification-policy.ts';

/** Which limit keeps this from being sent; null when none does. Under the consumer's lock nobody else counts meanwhile. */
export async function reachedLimit(
  em: EntityManager,
  { organizationId, kind }: { organizationId: string; kind: NotificationKind },
  { mailbox }: NotificationSubject,
  { emailAddress, isUser }: Recipient,
  now: Date,
): Promise<{ reason: 'RECENTLY_TOLD' | 'LIMIT_REACHED'; because: string } | null> {
  const policy = await loadNotificationPolicy(em, organizationId);
  const pausedSince = new Date(now.getTime() - policy.receivedPauseMinutes * MINUTE);
  const dayAgo = new Date(now.getTime() - DAY);
  const [sent] = await em.execute<{ today: number; recent: number }[]>(
    `select count(*) filter (where created_at > ?::timestamptz)::int as today, count(*) filter (where kind = 'RECEIVED' and created_at > ?::timestamptz
         and mailbox_id is not distinct from ?::uuid)::int as recent
     from notification
     where organization_id = ? and recipient = ? and outcome = 'QUEUED' and created_at > ?::timestamptz`,
    [
      dayAgo,
      pausedSince,
      mailbox?.id ?? null,
      organizationId,
      emailAddress,
      // A pause may be longer than a day.
      pausedSince < dayAgo ? pausedSince : dayAgo,
    ],
  );
  if (kind === 'RECEIVED' && (sent?.recent ?? 0) > 0) {
    const because = `${emailAddress} was told of another ticket within ${policy.receivedPauseMinutes} minutes`;
    return { reason: 'RECENTLY_TOLD', because };
  }
  const limit = isUser ? policy.userLimitPerDay : policy.contactLimitPerDay;
  if ((sent?.today ?? 0) < limit) return null;
  const because = `${emailAddress} has got ${limit} notifications within a day, and no more are allowed`;
  return { reason: 'LIMIT_REACHED', because };
}

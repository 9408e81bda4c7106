import { z } from 'zod';
import { lockOrganization } from '../access/organizations.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import { recordEvents } from '../realtime/record.ts';

/** How much an organization lets its notifications write by themselves. */
export interface NotificationPolicy {
  /** How long after a RECEIVED the same sender gets no other one from the same mailbox; 0: each ticket gets one. */
  receivedPauseMinutes: number;
  /** Notifications that one customer's address gets within 24 hours at most. */
  contactLimitPerDay: number;
  /** Notifications that one user gets within 24 hours at most. */
  userLimitPerDay: number;
  /** Where people here see a ticket, with `{number}` in it; null: nowhere. */
  ticketUrl: string | null;
}

const policy = z.object({
  receivedPauseMinutes: z.int().min(0).max(10_080),
  contactLimitPerDay: z.int().min(1).max(1_000),
  userLimitPerDay: z.int().min(1).max(10_000),
  ticketUrl: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .refine((url) => url.includes('{number}'), 'it does not contain {number}')
    .nullable(),
});

/** What is left out stays; null takes the address away, and leaves numbers as they are. */
export type NotificationPolicyChange = {
  [Key in keyof NotificationPolicy]?: NotificationPolicy[Key] | null | undefined;
};

/** The policy as it is now: one statement. */
export async function loadNotificationPolicy(
  em: EntityManager,
  organizationId: string,
): Promise<NotificationPolicy> {
  const [row] = await em.execute<NotificationPolicy[]>(
    `select received_pause_minutes as "receivedPauseMinutes", contact_notification_limit as "contactLimitPerDay",
       user_notification_limit as "userLimitPerDay", ticket_url as "ticketUrl"
     from organization where id = ?`,
    [organizationId],
  );
  if (row === undefined) throw new Error('the organization of this policy does not exist');
  return row;
}

/** Changes the policy. What is so already changes nothing, and nobody is told. Throws InvalidInputError. */
export async function updateNotificationPolicy(
  em: EntityManager,
  organizationId: string,
  change: NotificationPolicyChange,
): Promise<void> {
  await em.transactional(async (inside) => {
    await lockOrganization(inside, organizationId);
    const before = await loadNotificationPolicy(inside, organizationId);
    const after = parseInput(policy, {
      receivedPauseMinutes: change.receivedPauseMinutes ?? before.receivedPauseMinutes,
      contactLimitPerDay: change.contactLimitPerDay ?? before.contactLimitPerDay,
      userLimitPerDay: change.userLimitPerDay ?? before.userLimitPerDay,
      ticketUrl: change.ticketUrl === undefined ? before.ticketUrl : change.ticketUrl,
    });
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    await inside.execute(
      `update organization set received_pause_minutes = ?, contact_notification_limit = ?,
         user_notification_limit = ?, ticket_url = ? where id = ?`,
      [
        after.receivedPauseMinutes,
        after.contactLimitPerDay,
        after.userLimitPerDay,
        after.ticketUrl,
        organizationId,
      ],
    );
    await recordEvents(inside, organizationId, [{ type: 'organization.changed' }]);
  });
}

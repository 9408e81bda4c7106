import { z } from 'zod';
import type { ClaimedNotification } from '../sync/push-intake.ts';
import { LIFECYCLE_EVENTS } from '../sync/push-notifications.ts';

/**
 * More items of one request are not looked at, and count as malformed: what they were about waits for the next poll. A body
 * of the allowed size has no room for half as many of Microsoft's.
 */
export const MOST_ITEMS = 5_000;

/** Microsoft's ids are GUIDs; whatever they become, they are no longer than this and hold no space or control character. */
const subscriptionId = z.string().regex(/^[\x21-\x7e]{1,200}$/);

/**
 * An item, as far as we need it. Everything else is left unread on purpose: capitals, optional properties and what
 * lifecycle items lack differ between Microsoft's own pages.
 */
const itemSchema = z.object({
  subscriptionId,
  clientState: z.string().max(1_000),
  lifecycleEvent: z.string().nullish(),
});
const bodySchema = z.object({ value: z.array(z.unknown()) });

/** The items of a body and how many were none; null when it is no list of notifications at all. Never throws. */
export function readNotifications(text: string): { items: ClaimedNotification[]; malformed: number } | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const body = bodySchema.safeParse(json);
  if (!body.success) return null;
  const items: ClaimedNotification[] = [];
  for (const raw of body.data.value.slice(0, MOST_ITEMS)) {
    const item = itemSchema.safeParse(raw);
    if (!item.success) continue;
    const { lifecycleEvent, ...rest } = item.data;
    const known = LIFECYCLE_EVENTS.find((event) => event === lifecycleEvent);
    items.push({ ...rest, lifecycleEvent: lifecycleEvent ? (known ?? 'UNKNOWN') : null });
  }
  return { items, malformed: body.data.value.length - items.length };
}

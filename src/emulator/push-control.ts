import { Hono } from 'hono';
import { z } from 'zod';
import { ControlFault, controlFaultResponse, readControlBody } from './control-answer.ts';
import { newChangeKey } from './ids.ts';
import { messageOf } from './messages.ts';
import type { NotifiedMessage } from './push-notification.ts';
import { pushSettingsSchema } from './push-settings.ts';
import type { StoredSubscription } from './subscription.ts';
import { isAuthorized } from './subscription-upkeep.ts';
import type { World } from './world.ts';

/** The report shows so many subscriptions, the newest first. */
const MOST_SHOWN = 1_000;
const lifecycleSchema = z.strictObject({
  subscriptionId: z.string().min(1),
  event: z.enum(['reauthorizationRequired', 'subscriptionRemoved', 'missed']),
});
const probeSchema = z.strictObject({
  subscriptionId: z.string().min(1),
  changeType: z.enum(['created', 'updated', 'deleted']).default('created'),
  /** Default or immutable id of a message; without it the newest one that the subscription is about. */
  messageId: z.string().min(1).optional(),
});

/** The part of the control API that is about change notifications, to be mounted under `/_emulator`. */
export function pushControlRoutes(world: World): Hono {
  const { push } = world;
  const routes = new Hono();
  routes.onError(controlFaultResponse);
  const required = (id: string): StoredSubscription => {
    const subscription = push.find(id);
    if (subscription !== undefined) return subscription;
    throw new ControlFault(404, 'notFound', `There is no subscription ${id}.`);
  };

  routes.get('/push', (c) => c.json(reportOf(world)));
  routes.post('/push', async (c) => {
    const input = await readControlBody(c, pushSettingsSchema);
    for (const [name, value] of Object.entries(input)) {
      if (value !== undefined) Object.assign(push.settings, { [name]: value });
    }
    push.courier.round();
    return c.json(reportOf(world));
  });
  routes.post('/push/lifecycle', async (c) => {
    const { subscriptionId, event } = await readControlBody(c, lifecycleSchema);
    const isTold = push.tell(required(subscriptionId), event);
    return c.json({ subscriptionId, event, isTold }, 202);
  });
  /** One notification at once; answers with what the endpoint answered. */
  routes.post('/push/probe', async (c) => {
    const { subscriptionId, changeType, messageId } = await readControlBody(c, probeSchema);
    const subscription = required(subscriptionId);
    const message = notifiedMessage(world, subscription, messageId);
    const answer = await push.probe(subscription, changeType, message);
    const status = answer.kind === 'answered' ? answer.status : null;
    return c.json({ outcome: answer.kind, status, milliseconds: Math.round(answer.milliseconds) });
  });
  /** Behind the client's back: no lifecycle event tells of it. */
  routes.delete('/push/subscriptions/:id', (c) => {
    push.remove(required(c.req.param('id')).id);
    return c.body(null, 204);
  });

  return routes;
}

function notifiedMessage(
  { state: { mailboxes } }: World,
  { mailboxUserId, folderId }: StoredSubscription,
  messageId: string | undefined,
): NotifiedMessage {
  const mailbox = mailboxes.get(mailboxUserId);
  if (mailbox === undefined) throw new ControlFault(404, 'notFound', 'The mailbox is gone.');
  if (messageId !== undefined && (mailbox.currentIds.has(messageId) || mailbox.messages.has(messageId))) {
    return messageOf(mailbox, messageId);
  }
  // A notification about a message that nobody finds has to be possible as well.
  if (messageId !== undefined) return { id: messageId, immutableId: messageId, changeKey: newChangeKey() };
  const messages = folderId === null ? mailbox.timeline : mailbox.folders.get(folderId)?.messages;
  const newest = messages?.at(-1);
  if (newest === undefined) throw new ControlFault(404, 'notFound', 'There is no message to tell of.');
  return newest;
}

function reportOf({ push, state }: World) {
  const now = state.clock.now();
  const live = push.live();
  return {
    settings: push.settings,
    counts: push.counts,
    traffic: push.courier.traffic,
    reauthorizeConflicts: push.conflicts,
    endpoints: push.courier.endpoints(),
    totalSubscriptions: live.length,
    subscriptions: live
      .slice(-MOST_SHOWN)
      .reverse()
      .map((subscription) => ({
        id: subscription.id,
        applicationId: subscription.applicationId,
        creatorUserId: subscription.creatorUserId,
        mailboxUserId: subscription.mailboxUserId,
        resource: subscription.resource,
        changeType: subscription.changeType,
        notificationUrl: subscription.notificationUrl,
        lifecycleNotificationUrl: subscription.lifecycleNotificationUrl,
        expirationDateTime: new Date(subscription.expiresAt).toISOString(),
        immutableIds: subscription.immutableIds,
        isSilent: subscription.isSilent,
        isAuthorized: isAuthorized(subscription, now, push.settings),
        counts: push.countsOf(subscription.id),
      })),
  };
}

import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Caller } from './caller.ts';
import { requireCaller } from './gate.ts';
import { readBody } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { linkUrl } from './links.ts';
import { readPreferences } from './prefer.ts';
import { validateEndpoint } from './push-handshake.ts';
import { MOST_PER_MAILBOX, type StoredSubscription, subscriptionJson } from './subscription.ts';
import { extensionError, isOwn, subscribedResource } from './subscription-access.ts';
import { expiryOf, readChange, readCreation, type SubscriptionCreation } from './subscription-input.ts';
import { servicePrincipalId } from './tokens.ts';
import type { GraphEnv, World } from './world.ts';

const PAGE_SIZE = 100;
const objectSchema = z.record(z.string(), z.unknown());

/** Subscriptions to change notifications; see learn.microsoft.com/graph/api/resources/subscription. */
export function subscriptionRoutes(world: World): Hono<GraphEnv> {
  const { push, state } = world;
  const { settings } = push;
  const routes = new Hono<GraphEnv>();
  const collection = '/v1.0/subscriptions';

  routes.post(collection, async (c) => {
    const caller = requireCaller(c);
    const input = readCreation(await readBody(c, objectSchema));
    const preferences = readPreferences(c.req.header('prefer'));
    // Looked up again after the handshake: meanwhile the mailbox may be gone, or the same subscription be there.
    const check = (): StoredSubscription => {
      const subscription = newSubscription(world, caller, input, preferences.immutableIds);
      assertUnique(push.live(), subscription);
      assertWithinLimit(push.live(), subscription);
      return subscription;
    };
    check();
    const { lifecycleNotificationUrl } = input;
    await validateEndpoint(input.notificationUrl, settings, push.courier.signal);
    if (lifecycleNotificationUrl) {
      await validateEndpoint(lifecycleNotificationUrl, settings, push.courier.signal);
    }
    const subscription = check();
    push.add(subscription);
    if (preferences.applied !== '') c.header('Preference-Applied', preferences.applied);
    const context = '$metadata#subscriptions/$entity';
    return c.json({ '@odata.context': context, ...subscriptionJson(subscription) }, 201);
  });

  routes.get(collection, (c) => {
    const caller = requireCaller(c);
    const own = push.live().filter((subscription) => isOwn(caller, subscription));
    const start = Number(c.req.query('$skiptoken') ?? 0);
    if (!Number.isSafeInteger(start) || start < 0) {
      throw new GraphFault(400, 'BadRequest', 'The skip token is not valid.');
    }
    const next = linkUrl(c, world);
    next.searchParams.set('$skiptoken', String(start + PAGE_SIZE));
    return c.json({
      '@odata.context': '$metadata#subscriptions',
      value: own.slice(start, start + PAGE_SIZE).map((subscription) => subscriptionJson(subscription, true)),
      ...(own.length > start + PAGE_SIZE ? { '@odata.nextLink': next.href } : {}),
    });
  });

  const ownOne = (caller: Caller, id: string): StoredSubscription => {
    const subscription = push.find(id);
    if (subscription !== undefined && isOwn(caller, subscription)) return subscription;
    throw new GraphFault(404, 'ResourceNotFound', 'The object was not found.');
  };
  const assertStillAllowed = (caller: Caller, { resource }: StoredSubscription): void => {
    subscribedResource(state, caller, resource, settings.sharedMailboxSubscriptions);
  };

  routes.get(`${collection}/:id`, (c) => {
    const subscription = ownOne(requireCaller(c), c.req.param('id'));
    return c.json({
      '@odata.context': '$metadata#subscriptions/$entity',
      ...subscriptionJson(subscription),
    });
  });

  routes.patch(`${collection}/:id`, async (c) => {
    const caller = requireCaller(c);
    const input = readChange(await readBody(c, objectSchema));
    assertStillAllowed(caller, ownOne(caller, c.req.param('id')));
    if (input.notificationUrl !== undefined) {
      await validateEndpoint(input.notificationUrl, settings, push.courier.signal);
    }
    // It may have ended while its new endpoint was validated.
    const subscription = ownOne(caller, c.req.param('id'));
    const expiresAt =
      input.expirationDateTime === undefined
        ? subscription.expiresAt
        : expiryOf(input.expirationDateTime, state.clock.now(), settings.maxExpirationMinutes);
    push.renew(subscription, expiresAt, input.notificationUrl ?? subscription.notificationUrl);
    return c.json({
      '@odata.context': '$metadata#subscriptions/$entity',
      ...subscriptionJson(subscription),
    });
  });

  routes.delete(`${collection}/:id`, (c) => {
    push.remove(ownOne(requireCaller(c), c.req.param('id')).id);
    return c.body(null, 204);
  });

  routes.post(`${collection}/:id/reauthorize`, (c) => {
    const caller = requireCaller(c);
    const subscription = ownOne(caller, c.req.param('id'));
    assertStillAllowed(caller, subscription);
    push.reauthorize(subscription);
    return c.body(null, 204);
  });
  return routes;
}

function newSubscription(
  { push, state }: World,
  caller: Caller,
  input: SubscriptionCreation,
  immutableIds: boolean,
): StoredSubscription {
  const { maxExpirationMinutes, sharedMailboxSubscriptions } = push.settings;
  const now = state.clock.now();
  const { mailbox, folderId, isSilent } = subscribedResource(
    state,
    caller,
    input.resource,
    sharedMailboxSubscriptions,
  );
  return {
    id: randomUUID(),
    tenantId: caller.tenantId,
    applicationId: caller.appId,
    creatorId: caller.userId ?? servicePrincipalId(caller),
    creatorUserId: caller.userId,
    changeTypes: input.changeType,
    changeType: input.changeType.join(','),
    resource: input.resource,
    mailboxUserId: mailbox.userId,
    folderId,
    notificationUrl: input.notificationUrl,
    lifecycleNotificationUrl: input.lifecycleNotificationUrl ?? null,
    clientState: input.clientState ?? null,
    latestSupportedTlsVersion: input.latestSupportedTlsVersion,
    immutableIds,
    expiresAt: expiryOf(input.expirationDateTime, now, maxExpirationMinutes),
    authorizedAt: now,
    renewedAt: null,
    reauthorizedAt: null,
    askedAt: null,
    isSilent,
  };
}

/** The same app, for the same person, has one subscription for the same changes of the same thing. */
function assertUnique(existing: readonly StoredSubscription[], wanted: StoredSubscription): void {
  const kind = (subscription: StoredSubscription): string =>
    JSON.stringify([
      subscription.tenantId,
      subscription.applicationId,
      subscription.creatorUserId,
      subscription.mailboxUserId,
      subscription.folderId,
      [...subscription.changeTypes].sort(),
    ]);
  const same = existing.find((subscription) => kind(subscription) === kind(wanted));
  if (same === undefined) return;
  throw new GraphFault(
    409,
    'Conflict',
    `Subscription Id ${same.id} already exists for the requested combination`,
  );
}

function assertWithinLimit(existing: readonly StoredSubscription[], wanted: StoredSubscription): void {
  const count = existing.filter(({ mailboxUserId }) => mailboxUserId === wanted.mailboxUserId).length;
  if (count < MOST_PER_MAILBOX) return;
  throw extensionError(
    403,
    'Forbidden',
    `The limit of ${MOST_PER_MAILBOX} active subscriptions per mailbox was reached.`,
  );
}

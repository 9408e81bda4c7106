import type { Context, Hono } from 'hono';
import { Counter, type Registry } from 'prom-client';
import { toError } from '../errors.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { equalSecrets, type SecretBox } from '../platform/secrets.ts';
import {
  acceptLifecycleEvents,
  acceptNotifications,
  findSubscriptions,
  type KnownSubscription,
  type LifecycleEvent,
} from '../sync/push-notifications.ts';
import { clientStateContext } from '../sync/push-subscriptions.ts';
import { type GraphNotification, readNotifications } from './graph-notification.ts';
import type { Routes } from './http-app.ts';

/** Microsoft waits for three seconds; a "not now" within them is retried, a late "yes" counts as slow. */
const STORE_DEADLINE = 2.5 * SECOND;
/** Microsoft's are some two hundred characters long. */
const LONGEST_TOKEN = 4_096;

/** What the webhook needs. */
export interface WebhookOptions {
  database: Database;
  secretBox: SecretBox;
  clock: Clock;
  logger: Logger;
  registry: Registry;
}

/**
 * Where Microsoft Graph announces new mail and tells about its subscriptions. The answer says what Graph does next: 202, it
 * is done (also for what we do not know or do not believe: nobody learns which subscriptions exist); 503, it comes again.
 * https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 */
export function microsoftGraphWebhook(options: WebhookOptions): Routes {
  const { database, clock, logger } = options;
  const notifications = new Counter({
    name: 'deskgraph_push_notifications_total',
    help: 'Notifications of Microsoft Graph by outcome: accepted, unknown, forged, malformed, or not stored (it comes again).',
    labelNames: ['outcome'],
    registers: [options.registry],
  });
  const lifecycle = new Counter({
    name: 'deskgraph_push_lifecycle_events_total',
    help: 'Lifecycle events of subscriptions that were accepted, by event.',
    labelNames: ['event'],
    registers: [options.registry],
  });

  async function answer(context: Context): Promise<Response> {
    const token = new URL(context.req.url).searchParams.get('validationToken');
    if (token !== null) return validation(token);
    const body = readNotifications(await context.req.text());
    if (!body) {
      notifications.inc({ outcome: 'malformed' });
      return new Response(null, { status: 400 });
    }
    notifications.inc({ outcome: 'malformed' }, body.malformed);
    if (body.items.length === 0) return new Response(null, { status: 202 });
    try {
      await withDeadline(STORE_DEADLINE, (signal) => store(body.items, signal));
      return new Response(null, { status: 202 });
    } catch (thrown) {
      notifications.inc({ outcome: 'not stored' }, body.items.length);
      logger.warn({ err: toError(thrown) }, 'notifications could not be stored; Microsoft sends them again');
      return new Response(null, { status: 503, headers: { 'Retry-After': '5' } });
    }
  }

  async function store(items: readonly GraphNotification[], signal: AbortSignal): Promise<void> {
    const em = forkAcrossOrganizations(database, signal);
    const known = await findSubscriptions(em, [...new Set(items.map((item) => item.subscriptionId))]);
    const judge = createJudge(options);
    const announced = new Map<string, KnownSubscription>();
    const told = new Map<string, { subscription: KnownSubscription; event: LifecycleEvent }>();
    const counts = { accepted: 0, unknown: 0, forged: 0 };
    for (const { subscriptionId, clientState, lifecycleEvent } of items) {
      const subscription = known.get(subscriptionId);
      if (!subscription || lifecycleEvent === 'UNKNOWN') counts.unknown += 1;
      else if (!judge(subscription, clientState)) counts.forged += 1;
      else {
        counts.accepted += 1;
        if (lifecycleEvent === null) announced.set(subscription.id, subscription);
        else told.set(`${subscription.id} ${lifecycleEvent}`, { subscription, event: lifecycleEvent });
      }
    }
    const now = clock.now();
    if (announced.size > 0) await acceptNotifications(em, [...announced.values()], now);
    if (told.size > 0) await em.transactional((tx) => acceptLifecycleEvents(tx, [...told.values()], now));
    // Counted when they are stored: what comes again is counted then.
    for (const [outcome, count] of Object.entries(counts)) notifications.inc({ outcome }, count);
    for (const { event } of told.values()) lifecycle.inc({ event });
    if (counts.unknown + counts.forged > 0) logger.warn(counts, 'notifications that are not ours');
  }

  return (app: Hono) => {
    app.post('/webhooks/microsoft-graph', answer);
    app.post('/webhooks/microsoft-graph/lifecycle', answer);
  };
}

/** The handshake: the token, decoded, as plain text, and nothing else. It is never looked at, nor shown as a page. */
function validation(token: string): Response {
  if (token.length > LONGEST_TOKEN) return new Response(null, { status: 400 });
  return new Response(token, {
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
    },
  });
}

/** Says whether a client state is the subscription's. Each is opened once per request. */
function createJudge({ secretBox, logger }: WebhookOptions) {
  const secrets = new Map<string, string | null>();
  return ({ id, sealedClientState }: KnownSubscription, clientState: string): boolean => {
    let secret = secrets.get(id);
    if (secret === undefined) {
      try {
        secret = secretBox.open(sealedClientState, clientStateContext(id));
      } catch (thrown) {
        logger.error({ err: toError(thrown), pushSubscriptionId: id }, 'a client state cannot be opened');
        secret = null;
      }
      secrets.set(id, secret);
    }
    return secret !== null && equalSecrets(secret, clientState);
  };
}

async function withDeadline(
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const deadline = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`The database did not answer within ${milliseconds / SECOND} s.`);
      reject(error);
      deadline.abort(error);
    }, milliseconds);
  });
  try {
    await Promise.race([work(deadline.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

import { Counter, Histogram, type Registry } from 'prom-client';
import { toError } from '../errors.ts';
import { monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { createPushIntake, type PushIntakeOptions } from '../sync/push-intake.ts';
import type { DirectAnswer, DirectPosts } from './direct-posts.ts';
import { readNotifications } from './graph-notification.ts';

/** Microsoft's are some two hundred characters long. */
const LONGEST_TOKEN = 4_096;

/** What the webhook needs. */
export interface WebhookOptions extends Omit<PushIntakeOptions, 'onStored'> {
  registry: Registry;
}

/**
 * Where Microsoft Graph announces new mail and tells about its subscriptions. The answer says what Graph does next: 202, it
 * is done (also for what we do not know or do not believe: nobody learns which subscriptions exist); 503, it comes again.
 * https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 */
export function microsoftGraphWebhook({ registry, ...options }: WebhookOptions): DirectPosts {
  const { logger } = options;
  const { notifications, lifecycle, duration } = createWebhookMetrics(registry);
  const intake = createPushIntake({
    ...options,
    onStored: ({ lifecycle: events, ...counts }) => {
      for (const [outcome, count] of Object.entries(counts)) notifications.inc({ outcome }, count);
      for (const event of events) lifecycle.inc({ event });
    },
  });

  async function answer(text: string, query: URLSearchParams): Promise<DirectAnswer> {
    const token = query.get('validationToken');
    if (token !== null) return validation(token);
    const startedAt = monotonicMilliseconds();
    const taken = await take(text);
    const seconds = (monotonicMilliseconds() - startedAt) / SECOND;
    duration.observe({ status: String(taken.status) }, seconds);
    return taken;
  }

  async function take(text: string): Promise<DirectAnswer> {
    const body = readNotifications(text);
    if (!body) {
      notifications.inc({ outcome: 'malformed' });
      return { status: 400 };
    }
    notifications.inc({ outcome: 'malformed' }, body.malformed);
    if (body.items.length === 0) return { status: 202 };
    try {
      await intake.take(body.items);
      return { status: 202 };
    } catch (thrown) {
      notifications.inc({ outcome: 'not stored' }, body.items.length);
      logger.warn({ err: toError(thrown) }, 'notifications could not be stored; Microsoft sends them again');
      return { status: 503, headers: { 'Retry-After': '5' } };
    }
  }

  return new Map([
    ['/webhooks/microsoft-graph', answer],
    ['/webhooks/microsoft-graph/lifecycle', answer],
  ]);
}

function createWebhookMetrics(registry: Registry) {
  return {
    notifications: new Counter({
      name: 'deskgraph_push_notifications_total',
      help: 'Notifications of Microsoft Graph by outcome: accepted, unknown, forged, malformed, or not stored (it comes again).',
      labelNames: ['outcome'],
      registers: [registry],
    }),
    lifecycle: new Counter({
      name: 'deskgraph_push_lifecycle_events_total',
      help: 'Lifecycle events of subscriptions that were accepted, by event.',
      labelNames: ['event'],
      registers: [registry],
    }),
    duration: new Histogram({
      name: 'deskgraph_push_answer_duration_seconds',
      help: 'How long notifications took from their last byte to the answer, by status; Microsoft waits for three seconds.',
      labelNames: ['status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3],
      registers: [registry],
    }),
  };
}

/** The handshake: the token, decoded, as plain text, and nothing else. It is never looked at, nor shown as a page. */
function validation(token: string): DirectAnswer {
  if (token.length > LONGEST_TOKEN) return { status: 400 };
  return {
    status: 200,
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
    },
    body: token,
  };
}

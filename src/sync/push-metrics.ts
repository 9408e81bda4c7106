import { Gauge, type Registry } from 'prom-client';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { type Clock, delay, MINUTE, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { acrossOrganizations, type Database, forkAcrossOrganizations } from '../platform/database.ts';
import { DELIVERIES, type Delivery, deliveryOf } from './push-delivery.ts';
import type { PushEnvironment } from './push-environment.ts';
import { PUSH_SUBSCRIPTION_STATES } from './push-plan.ts';
import { PushSubscription } from './push-subscription.entity.ts';

/** How long what was counted is shown again, however often Prometheus asks. */
const FRESH = 1 * MINUTE;
/** How long a scrape waits for the count; the figures before it are shown when it takes longer. */
const SCRAPE_DEADLINE = 1 * SECOND;
/** More mailboxes are not looked at: how their mail is noticed is then told of the oldest ones. */
const MOST_MAILBOXES = 5_000;

/** What the gauges need. */
export interface PushMetricsOptions {
  registry: Registry;
  database: Database;
  clock: Clock;
  environment: PushEnvironment;
}

/** Tells Prometheus how subscriptions stand, and how many mailboxes with incoming mail are announced or only polled. */
export function createPushMetrics({ registry, database, clock, environment }: PushMetricsOptions): void {
  let countedAt = Number.NEGATIVE_INFINITY;
  let counting: Promise<void> | null = null;
  const subscriptions = new Map<string, number>();
  const mailboxes = new Map<string, number>();

  async function count(): Promise<void> {
    // Over all organizations: these are figures of the server, and say nothing of whose they are.
    const em = forkAcrossOrganizations(database);
    const enabled = await em.find(
      Mailbox,
      { incomingEnabled: true },
      { ...acrossOrganizations, orderBy: { id: 'asc' }, limit: MOST_MAILBOXES },
    );
    const current = await em.find(
      PushSubscription,
      { replacedAt: null, mailbox: { $in: enabled.map(({ id }) => id) } },
      acrossOrganizations,
    );
    const states = await em.execute<{ state: string; count: number }[]>(
      'select state, count(*)::int as count from push_subscription where replaced_at is null group by state',
    );
    const byMailbox = new Map(current.map((one) => [one.mailbox.id, one]));
    const now = clock.now();
    subscriptions.clear();
    for (const { state, count: number } of states) subscriptions.set(state, number);
    mailboxes.clear();
    for (const mailbox of enabled) {
      const { delivery }: { delivery: Delivery } = deliveryOf(
        environment,
        mailbox,
        byMailbox.get(mailbox.id) ?? null,
        now,
      );
      mailboxes.set(delivery, (mailboxes.get(delivery) ?? 0) + 1);
    }
    countedAt = monotonicMilliseconds();
  }

  /** Never throws: a database that is away must not take the other figures with it. */
  async function refresh(): Promise<void> {
    if (monotonicMilliseconds() - countedAt < FRESH) return;
    counting ??= count()
      .catch(() => undefined)
      .finally(() => {
        counting = null;
      });
    const done = new AbortController();
    await Promise.race([counting, delay(SCRAPE_DEADLINE, done.signal).catch(() => undefined)]);
    done.abort(new Error('The count came first.'));
  }

  new Gauge({
    name: 'deskgraph_push_subscriptions',
    help: 'Current subscriptions for change notifications, by state; counted once a minute.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      await refresh();
      for (const state of PUSH_SUBSCRIPTION_STATES) this.set({ state }, subscriptions.get(state) ?? 0);
    },
  });
  new Gauge({
    name: 'deskgraph_mailboxes',
    help: 'Mailboxes with incoming mail, by how new mail is noticed: PUSH or POLLING; counted once a minute.',
    labelNames: ['delivery'],
    registers: [registry],
    async collect() {
      await refresh();
      for (const delivery of DELIVERIES) this.set({ delivery }, mailboxes.get(delivery) ?? 0);
    },
  });
}

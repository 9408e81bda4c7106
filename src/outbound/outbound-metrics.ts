import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { SECOND } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { OutboundKind } from './outbound-message.entity.ts';

/** What the delivery tells. */
export interface OutboundObserver {
  /** Microsoft has taken a mail. */
  onSent(sent: { kind: OutboundKind; queuedAt: Date; sentAt: Date }): void;
  /** A mail has failed until somebody retries it. */
  onFailed(failed: { kind: OutboundKind; code: string }): void;
}

/** From well within a second, over a minute of waiting for a limit, to a day of an account that nobody signs in. */
const BUCKETS = [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400];

/** Tells Prometheus what the outbox does. The gauge is read from the database when somebody asks. */
export function createOutboundMetrics(registry: Registry, database: Database): OutboundObserver {
  const sent = new Counter({
    name: 'deskgraph_outbound_sent_total',
    help: 'Mails that Microsoft has taken, by kind.',
    labelNames: ['kind'],
    registers: [registry],
  });
  const failed = new Counter({
    name: 'deskgraph_outbound_failed_total',
    help: 'Mails that failed until somebody retries them, by kind and code of the problem.',
    labelNames: ['kind', 'code'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'deskgraph_outbound_seconds',
    help: 'From the moment when a mail was queued to the moment when Microsoft had taken it, by kind.',
    labelNames: ['kind'],
    buckets: BUCKETS,
    registers: [registry],
  });
  new Gauge({
    name: 'deskgraph_outbound_waiting',
    help: 'Mails in the outbox that are not sent yet, by state.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      // Over all organizations: the figure is the installation's.
      const rows = await forkAcrossOrganizations(database).execute<{ state: string; count: number }[]>(
        `select state, count(*)::int as count from outbound_message
          where state in ('QUEUED', 'SENDING') group by state`,
      );
      this.reset();
      for (const state of ['QUEUED', 'SENDING']) {
        this.set({ state }, rows.find((row) => row.state === state)?.count ?? 0);
      }
    },
  });
  return {
    onSent({ kind, queuedAt, sentAt }) {
      sent.inc({ kind });
      seconds.observe({ kind }, Math.max(0, sentAt.getTime() - queuedAt.getTime()) / SECOND);
    },
    onFailed({ kind, code }) {
      failed.inc({ kind, code });
    },
  };
}

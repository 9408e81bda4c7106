import { Counter, Histogram, type Registry } from 'prom-client';
import { SECOND } from '../platform/clock.ts';
import type { SyncTrigger } from './sync-run.entity.ts';

/** Mail that has become part of tickets, in one transaction that was committed. */
export interface StoredMails {
  /** Why the run began that read it. */
  trigger: SyncTrigger;
  /** When the first notification came that the run answers; null when none did. */
  announcedAt: Date | null;
  /** When Microsoft received each of the mails; at least one. */
  receivedAt: readonly (Date | null)[];
  committedAt: Date;
  /** How many of them were too many of one sender. */
  stormed: number;
}

/** From a second, which is the goal, over a poll to a long absence. In seconds. */
const BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400];

/** Tells Prometheus how long tickets take. Returns what the sync calls after each commit that brought mail. */
export function createSyncMetrics(registry: Registry): (stored: StoredMails) => void {
  const sinceNotification = new Histogram({
    name: 'deskgraph_notification_to_ticket_seconds',
    help: 'From the first notification that a run answers to each commit of mail that it found, by trigger of the run.',
    labelNames: ['trigger'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const sinceReceived = new Histogram({
    name: 'deskgraph_mail_to_ticket_seconds',
    help: 'From the moment when Microsoft received a mail to the commit of its ticket or reply, by trigger of the run.',
    labelNames: ['trigger'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const storms = new Counter({
    name: 'deskgraph_storm_messages_total',
    help: 'Messages beyond the storm limits: kept in one ticket, and answered by nothing.',
    registers: [registry],
  });
  return ({ trigger, announcedAt, receivedAt, committedAt, stormed }) => {
    storms.inc(stormed);
    if (announcedAt) sinceNotification.observe({ trigger }, secondsBetween(announcedAt, committedAt));
    for (const at of receivedAt) {
      if (at) sinceReceived.observe({ trigger }, secondsBetween(at, committedAt));
    }
  };
}

/** Never negative: Microsoft's clock, or another server's, may be ahead of ours. */
function secondsBetween(from: Date, to: Date): number {
  return Math.max((to.getTime() - from.getTime()) / SECOND, 0);
}

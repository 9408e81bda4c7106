import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSyncMetrics } from '../../src/sync/sync-metrics.ts';
import type { TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type PushedMailbox, pushedMailbox, query, setPush, startPushApp } from './push-harness.ts';

let app: TestApp;
let mailbox: PushedMailbox;
beforeAll(async () => {
  app = await startPushApp();
  mailbox = await pushedMailbox(app);
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function figure(name: string): Promise<number> {
  const page = await (await fetch(`${app.url}/metrics`)).text();
  const line = page.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

const untilTickets = (count: number) =>
  eventually(`${count} tickets`, async () => {
    const { tickets } = await mailbox.desk.request<{ tickets: { edges: unknown[] } }>(
      '{ tickets(first: 100) { edges { node { id } } } }',
    );
    return tickets.edges.length === count;
  });

test('a mail that was announced is measured from its notification and from its arrival, once, as PUSH', async () => {
  const before = await figure('deskgraph_notification_to_ticket_seconds_count{trigger="PUSH"}');
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Announced' });
  await untilTickets(1);
  await eventually('it is measured', async () => {
    return (await figure('deskgraph_notification_to_ticket_seconds_count{trigger="PUSH"}')) === before + 1;
  });
  expect(await figure('deskgraph_mail_to_ticket_seconds_count{trigger="PUSH"}')).toBe(1);
  const lag = await figure('deskgraph_notification_to_ticket_seconds_sum{trigger="PUSH"}');
  expect(lag).toBeGreaterThan(0);
  expect(lag).toBeLessThan(20);
});

test('a mail that nobody announced is measured from its arrival alone, and one that is listed again not at all', async () => {
  await setPush(app, { lossProbability: 1 });
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'In silence' });
  await mailbox.desk.sync(mailbox.mailboxId);
  await untilTickets(2);
  const name = 'deskgraph_mail_to_ticket_seconds_count{trigger="MANUAL"}';
  await eventually('it is measured', async () => (await figure(name)) === 1);
  await query(app, 'update sync_state set cursor = null, round = null where mailbox_id = ?', [mailbox.uuid]);
  const run = await mailbox.desk.sync(mailbox.mailboxId);
  expect(run.seen).toBeGreaterThan(0);
  expect(await figure(name)).toBe(1);
  expect(await figure('deskgraph_notification_to_ticket_seconds_count{trigger="MANUAL"}')).toBe(0);
});

test('a run that was announced says when, and that was before it began', async () => {
  const [row] = await query<{ count: number }>(
    app,
    `select count(*)::int as count from sync_run where trigger = 'PUSH' and (announced_at is null or announced_at > started_at)`,
  );
  expect(row?.count).toBe(0);
});

test('clocks that disagree make no time negative', async () => {
  const registry = new Registry();
  const onStored = createSyncMetrics(registry);
  onStored({
    trigger: 'PUSH',
    announcedAt: new Date('2026-11-21T10:00:05Z'),
    receivedAt: [new Date('2026-11-21T10:01:00Z'), null, new Date('2026-11-21T09:59:58Z')],
    committedAt: new Date('2026-11-21T10:00:00Z'),
    stormed: 0,
  });
  const page = await registry.metrics();
  expect(page).toContain('deskgraph_notification_to_ticket_seconds_sum{trigger="PUSH"} 0\n');
  expect(page).toContain('deskgraph_mail_to_ticket_seconds_sum{trigger="PUSH"} 2\n');
  expect(page).toContain('deskgraph_mail_to_ticket_seconds_count{trigger="PUSH"} 2\n');
});

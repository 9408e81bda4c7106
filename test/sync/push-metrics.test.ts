import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { entities } from '../../src/entities.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openDatabase } from '../../src/platform/database.ts';
import { createPushMetrics } from '../../src/sync/push-metrics.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { seedSubscriptions } from '../support/subscriptions.ts';
import { eventually } from '../support/wait.ts';

const ENVIRONMENT = { publicUrl: 'https://desk.example', graphUrl: null };
let db: TestDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db?.[Symbol.asyncDispose]());

test('subscriptions are told by state, and mailboxes by how their mail is noticed, over all organizations', async () => {
  const seeded = await seedSubscriptions(db.url, { organizations: 2, mailboxes: 4 });
  const ids = seeded.map(({ mailboxId }) => `'${mailboxId}'`);
  const em = db.database.em.fork();
  await em.execute(
    `update push_subscription set last_notification_at = now() where mailbox_id in (${ids.slice(0, 6).join()})`,
  );
  await em.execute(`update push_subscription set state = 'REMOVED' where mailbox_id = ${ids[5]}`);
  await em.execute(`update mailbox set incoming_enabled = false where id = ${ids[0]}`);
  const registry = new Registry();
  createPushMetrics({ registry, database: db.database, clock: systemClock, environment: ENVIRONMENT });
  // A scrape waits for the count for a second; what was not counted by then is in a later one.
  const page = await eventually('it is counted', async () => {
    const read = await registry.metrics();
    return read.includes('deskgraph_push_subscriptions{state="ACTIVE"} 0\n') ? false : read;
  });
  expect(page).toContain('deskgraph_push_subscriptions{state="ACTIVE"} 7\n');
  expect(page).toContain('deskgraph_push_subscriptions{state="REMOVED"} 1\n');
  expect(page).toContain('deskgraph_mailboxes{delivery="PUSH"} 4\n');
  expect(page).toContain('deskgraph_mailboxes{delivery="POLLING"} 3\n');
});

test('a database that is away does not keep the figures from being read', async () => {
  const away = await openDatabase({ url: 'postgres://nobody@127.0.0.1:1/nothing', entities, migrations: [] });
  const registry = new Registry();
  createPushMetrics({ registry, database: away, clock: systemClock, environment: ENVIRONMENT });
  expect(await registry.metrics()).toContain('deskgraph_mailboxes{delivery="PUSH"} 0\n');
  await away.close(true);
});

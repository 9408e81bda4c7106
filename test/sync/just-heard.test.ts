import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { acceptNotifications, findSubscriptions } from '../../src/sync/push-notifications.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { seedSubscriptions } from '../support/subscriptions.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({}, { env: { DESKGRAPH_ROLES: 'api' } });
});
afterAll(() => app?.[Symbol.asyncDispose]());

const em = () => forkAcrossOrganizations(app.database);
const START = systemClock.now().getTime();

let graphId: string;
let mailboxId: string;
beforeEach(async () => {
  const [seeded] = await seedSubscriptions(app.databaseUrl, { organizations: 1, mailboxes: 1 });
  ({ mailboxId, subscriptionId: graphId } = seeded ?? missing());
});

/** A notification comes, so many milliseconds after the first. */
async function hear(milliseconds: number): Promise<void> {
  const [subscription = missing()] = (await findSubscriptions(em(), [graphId])).values();
  await acceptNotifications(em(), [{ subscription, count: 1 }], new Date(START + milliseconds));
}

function missing(): never {
  throw new Error('no such row');
}

/** The row and its version, and for how much mail the waiting run was asked. */
async function state() {
  const [row] = await em().execute<
    { version: string; heard: string; missed: number; answered: string | null; expected: number }[]
  >(
    `select push_subscription.xmin::text as version, last_notification_at as heard, missed_count as missed,
       probe_answered_at as answered, expected
     from push_subscription join sync_run on sync_run.mailbox_id = push_subscription.mailbox_id and sync_run.state = 'QUEUED'
     where push_subscription.mailbox_id = ?`,
    [mailboxId],
  );
  const { heard, ...others } = row ?? missing();
  return { ...others, heard: new Date(heard).getTime() - START };
}

const change = (what: string) =>
  em().execute(`update push_subscription set ${what} where mailbox_id = ?`, [mailboxId]);

test('in a burst a subscription is written once, and all of its mail is asked for', async () => {
  await hear(0);
  const first = await state();
  await hear(100);
  await hear(200);
  expect(await state()).toEqual({ ...first, heard: 0, expected: 3 });
  await hear(400);
  expect(await state()).toMatchObject({ heard: 400, expected: 4 });
});

test('what was counted as missed is forgotten by the next notification, however soon', async () => {
  await hear(0);
  await change('missed_count = 2');
  await hear(100);
  expect(await state()).toMatchObject({ heard: 100, missed: 0 });
});

test('a poll that began between two notifications is no miss: the second one is written down', async () => {
  await hear(0);
  await em().execute(
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, created_at, updated_at)
     select gen_random_uuid(), organization_id, mailbox_id, 'POLL', 'SUCCEEDED',
       last_notification_at + interval '50 milliseconds', now() from push_subscription where mailbox_id = ?`,
    [mailboxId],
  );
  await hear(100);
  expect(await state()).toMatchObject({ heard: 100 });
});

test('a probe that has just begun sees the next notification, however soon', async () => {
  await hear(0);
  await change(`probe_started_at = last_notification_at + interval '50 milliseconds'`);
  await hear(100);
  expect(await state()).toMatchObject({ heard: 100 });
});

test('a probe whose draft lies in the mailbox is answered by the next notification, however soon', async () => {
  await hear(0);
  await change(`probe_removal_at = now() + interval '1 minute'`);
  await hear(100);
  expect((await state()).answered).not.toBeNull();
});

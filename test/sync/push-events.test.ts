import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { encodeCursor } from '../../src/realtime/cursor.ts';
import { syncMailboxJob } from '../../src/sync/sync.jobs.ts';
import { subscribeOverSocket } from '../server/harness.ts';
import type { TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  type PushedMailbox,
  poll,
  pushedMailbox,
  pushRests,
  query,
  setPush,
  startPushApp,
  statusBecomes,
  watch,
} from './push-harness.ts';

let app: TestApp;
beforeAll(async () => {
  // The minute's look comes when the test asks for it: any event of its own would hide one that is missing.
  app = await startPushApp({}, { isScheduled: false });
});
afterAll(() => app?.[Symbol.asyncDispose]());
afterEach(() => setPush(app, { lossProbability: 0, paused: false }));

interface Told {
  cursor: string;
  delivery: string;
  pushSubscription: { lastProbe: { state: string } | null } | null;
}

/** What a client over a socket is told of a mailbox from now on, as it comes. */
async function listen({ desk, mailboxId }: PushedMailbox): Promise<Told[]> {
  const events = subscribeOverSocket(
    app.url,
    desk.apiKey,
    `subscription { syncStatusChanged(mailboxId: "${mailboxId}") {
       cursor syncStatus { delivery pushSubscription { lastProbe { state } } } } }`,
  );
  const told: Told[] = [];
  void (async () => {
    for (let event = await events.next(); event; event = await events.next()) {
      const { syncStatusChanged } = event.data as {
        syncStatusChanged: { cursor: string; syncStatus: Omit<Told, 'cursor'> };
      };
      told.push({ cursor: syncStatusChanged.cursor, ...syncStatusChanged.syncStatus });
    }
  })();
  // A run that is asked for tells of itself: once that has come, the stream stands.
  await eventually('the stream stands', async () => {
    if (told.length > 0) return true;
    await desk.sync(mailboxId);
    return false;
  });
  return told;
}

/** Waits until whatever was done so far has been told. */
async function allIsTold(told: Told[], { mailboxId, uuid }: PushedMailbox): Promise<void> {
  await eventually('everything is told', async () => {
    const [last] = await query<{ transaction: string; position: string }>(
      app,
      `select transaction::text, position::text from event
        where type = 'sync-status.changed' and payload ->> 'mailboxId' = ? order by event.transaction desc, event.position desc limit 1`,
      [uuid],
    );
    if (!last) throw new Error(`Nothing was ever told of ${mailboxId}.`);
    const cursor = encodeCursor({
      transaction: BigInt(last.transaction),
      position: BigInt(last.position),
    });
    return told.at(-1)?.cursor === cursor;
  });
}

async function forget(told: Told[], mailbox: PushedMailbox): Promise<void> {
  await allIsTold(told, mailbox);
  told.length = 0;
}

test('push that falls back to polling is told to whoever listens, and so is its coming back, also while a run waits', async () => {
  const mailbox = await pushedMailbox(app);
  const told = await listen(mailbox);
  await setPush(app, { lossProbability: 1 });
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Lost' });
  await poll(app, mailbox);
  await query(
    app,
    `update sync_run set finished_at = finished_at - interval '5 minutes' where mailbox_id = ? and state = 'SUCCEEDED'`,
    [mailbox.uuid],
  );
  await forget(told, mailbox);
  await watch(app);
  await eventually('the fall-back is told', () => told.some(({ delivery }) => delivery === 'POLLING'));

  // Microsoft has asked for a pause: a run waits, and whatever comes is left to it.
  await query(
    app,
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, created_at, updated_at)
     values (gen_random_uuid(), ?, ?, 'POLL', 'QUEUED', now(), now())`,
    [mailbox.desk.organizationId, mailbox.uuid],
  );
  await enqueue(
    forkAcrossOrganizations(app.database),
    syncMailboxJob,
    { organizationId: mailbox.desk.organizationId, mailboxId: mailbox.uuid },
    { delayMilliseconds: 600_000 },
  );
  await setPush(app, { lossProbability: 0 });
  await forget(told, mailbox);
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Announced' });
  await eventually('its coming back is told', () => told.some(({ delivery }) => delivery === 'PUSH'));
});

test('each step of a probe is told', async () => {
  const mailbox = await pushedMailbox(app);
  await query(
    app,
    `update push_subscription set probe_started_at = probe_started_at - interval '2 minutes' where mailbox_id = ?`,
    [mailbox.uuid],
  );
  const told = await listen(mailbox);
  await setPush(app, { paused: true });
  await forget(told, mailbox);
  await mailbox.desk.request(
    `mutation ($id: ID!) { probePush(input: { mailboxId: $id }) { ... on ProbePushPayload { pushProbe { state } } ... on Error { code } } }`,
    { id: mailbox.mailboxId },
  );
  const states = () => told.map(({ pushSubscription }) => pushSubscription?.lastProbe?.state);
  await eventually('it is told that the probe waits', () => states().includes('WAITING'));
  // One for the wish, one for the draft; what each shows is what it is when it is read, so that the first may show the draft.
  await pushRests(app, mailbox);
  await allIsTold(told, mailbox);
  expect(told.length).toBe(2);
  await setPush(app, { paused: false });
  await eventually('it is told that the probe was answered', () => states().includes('ANSWERED'));
  await statusBecomes(
    mailbox.desk,
    mailbox.mailboxId,
    'push is proven',
    ({ delivery }) => delivery === 'PUSH',
  );
});

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { sweepPushJob } from '../../src/sync/push.jobs.ts';
import { type AccessDesk, startAccessDesk } from '../mailboxes/access-harness.ts';
import { control } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import {
  draftsAreGone,
  query,
  startPushApp,
  statusBecomes,
  subscriptionsAtMicrosoft,
} from './push-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  // Only the tests look after subscriptions: what they leave behind would be found and mended.
  stage = await startAccessDesk(() => startPushApp({}, { isScheduled: false }));
});
afterAll(() => stage?.app[Symbol.asyncDispose]());
afterEach(() => control(stage.app.emulator.url, 'faults', undefined, 'DELETE'));

interface Watched {
  mailboxId: string;
  address: string;
}

/** A person's mailbox whose mail is announced, or that is about to. */
async function connected(): Promise<Watched> {
  const address = await stage.newMailbox();
  await stage.connect(address);
  const mailboxId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.id ?? '';
  return { mailboxId, address };
}

async function enabled(mailbox: Watched): Promise<Watched> {
  await stage.desk.enable(mailbox.mailboxId);
  await statusBecomes(stage.desk, mailbox.mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  const [row] = await sql<{ id: string }>('select id from mailbox where email_address = ?', [
    mailbox.address,
  ]);
  await draftsAreGone(stage.app, { uuid: row?.id ?? '' });
  return mailbox;
}

const disable = ({ mailboxId }: Watched) =>
  stage.desk.request(
    `mutation ($id: ID!) { updateIncomingSettings(input: { mailboxId: $id, enabled: false }) { __typename } }`,
    { id: mailboxId },
  );

const sql = <Row>(text: string, parameters: unknown[] = []) => query<Row>(stage.app, text, parameters);

const OF = 'mailbox_id = (select id from mailbox where email_address = ?)';

/** Microsoft's id of a mailbox's subscription, as we know it. */
async function idOf({ address }: Watched): Promise<string> {
  const [row] = await sql<{ id: string }>(
    `select graph_subscription_id as id from push_subscription where replaced_at is null and ${OF}`,
    [address],
  );
  return row?.id ?? '';
}

/** Ours is gone, and Microsoft's is not; what nobody wants any more as well. */
async function forget({ address }: Watched): Promise<void> {
  await sql(`delete from push_subscription where ${OF}`, [address]);
  await sql('update mailbox set incoming_enabled = false where email_address = ?', [address]);
}

/** The nightly sweep, now; waits for its end. */
async function sweep(): Promise<void> {
  await enqueue(forkAcrossOrganizations(stage.app.database), sweepPushJob, {});
  await eventually('the sweep ends', async () => {
    const jobs = await sql(
      `select 1 from graphile_worker._private_jobs where key like 'sync.sweep-push:%' or key like 'sync.remove-push-orphans:%'`,
    );
    return jobs.length === 0;
  });
}

test('made at Microsoft, answered with an error, refused when asked again, and switched off: nothing is left there', async () => {
  const mailbox = await connected();
  const before = await subscriptionsAtMicrosoft(stage.app);
  const fault = { method: 'POST', pathPattern: '/subscriptions$' };
  await control(stage.app.emulator.url, 'faults', { ...fault, status: 504, afterwards: true, count: 1 });
  await control(stage.app.emulator.url, 'faults', { ...fault, status: 503 });
  await stage.desk.enable(mailbox.mailboxId);
  await statusBecomes(
    stage.desk,
    mailbox.mailboxId,
    'it counts as refused',
    ({ pushSubscription }) => pushSubscription?.state === 'FAILED',
  );
  expect(await subscriptionsAtMicrosoft(stage.app)).toHaveLength(before.length + 1);
  await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
  await disable(mailbox);
  await statusBecomes(
    stage.desk,
    mailbox.mailboxId,
    'it is ended here',
    ({ pushSubscription }) => pushSubscription === null,
  );
  expect(await subscriptionsAtMicrosoft(stage.app)).toEqual(before);
});

test('the nightly sweep finds what is left of a mailbox that wants nothing any more, and leaves alone what is known or being made', async () => {
  const [gone, known, making] = [
    await enabled(await connected()),
    await enabled(await connected()),
    await enabled(await connected()),
  ];
  const ids = await Promise.all([idOf(gone), idOf(known), idOf(making)]);
  await forget(gone);
  await sql(`update push_subscription set state = 'CREATING', graph_subscription_id = null where ${OF}`, [
    making.address,
  ]);
  await sweep();
  const left = await subscriptionsAtMicrosoft(stage.app);
  expect(ids.map((id) => left.includes(id))).toEqual([false, true, true]);

  // Nobody is making it any more: the answer had been lost.
  await sql(`update push_subscription set state = 'FAILED' where ${OF}`, [making.address]);
  await sweep();
  const rest = await subscriptionsAtMicrosoft(stage.app);
  expect(ids.map((id) => rest.includes(id))).toEqual([false, true, false]);
});

test('of a removed mailbox as well, and of one that was replaced without an end at Microsoft', async () => {
  const [removed, replaced] = [await enabled(await connected()), await enabled(await connected())];
  const ids = await Promise.all([idOf(removed), idOf(replaced)]);
  await forget(removed);
  await stage.run('removeMailbox', { mailboxId: removed.mailboxId });
  await sql(`update push_subscription set replaced_at = now() where ${OF}`, [replaced.address]);
  await sql('update mailbox set incoming_enabled = false where email_address = ?', [replaced.address]);
  await sweep();
  const left = await subscriptionsAtMicrosoft(stage.app);
  expect(ids.filter((id) => left.includes(id))).toEqual([]);
});

test('a tenant is listed once, however many of its mailboxes are watched, and only orphans are ended', async () => {
  const { accountId } = await stage.connectTenant();
  const watched: Watched[] = [];
  for (let index = 0; index < 3; index += 1) {
    const address = await stage.newMailbox();
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: address });
    watched.push(await enabled({ mailboxId: mailbox?.id ?? '', address }));
  }
  const [gone, known, making] = watched;
  if (!gone || !known || !making) throw new Error('There are three.');
  const ids = await Promise.all([idOf(gone), idOf(known), idOf(making)]);
  await forget(gone);
  await sql(`update push_subscription set state = 'CREATING', graph_subscription_id = null where ${OF}`, [
    making.address,
  ]);
  const [{ accounts = 0 } = {}] = await sql<{ accounts: number }>(
    `select count(*)::int as accounts from account where status <> 'DISCONNECTED'`,
  );
  await control(stage.app.emulator.url, 'requests', undefined, 'DELETE');
  await sweep();
  const { operations } = await control<{ operations: Record<string, number> }>(
    stage.app.emulator.url,
    'requests',
  );
  expect(operations['GET /subscriptions']).toBe(accounts);
  const left = await subscriptionsAtMicrosoft(stage.app);
  expect(ids.map((id) => left.includes(id))).toEqual([false, true, true]);
});

test('an account that Microsoft refuses keeps no other from being looked through', async () => {
  const [refused, gone] = [await enabled(await connected()), await enabled(await connected())];
  const id = await idOf(gone);
  await forget(gone);
  await control(stage.app.emulator.url, 'faults', {
    method: 'GET',
    pathPattern: '/subscriptions$',
    status: 403,
    mailbox: refused.address,
  });
  await sweep();
  expect(await subscriptionsAtMicrosoft(stage.app)).not.toContain(id);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { MINUTE } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

/*
 * Workers go by the database's clock. What waits must wait as long where the process's own is behind: an instant that it
 * computed would be long over, and the work be tried again and again without a pause.
 */

const BEHIND = 10 * MINUTE;
/** Seconds that Microsoft asks for in these tests. */
const RETRY_AFTER = 300;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({}, { clock: { now: () => new Date(Date.now() - BEHIND) } });
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Place {
  desk: Desk;
  mailboxId: string;
  address: string;
}

async function newPlace(settings: Record<string, unknown> = {}): Promise<Place> {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, settings);
  return { desk, mailboxId, address };
}

const throttle = ({ address }: Place, pathPattern: string) =>
  control(app.emulator.url, 'faults', {
    status: 429,
    retryAfterSeconds: RETRY_AFTER,
    mailbox: address,
    pathPattern,
    count: 1,
  });

/** Seconds by the database's clock until the waiting job of that name begins, once there is one. */
function waitOf({ desk }: Place, name: string): Promise<number> {
  return eventually(`${name} waits`, async () => {
    const [job] = await forkAcrossOrganizations(app.database).execute<{ seconds: number }[]>(
      `select extract(epoch from job.run_at - now())::float as seconds
         from graphile_worker._private_jobs as job join graphile_worker._private_tasks as task on task.id = job.task_id
        where task.identifier = ? and job.payload ->> 'organizationId' = ? and job.locked_at is null
          and job.attempts = 0 and job.run_at > now()`,
      [name, desk.organizationId],
    );
    return job?.seconds;
  });
}

async function ask({ desk, mailboxId }: Place): Promise<void> {
  await desk.request(
    `mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { ... on Error { message } } }`,
    { id: mailboxId },
  );
}

test('a sync run that was told to wait', async () => {
  const place = await newPlace();
  await throttle(place, 'delta');
  await ask(place);
  expect(await waitOf(place, 'sync.mailbox')).toBeGreaterThan(RETRY_AFTER - 60);
});

test('archiving that was told to wait', async () => {
  const place = await newPlace({ afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
  await throttle(place, '/move$');
  await deliver(app.emulator.url, { to: place.address, subject: 'Archive me' });
  await ask(place);
  expect(await waitOf(place, 'sync.archive-mail')).toBeGreaterThan(RETRY_AFTER - 60);
});

test('attachments that were told to wait', async () => {
  const place = await newPlace();
  await throttle(place, '/attachments');
  await deliver(app.emulator.url, {
    to: place.address,
    subject: 'With a file',
    attachments: [{ name: 'plan.txt', contentType: 'text/plain', contentBytes: btoa('The plan') }],
  });
  await ask(place);
  expect(await waitOf(place, 'ticketing.store-attachments')).toBeGreaterThan(RETRY_AFTER - 60);
});

test('the next try of a message that failed', async () => {
  const place = await newPlace();
  const [damaged] = await deliverMany(app.emulator.url, [
    { to: place.address, subject: 'Damaged' },
    { to: place.address, subject: 'Sound' },
  ]);
  const odd = { oddMessages: { [damaged?.immutableId ?? '']: { set: { body: null } } } };
  await control(app.emulator.url, `mailboxes/${place.address}/quirks`, odd, 'PUT');
  await ask(place);
  // After the first try; later ones wait for many minutes.
  const wait = await waitOf(place, 'sync.retry-inbound-message');
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(30);
});

test('a reconciliation that was told to wait', async () => {
  const place = await newPlace();
  await deliver(app.emulator.url, { to: place.address, subject: 'One' });
  await place.desk.sync(place.mailboxId);
  await throttle(place, 'orderby');
  await place.desk.request(
    `mutation ($id: ID!) { reconcileMailbox(input: { mailboxId: $id }) { ... on Error { message } } }`,
    { id: place.mailboxId },
  );
  expect(await waitOf(place, 'sync.reconcile-mailbox')).toBeGreaterThan(RETRY_AFTER - 60);
});

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { subscribeOverSocket } from '../server/harness.ts';
import { control, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  manage,
  type PushedMailbox,
  poll,
  pushedMailbox,
  query,
  rowsOf,
  setPush,
  startPushApp,
  statusBecomes,
  statusOf,
  subjectsOf,
  subscriptionsAtMicrosoft,
  triggersOf,
  watch,
} from './push-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startPushApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());
afterEach(() =>
  setPush(app, { lossProbability: 0, duplicateProbability: 0, handshake: 'normal', paused: false }),
);

const tell = (subscriptionId: string | null | undefined, event: string) =>
  control(app.emulator.url, 'push/lifecycle', { subscriptionId, event });

/** Makes what has been found look as if it had been found a while ago. */
const letTimePass = ({ uuid }: PushedMailbox) =>
  query(
    app,
    `update sync_run set finished_at = finished_at - interval '5 minutes' where mailbox_id = ? and state = 'SUCCEEDED'`,
    [uuid],
  );

const makeDue = ({ uuid }: PushedMailbox) =>
  query(app, 'update push_subscription set next_step_at = now() where mailbox_id = ?', [uuid]);

test('a mail is a ticket at a WebSocket client although nobody polls and nobody asks', async () => {
  const mailbox = await pushedMailbox(app);
  const { desk, mailboxId, address, uuid } = mailbox;
  const before = (await triggersOf(app, uuid)).length;
  const events = await subscribeOverSocket(
    app.url,
    desk.apiKey,
    'subscription { ticketCreated { ticket { subject } } }',
  );
  const first = events.next();
  await deliver(app.emulator.url, { to: address, subject: 'Nobody asks' });
  await eventually('the ticket is there', async () => (await subjectsOf(desk)).length === 1);
  expect((await triggersOf(app, uuid)).slice(before)).toEqual(['PUSH']);
  // The subscription may have begun after the first mail; then the second one is the first that it tells of.
  await deliver(app.emulator.url, { to: address, subject: 'Nobody asks again' });
  expect(JSON.stringify(await first)).toMatch(/Nobody asks/);
  const status = await statusBecomes(
    desk,
    mailboxId,
    'the notification is noted',
    ({ pushSubscription }) => pushSubscription?.lastNotificationAt != null,
  );
  expect(status).toMatchObject({ delivery: 'PUSH', pushSubscription: { state: 'ACTIVE', problem: null } });
  expect(Date.parse(status.pushSubscription?.expiresAt ?? '')).toBeGreaterThan(0);
});

test('doubled notifications make no second ticket', async () => {
  const { desk, address } = await pushedMailbox(app);
  await setPush(app, { duplicateProbability: 1 });
  await deliver(app.emulator.url, { to: address, subject: 'Once' });
  await deliver(app.emulator.url, { to: address, subject: 'Twice' });
  await eventually('both are tickets', async () => (await subjectsOf(desk)).length >= 2);
  expect((await subjectsOf(desk)).sort()).toEqual(['Once', 'Twice']);
});

test('lost notifications: the poll finds the mail, the status says so, the subscription is made anew, and a notification heals it', async () => {
  const mailbox = await pushedMailbox(app);
  const { desk, mailboxId, address, uuid } = mailbox;
  const [first] = await rowsOf(app, uuid);
  await setPush(app, { lossProbability: 1 });

  await deliver(app.emulator.url, { to: address, subject: 'Lost one' });
  await poll(app, mailbox);
  expect(await subjectsOf(desk)).toEqual(['Lost one']);
  await watch(app);
  expect((await rowsOf(app, uuid))[0]?.missed_count).toBe(0);
  await letTimePass(mailbox);
  await watch(app);
  const silent = await statusBecomes(
    desk,
    mailboxId,
    'the miss is counted',
    ({ delivery }) => delivery === 'POLLING',
  );
  expect(silent.deliveryReason).toMatch(/did not announce/);
  expect(silent.pushSubscription).toMatchObject({ state: 'ACTIVE', missedCount: 1 });

  await deliver(app.emulator.url, { to: address, subject: 'Lost two' });
  await poll(app, mailbox);
  await letTimePass(mailbox);
  await watch(app);
  await eventually('another subscription stands', async () => {
    const [current] = await rowsOf(app, uuid);
    return current?.state === 'ACTIVE' && current.id !== first?.id;
  });
  const [current, replaced] = await rowsOf(app, uuid);
  expect(current?.missed_count).toBe(2);
  expect(replaced?.id).toBe(first?.id);
  expect(await subscriptionsAtMicrosoft(app)).not.toContain(first?.graph_subscription_id);

  await setPush(app, { lossProbability: 0 });
  await deliver(app.emulator.url, { to: address, subject: 'Announced' });
  await statusBecomes(desk, mailboxId, 'push is back', ({ delivery }) => delivery === 'PUSH');
  await eventually('all are tickets', async () => (await subjectsOf(desk)).length === 3);
});

test('a poll that is faster than the notification is no miss', async () => {
  const mailbox = await pushedMailbox(app);
  const { pushSubscription: before } = await statusOf(mailbox.desk, mailbox.mailboxId);
  await setPush(app, { paused: true });
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Late' });
  await poll(app, mailbox);
  await setPush(app, { paused: false });
  await statusBecomes(
    mailbox.desk,
    mailbox.mailboxId,
    'the notification comes',
    ({ pushSubscription }) => pushSubscription?.lastNotificationAt !== before?.lastNotificationAt,
  );
  await letTimePass(mailbox);
  await watch(app);
  expect((await rowsOf(app, mailbox.uuid))[0]?.missed_count).toBe(0);
});

test('switched off, the subscription ends at Microsoft; switched on again, there is a new one', async () => {
  const { desk, mailboxId, uuid } = await pushedMailbox(app);
  const [first] = await rowsOf(app, uuid);
  expect(await subscriptionsAtMicrosoft(app)).toContain(first?.graph_subscription_id);
  const set = (enabled: boolean) =>
    desk.request(
      `mutation ($id: ID!, $enabled: Boolean!) { updateIncomingSettings(input: { mailboxId: $id, enabled: $enabled }) { __typename } }`,
      { id: mailboxId, enabled },
    );
  await set(false);
  await eventually(
    'it is gone',
    async () => !(await subscriptionsAtMicrosoft(app)).includes(first?.graph_subscription_id ?? ''),
  );
  const off = await statusBecomes(
    desk,
    mailboxId,
    'it says so',
    ({ pushSubscription }) => pushSubscription === null,
  );
  expect(off).toMatchObject({ delivery: 'POLLING', deliveryReason: 'Incoming mail is switched off.' });
  await set(true);
  await statusBecomes(desk, mailboxId, 'push is back', ({ delivery }) => delivery === 'PUSH');
});

test('another folder gets a subscription of its own, and the old one ends', async () => {
  const { desk, mailboxId, uuid } = await pushedMailbox(app);
  const [first] = await rowsOf(app, uuid);
  const { createMailFolder } = await desk.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($id: ID!) { createMailFolder(input: { mailboxId: $id, displayName: "Tickets" }) {
       ... on CreateMailFolderPayload { folder { id } } } }`,
    { id: mailboxId },
  );
  await desk.request(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) { __typename } }`,
    { input: { mailboxId, folderId: createMailFolder.folder.id } },
  );
  await eventually('the new one stands', async () => {
    const [current] = await rowsOf(app, uuid);
    return current?.state === 'ACTIVE' && current.id !== first?.id;
  });
  expect(await subscriptionsAtMicrosoft(app)).not.toContain(first?.graph_subscription_id);
});

test('"missed" reads the folder at once', async () => {
  const { desk, address, uuid } = await pushedMailbox(app);
  const [current] = await rowsOf(app, uuid);
  await setPush(app, { lossProbability: 1 });
  await deliver(app.emulator.url, { to: address, subject: 'Missed' });
  await tell(current?.graph_subscription_id, 'missed');
  await eventually('it is a ticket', async () => (await subjectsOf(desk)).includes('Missed'));
  expect((await triggersOf(app, uuid)).at(-1)).toBe('RECOVERY');
});

test('"subscriptionRemoved" makes a new one and reads what came between', async () => {
  const { desk, mailboxId, address, uuid } = await pushedMailbox(app);
  const [first] = await rowsOf(app, uuid);
  await setPush(app, { lossProbability: 1 });
  await deliver(app.emulator.url, { to: address, subject: 'Between' });
  await setPush(app, { lossProbability: 0 });
  await tell(first?.graph_subscription_id, 'subscriptionRemoved');
  await eventually('another one stands', async () => {
    const [current] = await rowsOf(app, uuid);
    return current?.state === 'ACTIVE' && current.id !== first?.id;
  });
  await eventually('what came between is a ticket', async () => (await subjectsOf(desk)).includes('Between'));
  await statusBecomes(desk, mailboxId, 'push is back', ({ delivery }) => delivery === 'PUSH');
});

test('"reauthorizationRequired" renews with one PATCH, however often it is told', async () => {
  const mailbox = await pushedMailbox(app);
  const { uuid } = mailbox;
  const [current] = await rowsOf(app, uuid);
  const before = (await triggersOf(app, uuid)).length;
  await control(app.emulator.url, 'requests', undefined, 'DELETE');
  await tell(current?.graph_subscription_id, 'reauthorizationRequired');
  await eventually('it is renewed', async () => (await rowsOf(app, uuid))[0]?.renewed_at != null);
  await tell(current?.graph_subscription_id, 'reauthorizationRequired');
  await tell(current?.graph_subscription_id, 'missed');
  await eventually('the later event is through', async () => (await triggersOf(app, uuid)).length > before);
  await manage(app, mailbox);
  const requests = JSON.stringify(await control(app.emulator.url, 'requests'));
  expect(requests).not.toMatch(/reauthorize/);
  expect(requests).toMatch(/"PATCH [^"]*subscriptions[^"]*":1\b/);
  expect((await rowsOf(app, uuid)).length).toBe(1);
});

test('a subscription that is gone at Microsoft is found out at the renewal and made anew', async () => {
  const mailbox = await pushedMailbox(app);
  const [first] = await rowsOf(app, mailbox.uuid);
  await control(app.emulator.url, `push/subscriptions/${first?.graph_subscription_id}`, undefined, 'DELETE');
  await makeDue(mailbox);
  await watch(app);
  await eventually('another one stands', async () => {
    const [current] = await rowsOf(app, mailbox.uuid);
    return current?.state === 'ACTIVE' && current.id !== first?.id;
  });
});

test('what a crash left behind at Microsoft is ended, and there is one subscription in the end', async () => {
  const mailbox = await pushedMailbox(app);
  const [first] = await rowsOf(app, mailbox.uuid);
  // As if the process had died between the answer of Microsoft and its commit.
  await query(
    app,
    `update push_subscription set state = 'CREATING', graph_subscription_id = null where mailbox_id = ?`,
    [mailbox.uuid],
  );
  await manage(app, mailbox);
  await eventually('one stands', async () => (await rowsOf(app, mailbox.uuid))[0]?.state === 'ACTIVE');
  const [current] = await rowsOf(app, mailbox.uuid);
  const atMicrosoft = await subscriptionsAtMicrosoft(app);
  expect(atMicrosoft).toContain(current?.graph_subscription_id);
  expect(atMicrosoft).not.toContain(first?.graph_subscription_id);
});

test('an answer that gets lost while the subscription is made leaves one subscription', async () => {
  await control(app.emulator.url, 'faults', {
    status: 504,
    afterwards: true,
    method: 'POST',
    pathPattern: '/subscriptions$',
    count: 1,
  });
  const before = (await subscriptionsAtMicrosoft(app)).length;
  const { uuid } = await pushedMailbox(app);
  expect((await subscriptionsAtMicrosoft(app)).length).toBe(before + 1);
  expect(await subscriptionsAtMicrosoft(app)).toContain((await rowsOf(app, uuid))[0]?.graph_subscription_id);
});

test('a webhook that Microsoft cannot reach means polling, with the reason, until it can', async () => {
  await setPush(app, { handshake: 'timeout' });
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const status = await statusBecomes(
    desk,
    mailboxId,
    'the refusal is shown',
    ({ pushSubscription }) => pushSubscription?.state === 'FAILED',
  );
  expect(status).toMatchObject({
    delivery: 'POLLING',
    deliveryReason: expect.stringMatching(/validation.*every 60 min/),
    deliveryRemedy: expect.stringMatching(/reachable/),
    pushSubscription: { problem: { code: 'PUSH_VALIDATION_FAILED' } },
  });
  await setPush(app, { handshake: 'normal' });
  const [row] = await query<{ id: string }>(app, 'select id from mailbox where email_address = ?', [address]);
  const mailbox = { desk, mailboxId, address, uuid: row?.id ?? '' };
  await makeDue(mailbox);
  await watch(app);
  await statusBecomes(desk, mailboxId, 'push is back', ({ delivery }) => delivery === 'PUSH');
});

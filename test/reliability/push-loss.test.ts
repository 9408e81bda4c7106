import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Results, subscribeOverSocket } from '../server/harness.ts';
import { control, type Desk } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type PushStatus, statusBecomes, statusOf } from '../sync/push-harness.ts';
import { type Fleet, manyMails, rows, runsOf, sortedSubjects, startFleet } from './harness.ts';
import {
  announced,
  atRest,
  collectTickets,
  mailSubjects,
  type PushedMailbox,
  pushedMailbox,
  pushReport,
  setPush,
  subscriptionsOf,
  TICKET_CREATED,
  told,
  watchTogether,
} from './push-fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker'], undefined, { push: true });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(async () => {
  await setPush(fleet.emulator.url, {
    lossProbability: 0,
    duplicateProbability: 0,
    reorder: false,
    delayMs: 0,
    batchMs: 20,
    paused: false,
  });
  await control(fleet.emulator.url, 'faults', undefined, 'DELETE');
});

function apiUrl(): string {
  return fleet.processes[0]?.url ?? '';
}

async function newDesk(): Promise<Desk> {
  const [process] = fleet.processes;
  if (!process) throw new Error('no process');
  return (await fleet.newDesk())(process);
}

/** A mailbox with push, and a client that sees its tickets. */
async function watched(): Promise<PushedMailbox & { stream: () => string[] }> {
  const mailbox = await pushedMailbox(fleet, await newDesk());
  const results: Results = subscribeOverSocket(apiUrl(), mailbox.desk.apiKey, TICKET_CREATED);
  const [stream = []] = await collectTickets(mailbox.desk, [results]);
  return { ...mailbox, stream: () => told(stream) };
}

/** Lets an hour pass for the schedule: the folder is due, and what was found before was found a while ago. */
async function hurry({ uuid }: PushedMailbox): Promise<void> {
  await rows(
    fleet,
    `update sync_run set created_at = created_at - interval '1 hour', started_at = started_at - interval '1 hour',
       finished_at = finished_at - interval '1 hour' where mailbox_id = ?`,
    [uuid],
  );
  await rows(
    fleet,
    `update push_subscription set active_since = active_since - interval '1 hour',
       last_notification_at = last_notification_at - interval '1 hour',
       last_missed_at = last_missed_at - interval '1 hour', next_probe_at = next_probe_at - interval '1 hour',
       probe_started_at = probe_started_at - interval '1 hour' where mailbox_id = ?`,
    [uuid],
  );
  await rows(fleet, 'update sync_state set next_poll_at = now() where mailbox_id = ?', [uuid]);
}

/** What the database has and what the client saw are exactly these, once each. */
async function expectTickets(
  mailbox: { desk: Desk; stream: () => string[] },
  mails: { subject: string }[],
): Promise<void> {
  expect(await mailSubjects(fleet, mailbox.desk.organizationId)).toEqual(sortedSubjects(mails));
  await expectTold(mailbox);
}

/** The client saw each ticket that there is, once. */
async function expectTold({ desk, stream }: { desk: Desk; stream: () => string[] }): Promise<void> {
  const subjects = await mailSubjects(fleet, desk.organizationId);
  await eventually('every ticket is told', () => stream().length >= subjects.length);
  expect([...stream()].sort()).toEqual(subjects);
}

const arrived = (desk: Desk, count: number) =>
  eventually(
    `there are ${count} tickets`,
    async () => (await mailSubjects(fleet, desk.organizationId)).length >= count,
  );

const says = ({ desk, mailboxId }: PushedMailbox, what: string, isSo: (status: PushStatus) => boolean) =>
  statusBecomes(desk, mailboxId, what, isSo);

test('every notification is lost: tickets come with the next poll and the status says so with a remedy; when the loss ends, push heals by itself, and nothing was lost or doubled', async () => {
  const mailbox = await watched();
  const { desk, address, mailboxId } = mailbox;
  await setPush(fleet.emulator.url, { lossProbability: 1 });
  const mails: { to: string; subject: string }[] = [];
  for (let round = 0; round < 3; round += 1) {
    const batch = manyMails(address, 5, `Round ${round} mail`);
    mails.push(...batch);
    await deliverMany(fleet.emulator.url, batch);
    await hurry(mailbox);
    await arrived(desk, mails.length);
    await atRest(fleet, mailbox);
    await hurry(mailbox);
    await watchTogether(fleet, 1);
    await atRest(fleet, mailbox);
  }
  expect((await runsOf(fleet, mailboxId)).some(({ trigger }) => trigger === 'POLL')).toBe(true);
  // While another subscription is being made, there is nothing to do but wait.
  const silent = await says(
    mailbox,
    'the status tells of it, with a remedy',
    ({ delivery, deliveryRemedy }) => delivery === 'POLLING' && deliveryRemedy !== null,
  );
  expect(silent.deliveryReason).toMatch(/every 60 min/);
  expect(silent.deliveryRemedy).toEqual(expect.stringMatching(/\w{3}/));
  await expectTickets(mailbox, mails);

  await setPush(fleet.emulator.url, { lossProbability: 0 });
  const after = manyMails(address, 5, 'Announced again');
  await deliverMany(fleet.emulator.url, after);
  await arrived(desk, mails.length + after.length);
  const healed = await says(mailbox, 'push is back', ({ delivery }) => delivery === 'PUSH');
  expect(healed.pushSubscription).toMatchObject({ state: 'ACTIVE', missedCount: 0 });
  await expectTickets(mailbox, [...mails, ...after]);
  expect((await runsOf(fleet, mailboxId)).at(-1)?.trigger).toBe('PUSH');
  expect(await subscriptionsOf(fleet.emulator.url, address)).toHaveLength(1);
});

test('when the loss ends and nobody writes, push heals by itself all the same', async () => {
  const mailbox = await watched();
  const { desk, address } = mailbox;
  await setPush(fleet.emulator.url, { lossProbability: 1 });
  await deliver(fleet.emulator.url, { to: address, subject: 'Lost' });
  await hurry(mailbox);
  await arrived(desk, 1);
  await atRest(fleet, mailbox);
  await hurry(mailbox);
  await watchTogether(fleet, 1);
  await says(mailbox, 'the status tells of it', ({ delivery }) => delivery === 'POLLING');
  await atRest(fleet, mailbox);
  await setPush(fleet.emulator.url, { lossProbability: 0 });
  await eventually('push is back', async () => {
    // An hour by the schedule; it may be some of them until the next probe is due.
    await hurry(mailbox);
    await watchTogether(fleet, 1);
    await atRest(fleet, mailbox);
    return (await statusOf(desk, mailbox.mailboxId)).delivery === 'PUSH';
  });
  await expectTickets(mailbox, [{ subject: 'Lost' }]);
});

test('notifications that come ten times, out of order, make each ticket once', async () => {
  const mailbox = await watched();
  const { desk, address } = mailbox;
  await setPush(fleet.emulator.url, { duplicateProbability: 1, reorder: true, delayMs: 300, batchMs: 0 });
  const mails = manyMails(address, 30);
  const delivered = await Promise.all(mails.map((mail) => deliver(fleet.emulator.url, mail)));
  const [subscription] = await subscriptionsOf(fleet.emulator.url, address);
  // Eight more copies of some of them, the newest first.
  for (const { id } of [...delivered].reverse().slice(0, 10)) {
    await Promise.all(
      Array.from({ length: 8 }, () =>
        control(fleet.emulator.url, 'push/probe', { subscriptionId: subscription?.id, messageId: id }),
      ),
    );
  }
  await announced(fleet.emulator.url);
  await arrived(desk, mails.length);
  await atRest(fleet, mailbox);
  await expectTickets(mailbox, mails);
});

test('notifications that come after the poll has found the mail make no second ticket, and count as push', async () => {
  const mailbox = await watched();
  const { desk, address, mailboxId } = mailbox;
  const before = (await runsOf(fleet, mailboxId)).length;
  await setPush(fleet.emulator.url, { paused: true });
  const mails = manyMails(address, 5);
  await deliverMany(fleet.emulator.url, mails);
  await rows(fleet, 'update sync_state set next_poll_at = now() where mailbox_id = ?', [mailbox.uuid]);
  await arrived(desk, mails.length);
  await atRest(fleet, mailbox);
  await setPush(fleet.emulator.url, { paused: false });
  await announced(fleet.emulator.url);
  await atRest(fleet, mailbox);
  const triggers = (await runsOf(fleet, mailboxId)).slice(before).map(({ trigger }) => trigger);
  expect(triggers[0]).toBe('POLL');
  expect(triggers.slice(1)).toContain('PUSH');
  await hurry(mailbox);
  await watchTogether(fleet, 1);
  await atRest(fleet, mailbox);
  expect((await statusOf(desk, mailboxId)).pushSubscription?.missedCount).toBe(0);
  await expectTickets(mailbox, mails);
});

test.each([
  [
    'found out at the renewal',
    async ({ uuid }: PushedMailbox) => {
      await rows(fleet, 'update push_subscription set next_step_at = now() where mailbox_id = ?', [uuid]);
      await watchTogether(fleet, 1);
    },
  ],
  [
    'found out by mail that was not announced',
    async (mailbox: PushedMailbox) => {
      // Two that count: the first poll does not where the notification before it was later than the last reading.
      for (let round = 0; round < 4; round += 1) {
        if ((await subscriptionsOf(fleet.emulator.url, mailbox.address)).length > 0) return;
        await deliver(fleet.emulator.url, { to: mailbox.address, subject: `Unannounced ${round}` });
        await hurry(mailbox);
        await eventually('the poll finds it', async () => {
          const subjects = await mailSubjects(fleet, mailbox.desk.organizationId);
          return subjects.includes(`Unannounced ${round}`);
        });
        await atRest(fleet, mailbox);
        await hurry(mailbox);
        await watchTogether(fleet, 1);
        await atRest(fleet, mailbox);
      }
    },
  ],
])(
  'a subscription that was removed behind our back is %s and made anew, and what came between is read',
  async (_how, discover) => {
    const mailbox = await watched();
    const { desk, address } = mailbox;
    const [old] = await subscriptionsOf(fleet.emulator.url, address);
    await control(fleet.emulator.url, `push/subscriptions/${old?.id}`, undefined, 'DELETE');
    await deliver(fleet.emulator.url, { to: address, subject: 'Between' });
    await discover(mailbox);
    await eventually('another one stands', async () => {
      const [found, ...more] = await subscriptionsOf(fleet.emulator.url, address);
      return found !== undefined && found.id !== old?.id && more.length === 0;
    });
    await eventually('what came between is a ticket', async () => {
      return (await mailSubjects(fleet, desk.organizationId)).includes('Between');
    });
    await atRest(fleet, mailbox);
    await deliver(fleet.emulator.url, { to: address, subject: 'Afterwards' });
    await eventually('the next one is announced', async () => {
      return (await mailSubjects(fleet, desk.organizationId)).includes('Afterwards');
    });
    await says(mailbox, 'push is back', ({ delivery }) => delivery === 'PUSH');
    await expectTold(mailbox);
  },
);

test.each(['subscriptionRemoved', 'missed', 'reauthorizationRequired'])(
  'told "%s", the folder is caught up or the subscription kept alive, and the next mail is announced',
  async (event) => {
    const mailbox = await watched();
    const { desk, address, mailboxId } = mailbox;
    const [old] = await subscriptionsOf(fleet.emulator.url, address);
    // Only what the event leads to can find the first mail.
    if (event !== 'reauthorizationRequired') {
      await setPush(fleet.emulator.url, { lossProbability: 1 });
      await deliver(fleet.emulator.url, { to: address, subject: 'Before the event' });
      await announced(fleet.emulator.url);
    }
    await setPush(fleet.emulator.url, { lossProbability: 0 });
    await control(fleet.emulator.url, 'push/lifecycle', { subscriptionId: old?.id, event });
    if (event === 'reauthorizationRequired') {
      await eventually('it is prolonged', async () => {
        const [current] = await rows<{ renewed_at: string | null }>(
          fleet,
          'select renewed_at from push_subscription where mailbox_id = ? and replaced_at is null',
          [mailbox.uuid],
        );
        return current?.renewed_at != null;
      });
    } else {
      await arrived(desk, 1);
      expect((await runsOf(fleet, mailboxId)).map(({ trigger }) => trigger)).toContain('RECOVERY');
    }
    await eventually('one subscription stands', async () => {
      const found = await subscriptionsOf(fleet.emulator.url, address);
      return found.length === 1 && (event === 'subscriptionRemoved') === (found[0]?.id !== old?.id);
    });
    await atRest(fleet, mailbox);
    await deliver(fleet.emulator.url, { to: address, subject: 'The next one' });
    await eventually('it is announced', async () => {
      return (await mailSubjects(fleet, desk.organizationId)).includes('The next one');
    });
    await says(mailbox, 'push stands', ({ delivery }) => delivery === 'PUSH');
    await expectTold(mailbox);
  },
);

test('signed out, the status says what to do; signed in again, push and sync are back by themselves, and the mail of the meantime is read', async () => {
  const mailbox = await watched();
  const { desk, address, mailboxId } = mailbox;
  await control(fleet.emulator.url, 'tokens/revoke', { address, accessTokensToo: true });
  const mails = manyMails(address, 5, 'Meanwhile');
  await deliverMany(fleet.emulator.url, mails);
  await hurry(mailbox);
  const status = async () => {
    const { node } = await desk.request<{
      node: {
        syncStatus: { state: string; problem: { code: string; remedy: string } | null };
        account: { status: string; integration: { id: string } };
      };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state problem { code remedy } }
         account { status integration { id } } } } }`,
      { id: mailboxId },
    );
    return node;
  };
  const failing = await eventually('the status says so', async () => {
    const found = await status();
    return found.syncStatus.state === 'FAILING' && found;
  });
  expect(failing).toMatchObject({
    syncStatus: { problem: { code: 'TOKEN_REVOKED', remedy: expect.stringContaining('Sign in') } },
    account: { status: 'NEEDS_SIGN_IN' },
  });
  // A renewal that falls due meanwhile is refused as well.
  await rows(fleet, 'update push_subscription set next_step_at = now() where mailbox_id = ?', [mailbox.uuid]);
  await watchTogether(fleet, 1);
  await eventually('the renewal is refused', async () => {
    return (await statusOf(desk, mailboxId)).pushSubscription?.problem?.code === 'TOKEN_REVOKED';
  });
  const before = (await runsOf(fleet, mailboxId)).length;
  const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) { ... on StartSignInPayload { authorizationUrl } } }`,
    { input: { integrationId: failing.account.integration.id } },
  );
  await signInAs(startSignIn.authorizationUrl, address);
  await arrived(desk, mails.length);
  expect((await runsOf(fleet, mailboxId)).slice(before).map(({ trigger }) => trigger)).toContain('RECOVERY');
  const healed = await says(
    mailbox,
    'push is back, and the problem gone',
    ({ delivery, pushSubscription }) => delivery === 'PUSH' && pushSubscription?.problem === null,
  );
  expect(healed.pushSubscription?.state).toBe('ACTIVE');
  await atRest(fleet, mailbox);
  const next = { to: address, subject: 'Announced' };
  await deliver(fleet.emulator.url, next);
  await arrived(desk, mails.length + 1);
  expect((await runsOf(fleet, mailboxId)).at(-1)?.trigger).toBe('PUSH');
  await expectTickets(mailbox, [...mails, next]);
  expect((await pushReport(fleet.emulator.url)).counts.failed).toBe(0);
});

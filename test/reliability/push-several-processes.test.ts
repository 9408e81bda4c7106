import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { subscribeOverSocket, subscribeOverSse } from '../server/harness.ts';
import { control, freePort } from '../support/app.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';
import {
  changeSettings,
  environmentOf,
  type Fleet,
  manyMails,
  type Process,
  rawId,
  rows,
  runsOf,
  setFault,
  sortedSubjects,
  startFleet,
  startSync,
} from './harness.ts';
import {
  announced,
  askedFor,
  atRest,
  collectTickets,
  forgetRequests,
  graphRequests,
  holdStoring,
  mailSubjects,
  numbersTold,
  pushedMailbox,
  recovered,
  setPush,
  subscriptionsOf,
  TICKET_CREATED,
  tickTogether,
  told,
  watchTogether,
  withoutLooks,
} from './push-fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api', 'api', 'worker', 'worker'], undefined, { push: true });
  await withoutLooks(fleet);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(async () => {
  await setPush(fleet.emulator.url, { lossProbability: 0, duplicateProbability: 0, batchMs: 20 });
  await control(fleet.emulator.url, 'faults', undefined, 'DELETE');
});

function apis(of = fleet): [Process, Process] {
  const [one, two] = of.processes;
  if (!one || !two) throw new Error('two processes are needed');
  return [one, two];
}

/** The webhook requests that each API has answered, by its address. */
function webhooks(of = fleet): Map<string, number[]> {
  const answers = new Map<string, number[]>();
  for (const { target, path, status } of of.forwarder?.forwarded ?? []) {
    if (path.startsWith('/webhooks')) answers.set(target, [...(answers.get(target) ?? []), status]);
  }
  return answers;
}

test('notifications to either API are tickets, told once and in one order by sockets and event streams of both', async () => {
  const [one, two] = apis();
  const view = await fleet.newDesk();
  const { desk, address, mailboxId } = await pushedMailbox(fleet, view(one));
  const streams = await collectTickets(desk, [
    subscribeOverSocket(one.url, desk.apiKey, TICKET_CREATED),
    subscribeOverSocket(two.url, desk.apiKey, TICKET_CREATED),
    await subscribeOverSse(one.url, desk.apiKey, TICKET_CREATED),
    await subscribeOverSse(two.url, desk.apiKey, TICKET_CREATED),
  ]);
  fleet.forwarder?.forwarded.splice(0);
  const before = (await runsOf(fleet, mailboxId)).length;
  const mails = manyMails(address, 24);
  for (const [index, mail] of mails.entries()) {
    await deliver(fleet.emulator.url, mail);
    // Now one by one, now together.
    if (index % 3 === 2) {
      await eventually('it is a ticket', async () => {
        return (await mailSubjects(fleet, desk.organizationId)).length > index;
      });
    }
  }
  for (const stream of streams) {
    await eventually('every ticket is told', () => told(stream).length >= mails.length);
  }
  const [first = []] = streams.map(numbersTold);
  expect(new Set(first).size).toBe(mails.length);
  expect(first).toEqual([...first].sort((a, b) => a - b));
  for (const stream of streams) expect(numbersTold(stream)).toEqual(first);
  expect([...told(streams[0] ?? [])].sort()).toEqual(sortedSubjects(mails));
  expect([...webhooks().keys()].sort()).toEqual([one.url, two.url].sort());
  expect([...webhooks().values()].flat().every((status) => status === 202)).toBe(true);
  const triggers = (await runsOf(fleet, mailboxId)).slice(before).map(({ trigger }) => trigger);
  expect(new Set(triggers)).toEqual(new Set(['PUSH']));
});

test('asked by notifications, people and the clock at once, a mailbox is read by one at a time', async () => {
  const [one, two] = apis();
  const view = await fleet.newDesk();
  const { desk, address, mailboxId, uuid } = await pushedMailbox(fleet, view(one));
  await setFault(fleet.emulator.url, { latencyMs: 60, pathPattern: '/messages/delta', mailbox: address });
  await setPush(fleet.emulator.url, { batchMs: 0, duplicateProbability: 1 });
  await forgetRequests(fleet.emulator.url);
  const { userId } = await control<{ userId: string }>(fleet.emulator.url, `mailboxes/${address}`);
  const mails: { to: string; subject: string }[] = [];
  for (let round = 0; round < 5; round += 1) {
    const batch = manyMails(address, 8, `Round ${round} mail`);
    mails.push(...batch);
    const makeDue = rows(fleet, 'update sync_state set next_poll_at = now() where mailbox_id = ?', [uuid]);
    await Promise.all([
      ...batch.map((mail) => deliver(fleet.emulator.url, mail)),
      ...[one, two, one, two].map((process) => startSync(view(process), mailboxId)),
      // To their end: one that is left over would ask for another run while the runs are looked at.
      makeDue.then(() => tickTogether(fleet, 'sync.poll-due-mailboxes', 4)),
    ]);
  }
  await announced(fleet.emulator.url);
  await atRest(fleet, { uuid });
  expect(await mailSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
  expect((await graphRequests(fleet.emulator.url)).mailboxes[userId]?.peakConcurrency).toBe(1);
  const runs = await rows<{ started_at: string; finished_at: string; state: string }>(
    fleet,
    'select started_at, finished_at, state from sync_run where mailbox_id = ? order by started_at, finished_at',
    [uuid],
  );
  expect(runs.every(({ state }) => state === 'SUCCEEDED')).toBe(true);
  for (const [index, run] of runs.entries()) {
    const next = runs[index + 1];
    if (next) expect(Date.parse(next.started_at)).toBeGreaterThanOrEqual(Date.parse(run.finished_at));
  }
});

test('what arrives while a run is under way is one more run, however many notifications come to both APIs, and nothing is missed', async () => {
  const [one] = apis();
  const { desk, address, mailboxId, uuid } = await pushedMailbox(fleet, (await fleet.newDesk())(one));
  await setPush(fleet.emulator.url, { batchMs: 0, duplicateProbability: 1 });
  fleet.forwarder?.forwarded.splice(0);
  const before = (await runsOf(fleet, mailboxId)).length;
  const hold = await holdStoring(fleet, desk.organizationId);
  const first = manyMails(address, 1, 'First');
  const burst = manyMails(address, 60, 'Burst');
  try {
    await deliverMany(fleet.emulator.url, first);
    // From here on the run has read the folder to its end: what comes now is not in its page.
    await hold.met();
    await announced(fleet.emulator.url);
    await Promise.all(burst.map((mail) => deliver(fleet.emulator.url, mail)));
    await announced(fleet.emulator.url);
    expect((await runsOf(fleet, mailboxId)).slice(before)).toEqual([
      { trigger: 'PUSH', state: 'RUNNING' },
      { trigger: 'PUSH', state: 'QUEUED' },
    ]);
  } finally {
    await hold.release();
  }
  await atRest(fleet, { uuid });
  expect(await mailSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(first, burst));
  expect((await runsOf(fleet, mailboxId)).slice(before)).toEqual([
    { trigger: 'PUSH', state: 'SUCCEEDED' },
    { trigger: 'PUSH', state: 'SUCCEEDED' },
  ]);
  // The control: it was a burst, and both took part in it.
  const answers = [...webhooks().values()];
  expect(answers).toHaveLength(2);
  for (const statuses of answers)
    expect(statuses.filter((status) => status === 202).length).toBeGreaterThan(20);
});

test('an API that is killed right after it took a notification loses none: the other tells of the ticket, once', async () => {
  await using own = await startFleet(['api', 'worker'], undefined, { push: true });
  const { forwarder } = own;
  const [stays] = own.processes;
  if (!stays || !forwarder) throw new Error('a process and a forwarder are needed');
  const { desk, address } = await pushedMailbox(own, (await own.newDesk())(stays));
  const streams = await collectTickets(desk, [
    subscribeOverSocket(stays.url, desk.apiKey, TICKET_CREATED),
    await subscribeOverSse(stays.url, desk.apiKey, TICKET_CREATED),
  ]);
  // A process of the machine's: nothing of it goes on after the kill.
  const goes = await startServerProcess({
    ...environmentOf(own.databaseUrl, own.emulator, 'api'),
    PORT: String(await freePort()),
    PUBLIC_URL: forwarder.url,
    LOG_LEVEL: 'warn',
  });
  onTestFinished(() => void goes.child.kill('SIGKILL'));
  await recovered(own);
  forwarder.targets.splice(0, Number.POSITIVE_INFINITY, goes.url);
  forwarder.forwarded.splice(0);
  await deliver(own.emulator.url, { to: address, subject: 'Taken by the one that goes' });
  await eventually('it is taken', () => webhooks(own).get(goes.url)?.includes(202));
  await goes.kill();
  forwarder.targets.splice(0, Number.POSITIVE_INFINITY, stays.url);
  for (const stream of streams) await eventually('the ticket is told', () => told(stream).length > 0);
  await deliver(own.emulator.url, { to: address, subject: 'Taken by the other' });
  for (const stream of streams) {
    await eventually('the second ticket is told', () => told(stream).length > 1);
    expect(told(stream)).toEqual(['Taken by the one that goes', 'Taken by the other']);
  }
});

test('due at two workers at once, a subscription is renewed by one request', async () => {
  const [one] = apis();
  const { address, uuid } = await pushedMailbox(fleet, (await fleet.newDesk())(one));
  await setFault(fleet.emulator.url, { latencyMs: 300, pathPattern: '/subscriptions/', method: 'PATCH' });
  await forgetRequests(fleet.emulator.url);
  await rows(fleet, 'update push_subscription set next_step_at = now() where mailbox_id = ?', [uuid]);
  await watchTogether(fleet, 6);
  await watchTogether(fleet, 6);
  await eventually('it is renewed', async () => {
    const [row] = await rows<{ renewed_at: string | null }>(
      fleet,
      'select renewed_at from push_subscription where mailbox_id = ? and replaced_at is null',
      [uuid],
    );
    return row?.renewed_at != null;
  });
  await watchTogether(fleet, 6);
  await atRest(fleet, { uuid });
  const { operations } = await graphRequests(fleet.emulator.url);
  expect(askedFor(operations, /PATCH .*subscriptions/)).toBe(1);
  expect(askedFor(operations, /POST .*(subscriptions|reauthorize)/)).toBe(0);
  expect(await subscriptionsOf(fleet.emulator.url, address)).toHaveLength(1);
});

test('wanted by two workers at once, one subscription is made, and none is left over at Microsoft', async () => {
  const [one, two] = apis();
  const view = await fleet.newDesk();
  const { mailboxId, address } = await view(one).connectMailbox();
  const uuid = rawId(mailboxId);
  await setFault(fleet.emulator.url, { latencyMs: 300, pathPattern: '/subscriptions$' });
  await forgetRequests(fleet.emulator.url);
  await Promise.all([
    changeSettings(view(one), mailboxId, { enabled: true, intervalMinutes: 'MINUTES_60' }),
    changeSettings(view(two), mailboxId, { enabled: true, intervalMinutes: 'MINUTES_60' }),
    watchTogether(fleet, 6),
  ]);
  await watchTogether(fleet, 6);
  await eventually('it stands', async () => (await subscriptionsOf(fleet.emulator.url, address)).length > 0);
  await atRest(fleet, { uuid });
  await watchTogether(fleet, 6);
  await atRest(fleet, { uuid });
  const { operations } = await graphRequests(fleet.emulator.url);
  expect(askedFor(operations, /POST .*subscriptions/)).toBe(1);
  const [subscription, ...more] = await subscriptionsOf(fleet.emulator.url, address);
  expect(more).toEqual([]);
  const current = await rows(
    fleet,
    'select graph_subscription_id as id, state from push_subscription where mailbox_id = ?',
    [uuid],
  );
  expect(current).toEqual([{ id: subscription?.id, state: 'ACTIVE' }]);
});

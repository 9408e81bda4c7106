import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { control, type Desk } from '../support/app.ts';
import { deliver, deliverMany, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  createFolder,
  type Fleet,
  manyMails,
  rawId,
  rows,
  runsOf,
  setFault,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker', 'api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

interface Watched {
  /** The organization's view through each of the processes. */
  desks: [Desk, Desk];
  mailboxId: string;
  address: string;
}

async function watchedMailbox(settings: Record<string, unknown> = {}): Promise<Watched> {
  const [one, other] = fleet.processes;
  if (!one || !other) throw new Error('no processes');
  const view = await fleet.newDesk();
  const desks: [Desk, Desk] = [view(one), view(other)];
  const { mailboxId, address } = await desks[0].connectMailbox();
  const archiveFolderId = await createFolder(desks[0], mailboxId, 'Done');
  await desks[0].enable(mailboxId, {
    intervalMinutes: 'MINUTES_60',
    afterProcessing: 'ARCHIVE',
    archiveFolderId,
    ...settings,
  });
  return { desks, mailboxId, address };
}

interface MailboxReport {
  requests: number;
  peakConcurrency: number;
  throttled: number;
}

async function reportOf(address: string): Promise<MailboxReport> {
  const { mailboxes } = await control<{ mailboxes: Record<string, MailboxReport> }>(
    fleet.emulator.url,
    'requests',
  );
  const { userId } = await control<{ userId: string }>(fleet.emulator.url, `mailboxes/${address}`);
  return mailboxes[userId] ?? { requests: 0, peakConcurrency: 0, throttled: 0 };
}

interface Status {
  state: string;
  resumesAt: string | null;
  problem: { code: string; remedy: string } | null;
  lastRun: { state: string; resumesAt: string | null } | null;
  requestBudget: {
    used: number;
    limit: number;
    share: number;
    throttledUntil: string | null;
    movesThrottledUntil: string | null;
  };
}

async function statusOf(desk: Desk, mailboxId: string): Promise<Status> {
  const { node } = await desk.request<{ node: { syncStatus: Status } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus {
       state resumesAt problem { code remedy } lastRun { state resumesAt }
       requestBudget { used limit share throttledUntil movesThrottledUntil } } } } }`,
    { id: mailboxId },
  );
  return node.syncStatus;
}

const folders = (desk: Desk, mailboxId: string) =>
  desk.request(`query ($id: ID!) { node(id: $id) { ... on Mailbox { folders { displayName } } } }`, {
    id: mailboxId,
  });

const archived = async (address: string) =>
  (await foldersOf(fleet.emulator.url, address)).get('Done')?.length ?? 0;

test('two processes that read, fetch files and archive in one mailbox are never refused for being too many', async () => {
  const { desks, mailboxId, address } = await watchedMailbox();
  const file = { name: 'a.txt', contentType: 'text/plain', contentBytes: 'QQ==' };
  await setFault(fleet.emulator.url, { latencyMs: 30, mailbox: address });
  for (let round = 0; round < 4; round += 1) {
    await deliverMany(
      fleet.emulator.url,
      manyMails(address, 45, `Round ${round}`).map((mail) => ({ ...mail, attachments: [file] })),
    );
    await startSync(desks[round % 2] ?? desks[0], mailboxId);
    await Promise.all(desks.flatMap((desk) => [folders(desk, mailboxId), folders(desk, mailboxId)]));
  }
  await eventually('all is archived', async () => (await archived(address)) === 180);
  const report = await reportOf(address);
  expect(report).toMatchObject({ throttled: 0 });
  expect(report.peakConcurrency).toBeGreaterThan(1);
  expect(report.peakConcurrency).toBeLessThanOrEqual(4);
  // Both have counted what they sent.
  await eventually('the use is shown', async () => {
    const { requestBudget } = await statusOf(desks[0], mailboxId);
    return requestBudget.used === (await reportOf(address)).requests && requestBudget;
  });
  const { requestBudget } = await statusOf(desks[1], mailboxId);
  expect(requestBudget).toMatchObject({ limit: 10_000, throttledUntil: null, movesThrottledUntil: null });
  expect(requestBudget.share).toBeCloseTo(requestBudget.used / 10_000, 6);
});

test('a throttled run is postponed, no failure: it says until when and why, and goes on by itself', async () => {
  const { desks, mailboxId, address } = await watchedMailbox();
  await deliver(fleet.emulator.url, { to: address, subject: 'In time' });
  await setFault(fleet.emulator.url, {
    status: 429,
    retryAfterSeconds: 4,
    pathPattern: '/messages/delta',
    mailbox: address,
    count: 1,
  });
  await startSync(desks[0], mailboxId);
  const paused = await eventually('it is paused', async () => {
    const status = await statusOf(desks[1], mailboxId);
    // The pause is stored beside the run, on the connection of the budget, by nobody waited for.
    return status.state === 'PAUSED' && status.requestBudget.throttledUntil !== null && status;
  });
  expect(paused.problem).toMatchObject({
    code: 'THROTTLED',
    remedy: expect.stringContaining('Nothing to do'),
  });
  expect(paused.lastRun).toMatchObject({ state: 'POSTPONED', resumesAt: paused.resumesAt });
  expect(new Date(paused.resumesAt ?? 0).getTime()).toBeGreaterThan(
    new Date(paused.requestBudget.throttledUntil ?? 0).getTime() - 200,
  );
  const { requests } = await reportOf(address);
  await eventually(
    'it goes on by itself',
    async () => (await ticketSubjects(fleet, desks[0].organizationId)).length === 1,
  );
  expect((await reportOf(address)).requests).toBeGreaterThan(requests);
  await eventually('it is well', async () => (await statusOf(desks[0], mailboxId)).state === 'IDLE');
  expect(await statusOf(desks[0], mailboxId)).toMatchObject({ resumesAt: null, problem: null });
  expect((await runsOf(fleet, mailboxId)).map(({ state }) => state)).toEqual(
    expect.arrayContaining(['POSTPONED', 'SUCCEEDED']),
  );
  expect((await runsOf(fleet, mailboxId)).map(({ state }) => state)).not.toContain('FAILED');
  const [state] = await rows<{ consecutive_failures: number; problem: unknown }>(
    fleet,
    'select consecutive_failures, problem from sync_state where mailbox_id = ?',
    [rawId(mailboxId)],
  );
  expect(state).toEqual({ consecutive_failures: 0, problem: null });
});

test('what Microsoft told one process keeps the other out of the mailbox, too', async () => {
  const { desks, mailboxId, address } = await watchedMailbox();
  await setFault(fleet.emulator.url, {
    status: 429,
    retryAfterSeconds: 3,
    pathPattern: '/mailFolders',
    mailbox: address,
    count: 1,
  });
  const asked = folders(desks[0], mailboxId);
  const until = await eventually('one is told', async () => {
    const { requestBudget } = await statusOf(desks[1], mailboxId);
    return requestBudget.throttledUntil ?? undefined;
  });
  const { requests } = await reportOf(address);
  await folders(desks[1], mailboxId);
  // Not sooner than Microsoft said, whenever it was heard of. A timer may be a millisecond early.
  expect(systemClock.now().getTime()).toBeGreaterThanOrEqual(Date.parse(until) - 1);
  await asked;
  expect((await reportOf(address)).requests).toBeGreaterThan(requests);
  expect((await reportOf(address)).throttled).toBe(0);
});

test('moves that Microsoft refuses wait alone: mail is read all the while, and is archived afterwards', async () => {
  const { desks, mailboxId, address } = await watchedMailbox();
  const fault = await setFault(fleet.emulator.url, {
    status: 429,
    errorCode: 'ErrorTooManyObjectsOpened',
    retryAfterSeconds: 6,
    pathPattern: '/move$',
    mailbox: address,
  });
  await deliverMany(fleet.emulator.url, manyMails(address, 30));
  await startSync(desks[0], mailboxId);
  await eventually('moves are told to wait', async () => {
    const { requestBudget } = await statusOf(desks[0], mailboxId);
    return requestBudget.movesThrottledUntil !== null;
  });
  for (let index = 0; index < 3; index += 1) {
    await deliver(fleet.emulator.url, { to: address, subject: `Meanwhile ${index}` });
    expect(await desks[index % 2 === 0 ? 1 : 0].sync(mailboxId)).toMatchObject({
      state: 'SUCCEEDED',
      created: 1,
    });
  }
  const { state, requestBudget } = await statusOf(desks[0], mailboxId);
  expect({ state, throttledUntil: requestBudget.throttledUntil }).toEqual({
    state: 'IDLE',
    throttledUntil: null,
  });
  const jobs = await rows<{ attempts: number; last_error: string | null }>(
    fleet,
    'select attempts, last_error from graphile_worker._private_jobs where key = ?',
    [`sync.archive-mail:${rawId(mailboxId)}`],
  );
  expect(jobs).toEqual([{ attempts: expect.any(Number), last_error: null }]);
  expect(jobs[0]?.attempts).toBeLessThanOrEqual(1);
  await fault.clear();
  await eventually('all is archived by itself', async () => (await archived(address)) === 33);
});

test('throttling and a refused sign-in use up no attempt of files and of messages that failed', async () => {
  const { desks, mailboxId, address } = await watchedMailbox({
    afterProcessing: 'KEEP',
    archiveFolderId: null,
  });
  const fault = await setFault(fleet.emulator.url, {
    status: 429,
    retryAfterSeconds: 3,
    pathPattern: '/attachments',
    mailbox: address,
  });
  const file = { name: 'a.txt', contentType: 'text/plain', contentBytes: 'QQ==' };
  await deliver(fleet.emulator.url, { to: address, subject: 'With a file', attachments: [file] });
  await desks[0].sync(mailboxId);
  await fault.met(3);
  const jobs = await rows<{ attempts: number; last_error: string | null }>(
    fleet,
    `select attempts, last_error from graphile_worker._private_jobs
     where key like 'ticketing.store-attachments:%' and attempts < max_attempts`,
  );
  for (const { attempts, last_error } of jobs) {
    expect(attempts).toBeLessThanOrEqual(1);
    expect(last_error).toBeNull();
  }
  await fault.clear();
  await eventually(
    'the file is here',
    async () =>
      (
        await rows(fleet, `select 1 from attachment where organization_id = ? and state = 'STORED'`, [
          desks[0].organizationId,
        ])
      ).length === 1,
  );

  await rows(fleet, `update inbound_message set outcome = 'FAILED', attempts = 8 where organization_id = ?`, [
    desks[0].organizationId,
  ]);
  const [row] = await rows<{ id: string }>(
    fleet,
    'select id from inbound_message where organization_id = ?',
    [desks[0].organizationId],
  );
  await setFault(fleet.emulator.url, {
    status: 429,
    retryAfterSeconds: 60,
    pathPattern: '/messages/',
    mailbox: address,
  });
  await desks[0].request(
    `mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }`,
    { id: Buffer.from(`InboundMessage:${row?.id}`).toString('base64url') },
  );
  await eventually('it waits for Microsoft', async () => {
    const [job] = await rows<{ seconds: number }>(
      fleet,
      `select extract(epoch from run_at - now())::int as seconds from graphile_worker._private_jobs
       where key = ? and locked_at is null and attempts = 0`,
      [`sync.retry-inbound-message:${row?.id}`],
    );
    return job !== undefined && job.seconds > 30;
  });
  const [after] = await rows<{ attempts: number }>(
    fleet,
    'select attempts from inbound_message where organization_id = ?',
    [desks[0].organizationId],
  );
  expect(after?.attempts).toBe(8);
});

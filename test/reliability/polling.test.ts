import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  changeSettings,
  type Fleet,
  manyMails,
  rawId,
  rows,
  runsOf,
  setFault,
  settled,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';
import { tickTogether } from './push-fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

async function newMailbox(): Promise<{ desk: Desk; mailboxId: string; address: string; uuid: string }> {
  const [process] = fleet.processes;
  if (!process) throw new Error('no process');
  const desk = (await fleet.newDesk())(process);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await settled(fleet, mailboxId);
  return { desk, mailboxId, address, uuid: rawId(mailboxId) };
}

const makeDue = (uuid: string) =>
  rows(fleet, `update sync_state set next_poll_at = now() - interval '1 second' where mailbox_id = ?`, [
    uuid,
  ]);

/** Waits until the clock has asked for who is due, so often: every five seconds. */
async function ticks(count: number): Promise<void> {
  const read = async () => {
    const response = await fetch(`${fleet.processes[0]?.url}/metrics`);
    const found =
      /deskgraph_job_duration_seconds_count\{job="sync.poll-due-mailboxes",outcome="done"\} (\d+)/.exec(
        await response.text(),
      );
    return Number(found?.[1] ?? 0);
  };
  const before = await read();
  await eventually(`the clock ticks ${count} times`, async () => (await read()) >= before + count);
}

test('a run that takes longer than the interval is asked for once more meanwhile, not over and over', async () => {
  const { desk, mailboxId, address, uuid } = await newMailbox();
  await deliverMany(fleet.emulator.url, manyMails(address, 150));
  const hold = await setFault(fleet.emulator.url, {
    latencyMs: 60_000,
    pathPattern: 'skiptoken',
    mailbox: address,
    count: 1,
  });
  const before = (await runsOf(fleet, mailboxId)).length;
  await startSync(desk, mailboxId);
  await hold.met();
  await makeDue(uuid);
  // Asked twice, one after the other.
  await tickTogether(fleet, 'sync.poll-due-mailboxes', 1);
  await tickTogether(fleet, 'sync.poll-due-mailboxes', 1);
  expect((await runsOf(fleet, mailboxId)).slice(before).map(({ state }) => state)).toEqual([
    'RUNNING',
    'QUEUED',
  ]);
  await hold.clear();
  await settled(fleet, mailboxId);
  expect((await runsOf(fleet, mailboxId)).slice(before)).toEqual([
    { trigger: 'MANUAL', state: 'SUCCEEDED' },
    { trigger: 'POLL', state: 'SUCCEEDED' },
  ]);
  expect(await ticketSubjects(fleet, desk.organizationId)).toHaveLength(150);
});

test('a mailbox that is switched off is not polled, however due', async () => {
  const { desk, mailboxId, uuid } = await newMailbox();
  await changeSettings(desk, mailboxId, { enabled: false });
  await settled(fleet, mailboxId);
  const before = await runsOf(fleet, mailboxId);
  await makeDue(uuid);
  await ticks(2);
  expect(await runsOf(fleet, mailboxId)).toEqual(before);
});

test('after failures the next poll waits 10, 20, 40 seconds, and one success brings the interval back', async () => {
  const { desk, mailboxId, address, uuid } = await newMailbox();
  const refused = await setFault(fleet.emulator.url, {
    status: 403,
    errorCode: 'ErrorAccessDenied',
    pathPattern: '/messages/delta',
    mailbox: address,
  });
  const waitOf = async () => {
    const run = await desk.sync(mailboxId);
    const [row] = await rows<{ wait: number; failures: number }>(
      fleet,
      `select round(extract(epoch from next_poll_at - (select max(finished_at) from sync_run where mailbox_id = ?)))::int
         as wait, consecutive_failures as failures from sync_state where mailbox_id = ?`,
      [uuid, uuid],
    );
    return { state: run.state, ...row };
  };
  expect(await waitOf()).toEqual({ state: 'FAILED', wait: 10, failures: 1 });
  expect(await waitOf()).toEqual({ state: 'FAILED', wait: 20, failures: 2 });
  expect(await waitOf()).toEqual({ state: 'FAILED', wait: 40, failures: 3 });
  await refused.clear();
  expect(await waitOf()).toMatchObject({ state: 'SUCCEEDED', failures: 0 });
  const [row] = await rows<{ minutes: number }>(
    fleet,
    `select round(extract(epoch from next_poll_at - now()) / 60)::int as minutes from sync_state where mailbox_id = ?`,
    [uuid],
  );
  expect(row?.minutes).toBe(60);
});

test.each([
  [
    'has used up its tries',
    `update graphile_worker._private_jobs set attempts = max_attempts, locked_at = null`,
  ],
  ['has vanished', 'delete from graphile_worker._private_jobs'],
])('a waiting run whose job %s is picked up by polling', async (_name, sql) => {
  const { desk, mailboxId, address, uuid } = await newMailbox();
  await deliverMany(fleet.emulator.url, manyMails(address, 3));
  // What is left when the database was away through all tries of the job: the run still waits, and nothing will take it.
  await rows(
    fleet,
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, created_at, updated_at)
       values (gen_random_uuid(), ?, ?, 'POLL', 'QUEUED', now(), now())`,
    [desk.organizationId, uuid],
  );
  await rows(
    fleet,
    `select graphile_worker.add_job('sync.mailbox', json_build_object('organizationId', ?::text, 'mailboxId', ?::text),
       queue_name := ?, max_attempts := 25, job_key := ?, run_at := now() + interval '1 hour')`,
    [desk.organizationId, uuid, `sync:${uuid}`, `sync.mailbox:${uuid}`],
  );
  await rows(fleet, `${sql} where key = ?`, [`sync.mailbox:${uuid}`]);
  await makeDue(uuid);
  await settled(fleet, mailboxId);
  expect(await ticketSubjects(fleet, desk.organizationId)).toHaveLength(3);
});

test('a run left RUNNING by a job that is gone for good ends when the mailbox is polled next', async () => {
  const { desk, mailboxId, address, uuid } = await newMailbox();
  await deliverMany(fleet.emulator.url, manyMails(address, 3));
  await rows(
    fleet,
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, started_at, created_at, updated_at)
       values (gen_random_uuid(), ?, ?, 'POLL', 'RUNNING', now(), now(), now())`,
    [desk.organizationId, uuid],
  );
  await makeDue(uuid);
  await settled(fleet, mailboxId);
  expect((await runsOf(fleet, mailboxId)).slice(-2)).toEqual([
    { trigger: 'POLL', state: 'INTERRUPTED' },
    { trigger: 'POLL', state: 'SUCCEEDED' },
  ]);
  expect(await ticketSubjects(fleet, desk.organizationId)).toHaveLength(3);
});

test('a fault of our own does not leave a run RUNNING: after a few tries it is FAILED, the status says so, and polling goes on', async () => {
  const { desk, mailboxId, address, uuid } = await newMailbox();
  await deliverMany(fleet.emulator.url, manyMails(address, 3));
  await rows(
    fleet,
    `create function refuse_cursor() returns trigger language plpgsql as $$ begin
       if new.mailbox_id = '${uuid}' and new.cursor is distinct from old.cursor then
         raise exception 'no cursor today' using errcode = '55000'; end if; return new; end $$`,
  );
  await rows(
    fleet,
    'create trigger refuse_cursor before update on sync_state for each row execute function refuse_cursor()',
  );
  await startSync(desk, mailboxId);
  await eventually('the status tells of it', async () => {
    const { node } = await desk.request<{
      node: { syncStatus: { state: string; problem: { code: string } | null } };
    }>('query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state problem { code } } } } }', {
      id: mailboxId,
    });
    return node.syncStatus.state === 'FAILING' && node.syncStatus.problem?.code === 'SYNC_FAILED';
  });
  await rows(fleet, 'drop trigger refuse_cursor on sync_state');
  await makeDue(uuid);
  await eventually(
    'polling goes on',
    async () => (await ticketSubjects(fleet, desk.organizationId)).length === 3,
  );
  await settled(fleet, mailboxId);
  expect((await runsOf(fleet, mailboxId)).at(-1)?.state).toBe('SUCCEEDED');
});

test('a job that failed for good shows in the metrics, one that was only replaced or killed does not', async () => {
  const failed = async () => {
    const response = await fetch(`${fleet.processes[0]?.url}/metrics`);
    return Number(/deskgraph_jobs\{state="failed"\} (\d+)/.exec(await response.text())?.[1]);
  };
  const before = await failed();
  await control(fleet.emulator.url, 'faults', undefined, 'DELETE');
  await rows(
    fleet,
    `insert into graphile_worker._private_jobs (task_id, payload, attempts, max_attempts, last_error)
       select id, '{}', 25, 25, null from graphile_worker._private_tasks where identifier = 'sync.mailbox'`,
  );
  expect(await failed()).toBe(before);
  await rows(
    fleet,
    `insert into graphile_worker._private_jobs (task_id, payload, attempts, max_attempts, last_error)
       select id, '{}', 25, 25, 'it broke' from graphile_worker._private_tasks where identifier = 'sync.mailbox'`,
  );
  expect(await failed()).toBe(before + 1);
});

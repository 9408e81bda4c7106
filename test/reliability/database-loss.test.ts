import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  connect,
  type Fleet,
  manyMails,
  rows,
  runsOf,
  settled,
  sortedSubjects,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';
import { startRestartablePostgres } from './restartable-postgres.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

test.each([0, 1, 2, 3])(
  'every connection cut in the middle of storing a page (%i): the run ends, nothing is lost, doubled or called a failure',
  async () => {
    const [process] = fleet.processes;
    if (!process) throw new Error('no process');
    const desk = (await fleet.newDesk())(process);
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId);
    const mails = manyMails(address, 250);
    await deliverMany(fleet.emulator.url, mails);
    await using blocker = await connect(fleet.databaseUrl);
    await blocker.query('begin');
    await blocker.query('select from organization where id = $1 for no key update', [desk.organizationId]);
    await startSync(desk, mailboxId);
    await eventually('a page is being stored', async () => {
      const { rowCount } = await blocker.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return (rowCount ?? 0) > 0;
    });
    await blocker.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await blocker.query('commit');
    await eventually('every mail is a ticket', async () => {
      const found = await ticketSubjects(fleet, desk.organizationId).catch(() => []);
      return found.length >= mails.length;
    });
    await settled(fleet, mailboxId);
    expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
    const [ledger] = await rows(
      fleet,
      `select count(*)::int as rows, (count(*) filter (where outcome = 'FAILED' or attempts > 1))::int as failed
       from inbound_message where organization_id = ?`,
      [desk.organizationId],
    );
    expect(ledger).toEqual({ rows: 250, failed: 0 });
    const runs = await rows<{ failed: number; state: string }>(
      fleet,
      'select failed, state from sync_run where organization_id = ?',
      [desk.organizationId],
    );
    expect(
      runs.every(({ failed, state }) => failed === 0 && ['SUCCEEDED', 'INTERRUPTED'].includes(state)),
    ).toBe(true);
  },
);

test('PostgreSQL restarted the fast way during a sync: the process recovers by itself within seconds', async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'deskgraph-restart-'));
  // Once PostgreSQL has stopped: whoever deletes a directory in which it makes files finds it not empty.
  onTestFinished(() => rm(dataDirectory, { recursive: true, force: true }));
  await using postgres = await startRestartablePostgres(dataDirectory);
  await using own = await startFleet(['api,worker'], postgres.url);
  const [process] = own.processes;
  if (!process) throw new Error('no process');
  const desk = (await own.newDesk())(process);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const mails = manyMails(address, 1_000);
  const ticketsSoFar = async () =>
    (await ticketSubjects(own, desk.organizationId).catch(() => [] as string[])).length;
  await deliverMany(own.emulator.url, mails);
  await startSync(desk, mailboxId);
  await eventually('the sync is under way', async () => {
    const found = await rows<{ count: number }>(own, 'select count(*)::int as count from ticket');
    return (found[0]?.count ?? 0) > 0;
  });
  await postgres.restart();
  const backAt = performance.now();
  const known = await eventually('the database answers', async () => (await ticketsSoFar()) || false);
  await eventually(
    'the sync goes on',
    async () => (await ticketsSoFar()) >= Math.min(known + 1, mails.length),
  );
  // How long the rest takes is the machine's affair.
  expect((performance.now() - backAt) / 1_000).toBeLessThan(20);
  await eventually('every mail is a ticket', async () => (await ticketsSoFar()) >= mails.length);
  await settled(own, mailboxId);
  expect(await ticketSubjects(own, desk.organizationId)).toEqual(sortedSubjects(mails));
  expect(
    (await runsOf(own, mailboxId)).every(({ state }) => ['SUCCEEDED', 'INTERRUPTED'].includes(state)),
  ).toBe(true);
  // The API answers as well, and new mail comes.
  await deliverMany(own.emulator.url, manyMails(address, 1, 'Afterwards'));
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 1 });
});

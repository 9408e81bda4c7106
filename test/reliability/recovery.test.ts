import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createDesk, freePort } from '../support/app.ts';
import { cloneDatabase } from '../support/database.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';
import { statusBecomes } from '../sync/push-harness.ts';
import {
  type Fleet,
  manyMails,
  rows,
  runsOf,
  settled,
  sortedSubjects,
  startFleet,
  startProcess,
  ticketSubjects,
} from './harness.ts';
import { atRest, pushedMailbox, setPush, subscriptionsOf } from './push-fleet.ts';
import { startRestartablePostgres } from './restartable-postgres.ts';

const ADMIN_KEY = 'dg_recovery-admin-key-0123456789abcdefgh';

/** Makes what has run look as if it had run a while ago: no run of the start is younger than the pause between recoveries. */
const letTimePass = (at: Pick<Fleet, 'database'>) =>
  rows(
    at,
    `update sync_run set created_at = created_at - interval '5 minutes', started_at = started_at - interval '5 minutes',
       finished_at = finished_at - interval '5 minutes'`,
  );

/** A server as a process of its own, with an emulator and a database, and the environment to start it again with. */
async function startSite() {
  const db = await cloneDatabase();
  onTestFinished(() => db[Symbol.asyncDispose]());
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const servers: ServerProcess[] = [];
  onTestFinished(async () => {
    for (const { child } of servers) child.kill('SIGKILL');
  });
  return {
    emulator,
    database: db.database,
    /** Starts the server; on another port it has another PUBLIC_URL. */
    async start(port: number): Promise<ServerProcess> {
      const server = await startServerProcess({
        PORT: String(port),
        PUBLIC_URL: `http://127.0.0.1:${port}`,
        DATABASE_URL: db.url,
        DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
        DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
        MICROSOFT_LOGIN_URL: emulator.loginUrl,
        MICROSOFT_GRAPH_URL: emulator.graphUrl,
        LOG_LEVEL: 'warn',
      });
      servers.push(server);
      return server;
    },
    async desk(server: ServerProcess) {
      const [organization] = await rows<{ id: string }>(db, 'select id from organization');
      return createDesk(server.url, emulator, organization?.id ?? '', ADMIN_KEY);
    },
  };
}

test('mail that came while the server was killed is read at the next start, without waiting for the poll in an hour or for Microsoft to announce it again', async () => {
  const site = await startSite();
  const port = await freePort();
  const server = await site.start(port);
  const desk = await site.desk(server);
  const { address, mailboxId } = await pushedMailbox(site, desk);
  await letTimePass(site);
  await server.kill();
  await setPush(site.emulator.url, { lossProbability: 1 });
  const mails = manyMails(address, 5);
  await deliverMany(site.emulator.url, mails);
  await site.start(port);
  await eventually('every mail is a ticket', async () => {
    return (await ticketSubjects(site, desk.organizationId)).length === mails.length;
  });
  expect(await ticketSubjects(site, desk.organizationId)).toEqual(sortedSubjects(mails));
  expect((await runsOf(site, mailboxId)).at(-1)?.trigger).toBe('RECOVERY');
});

test('with another PUBLIC_URL after a restart the subscription is replaced at once, and what came between is read', async () => {
  const site = await startSite();
  const server = await site.start(await freePort());
  const before = await pushedMailbox(site, await site.desk(server));
  const { address, mailboxId } = before;
  const [old] = await subscriptionsOf(site.emulator.url, address);
  expect(old?.notificationUrl).toContain(server.url);
  await letTimePass(site);
  await server.stop();
  await deliver(site.emulator.url, { to: address, subject: 'Between' });
  const moved = await site.start(await freePort());
  const desk = await site.desk(moved);
  await eventually('the new address is the one that is called', async () => {
    const found = await subscriptionsOf(site.emulator.url, address);
    return found.length === 1 && found[0]?.notificationUrl.startsWith(moved.url);
  });
  await statusBecomes(desk, mailboxId, 'push is back', ({ delivery }) => delivery === 'PUSH');
  await atRest(site, before);
  expect(await ticketSubjects(site, desk.organizationId)).toEqual(['Between']);
  await deliver(site.emulator.url, { to: address, subject: 'Afterwards' });
  await eventually('it is announced', async () => {
    return (await ticketSubjects(site, desk.organizationId)).length === 2;
  });
  expect((await runsOf(site, mailboxId)).at(-1)?.trigger).toBe('PUSH');
});

test('mail that came while the database was away is read when it is back', async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'deskgraph-recovery-'));
  onTestFinished(() => rm(dataDirectory, { recursive: true, force: true }));
  await using postgres = await startRestartablePostgres(dataDirectory);
  await using own = await startFleet(['api', 'worker'], postgres.url, { push: true });
  const [api] = own.processes;
  if (!api) throw new Error('no process');
  const desk = (await own.newDesk())(api);
  const { address, mailboxId } = await pushedMailbox(own, desk);
  await letTimePass(own);
  await setPush(own.emulator.url, { lossProbability: 1 });
  const mails = manyMails(address, 5);
  await Promise.all([postgres.restart(), deliverMany(own.emulator.url, mails)]);
  await eventually('every mail is a ticket', async () => {
    const found = await ticketSubjects(own, desk.organizationId).catch(() => []);
    return found.length === mails.length;
  });
  await settled(own, mailboxId);
  expect(await ticketSubjects(own, desk.organizationId)).toEqual(sortedSubjects(mails));
  expect((await runsOf(own, mailboxId)).at(-1)?.trigger).toBe('RECOVERY');
});

test('ten processes that come back one after the other are two readings of a mailbox, not ten, and the last of them is covered', async () => {
  await using own = await startFleet(['api,worker'], undefined, { push: true });
  const [first] = own.processes;
  if (!first) throw new Error('no process');
  const desk = (await own.newDesk())(first);
  const { address, mailboxId, uuid } = await pushedMailbox(own, desk);
  await letTimePass(own);
  const before = (await runsOf(own, mailboxId)).length;
  for (let count = 0; count < 10; count += 1) {
    const began = systemClock.now();
    const process = await startProcess(own.databaseUrl, own.emulator, 'api', {
      PUBLIC_URL: own.forwarder?.url ?? '',
    });
    onTestFinished(() => process.stop());
    if (count === 0) {
      await eventually(
        'the first reading is asked for',
        async () => (await runsOf(own, mailboxId)).length > before,
      );
      // No pause is over before all have come back, however long that takes.
      await rows(
        own,
        `update sync_run set created_at = now() + interval '1 hour' where mailbox_id = ?
           and created_at > now() - interval '4 minutes'`,
        [uuid],
      );
    }
    if (count === 4) {
      await eventually('the first reading is over', async () => {
        const runs = await runsOf(own, mailboxId);
        return runs.length > before && runs.every(({ state }) => state === 'SUCCEEDED');
      });
      await setPush(own.emulator.url, { lossProbability: 1 });
      await deliver(own.emulator.url, { to: address, subject: 'After the first reading' });
    }
    if (count > 4) {
      await eventually('it has asked', async () => {
        const asked = await rows(
          own,
          `select 1 from graphile_worker._private_jobs where task_id in
             (select id from graphile_worker._private_tasks where identifier = 'sync.recover-mailboxes')
             and (payload->>'since')::timestamptz >= ?`,
          [began],
        );
        return asked.length > 0;
      });
    }
  }
  // The pause between two recoveries, without waiting for it.
  await rows(
    own,
    `update sync_run set created_at = least(created_at, now()) - interval '1 minute' where mailbox_id = ?`,
    [uuid],
  );
  await rows(
    own,
    `update graphile_worker._private_jobs set run_at = now() where run_at > now() and task_id in
       (select id from graphile_worker._private_tasks where identifier = 'sync.recover-mailboxes')`,
  );
  await eventually('the mail is a ticket', async () => {
    return (await ticketSubjects(own, desk.organizationId)).length > 0;
  });
  await atRest(own, { uuid });
  const runs = (await runsOf(own, mailboxId)).slice(before);
  expect(runs.map(({ trigger }) => trigger)).toEqual(['RECOVERY', 'RECOVERY']);
  await eventually('nothing is asked for any more', async () => {
    const waiting = await rows(
      own,
      `select 1 from graphile_worker._private_jobs where task_id in
         (select id from graphile_worker._private_tasks where identifier = 'sync.recover-mailboxes')`,
    );
    return waiting.length === 0;
  });
  expect((await runsOf(own, mailboxId)).length).toBe(before + 2);
});

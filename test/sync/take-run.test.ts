import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { takeRun } from '../../src/sync/take-run.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
// Without a worker: nobody else takes runs.
beforeAll(async () => {
  app = await startTestApp({}, { env: { DESKGRAPH_ROLES: 'api' } });
});
afterAll(() => app[Symbol.asyncDispose]());

test('a run that somebody asks for at this very moment is taken with what they asked', async () => {
  const desk = await app.newDesk();
  const { address } = await desk.connectMailbox();
  const em = app.database.em.fork();
  const [mailbox] = await em.execute<{ id: string; organization_id: string }[]>(
    'select id, organization_id from mailbox where email_address = ?',
    [address],
  );
  const mailboxId = mailbox?.id ?? '';
  const organizationId = mailbox?.organization_id ?? '';
  await em.execute(
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, created_at, updated_at)
     values (gen_random_uuid(), ?, ?, 'POLL', 'QUEUED', now(), now())`,
    [organizationId, mailboxId],
  );

  await em.begin();
  await em.execute(`update sync_run set trigger = 'PUSH' where mailbox_id = ?`, [mailboxId]);
  const take = () =>
    takeRun(forkFor(app.database, organizationId), { organizationId, mailboxId }, systemClock);
  const taking = take();
  await eventually('the taking waits for them', async () => {
    const waiting = await app.database.em
      .fork()
      .execute(
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
    return waiting.length > 0;
  });
  await em.commit();

  const taken = await taking;
  const runs = await em.execute('select id, state, trigger from sync_run where mailbox_id = ?', [mailboxId]);
  expect(runs).toEqual([{ id: taken?.runId, state: 'RUNNING', trigger: 'PUSH' }]);
  // The control: what was left running is closed, and its successor goes on.
  expect((await take())?.runId).not.toBe(taken?.runId);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { query, subjectsOf } from './push-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

const settings = (change: Record<string, unknown>) =>
  control(app.emulator.url, 'tenants/contoso.example/settings', change);

test('a sync whose token has to wait is postponed, and goes on by itself when the sign-in service allows it', async () => {
  const desk = await app.newDesk();
  // So short-lived that it counts as run out at once.
  await settings({ accessTokenSeconds: 200 });
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await desk.sync(mailboxId);
  await eventually(
    'nobody else asks for a token: the identities are looked up behind all other work',
    async () => {
      const jobs = await query(
        app,
        `select 1 from graphile_worker._private_jobs as job join graphile_worker._private_tasks as task on task.id = job.task_id
        where task.identifier = 'mailboxes.discover-identities'`,
      );
      return jobs.length === 0;
    },
  );
  await settings({ accessTokenSeconds: null });
  await deliver(app.emulator.url, { to: address, subject: 'Waits' });
  await control(app.emulator.url, 'faults', {
    status: 429,
    retryAfterSeconds: 2,
    pathPattern: '/oauth2/v2.0/token',
    count: 1,
  });
  await desk.request('mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { __typename } }', {
    id: mailboxId,
  });
  await eventually('it is a ticket', async () => (await subjectsOf(desk)).includes('Waits'));
  const runs = await query<{ state: string; problem: { code: string } | null }>(
    app,
    `select state, problem from sync_run where mailbox_id = (select id from mailbox where email_address = ?) order by created_at, id`,
    [address],
  );
  expect(runs.slice(-2)).toMatchObject([
    { state: 'POSTPONED', problem: { code: 'LOGIN_UNAVAILABLE' } },
    { state: 'SUCCEEDED', problem: null },
  ]);
  const [state] = await query(
    app,
    `select consecutive_failures, problem from sync_state where mailbox_id = (select id from mailbox where email_address = ?)`,
    [address],
  );
  expect(state).toEqual({ consecutive_failures: 0, problem: null });
});

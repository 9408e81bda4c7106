import { afterAll, beforeAll, expect, test } from 'vitest';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { syncAccount } from '../../src/sync/sync-account.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
// Without a worker: nobody else touches runs and subscriptions.
beforeAll(async () => {
  app = await startTestApp({}, { env: { DESKGRAPH_ROLES: 'api' } });
});
afterAll(() => app[Symbol.asyncDispose]());

test('a sign-in and a notification of the same mailbox wait for each other, never in a circle', async () => {
  const desk = await app.newDesk();
  const { address } = await desk.connectMailbox();
  const webhook = app.database.em.fork();
  const [mailbox] = await webhook.execute<{ id: string; organization_id: string; account_id: string }[]>(
    `update mailbox set incoming_enabled = true, receive_from = now(), folder = '{"id":"inbox","path":"Inbox"}'
      where email_address = ? returning id, organization_id, account_id`,
    [address],
  );
  if (!mailbox) throw new Error('There is no mailbox.');
  const { id: mailboxId, organization_id: organizationId, account_id: accountId } = mailbox;
  // Renewing it was refused with the sign-in; Microsoft goes on announcing until it expires.
  await webhook.execute(
    `insert into push_subscription (id, organization_id, mailbox_id, folder_id, notification_url, sealed_client_state,
       state, next_step_at, next_probe_at, created_at, updated_at)
     values (gen_random_uuid(), ?, ?, 'inbox', 'https://example.com', '', 'FAILED', now(), now(), now(), now())`,
    [organizationId, mailboxId],
  );

  await webhook.execute(
    `insert into sync_run (id, organization_id, mailbox_id, trigger, state, created_at, updated_at)
       values (gen_random_uuid(), ?, ?, 'POLL', 'QUEUED', now(), now())`,
    [organizationId, mailboxId],
  );

  // The order of the webhook: the subscription, then the run.
  await webhook.begin();
  await webhook.execute('select from push_subscription where mailbox_id = ? for no key update', [mailboxId]);
  const signingIn = forkFor(app.database, organizationId).transactional(async (em) => {
    await syncAccount(em, await em.findOneOrFail(Account, { id: accountId }));
  });
  signingIn.catch(() => undefined);
  await eventually('the sign-in waits for it', async () => {
    const waiting = await app.database.em
      .fork()
      .execute(
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
    return waiting.length > 0;
  });
  await webhook.execute(`update sync_run set announced_at = now() where mailbox_id = ?`, [mailboxId]);
  await webhook.commit();
  await expect(signingIn).resolves.toBeUndefined();
});

test('a sign-in hurries what was refused for want of it, renewals and probes too, and nothing else', async () => {
  const desk = await app.newDesk();
  const { address } = await desk.connectMailbox();
  const em = app.database.em.fork();
  const [mailbox] = await em.execute<{ id: string; organization_id: string; account_id: string }[]>(
    `update mailbox set incoming_enabled = true, receive_from = now(), folder = '{"id":"inbox","path":"Inbox"}'
      where email_address = ? returning id, organization_id, account_id`,
    [address],
  );
  if (!mailbox) throw new Error('There is no mailbox.');
  const { id: mailboxId, organization_id: organizationId, account_id: accountId } = mailbox;
  await em.execute(
    `insert into push_subscription (id, organization_id, mailbox_id, folder_id, notification_url, sealed_client_state,
       graph_subscription_id, expires_at, active_since, state, next_step_at, next_probe_at, created_at, updated_at)
     values (gen_random_uuid(), ?, ?, 'inbox', 'https://example.com', '', 'at-microsoft', now() + interval '3 days', now(),
       'ACTIVE', now(), now(), now(), now())`,
    [organizationId, mailboxId],
  );
  /** What is due after the account has signed in, when the row was as given. */
  async function dueAfterSignIn(row: string): Promise<unknown> {
    await em.execute(
      `update push_subscription set state = 'ACTIVE', failures = 0, probe_problem = null, replaced_at = null,
         next_step_at = now() + interval '6 hours', next_probe_at = now() + interval '6 hours' where mailbox_id = ?`,
      [mailboxId],
    );
    await em.execute(`update push_subscription set ${row} where mailbox_id = ?`, [mailboxId]);
    await forkFor(app.database, organizationId).transactional(async (tx) => {
      await syncAccount(tx, await tx.findOneOrFail(Account, { id: accountId }));
    });
    const [due] = await em.execute<unknown[]>(
      'select next_step_at <= now() as step, next_probe_at <= now() as probe from push_subscription where mailbox_id = ?',
      [mailboxId],
    );
    return due;
  }
  expect(await dueAfterSignIn(`state = 'FAILED', failures = 3`)).toEqual({ step: true, probe: false });
  expect(await dueAfterSignIn('failures = 3')).toEqual({ step: true, probe: false });
  expect(await dueAfterSignIn(`probe_problem = '{}'`)).toEqual({ step: false, probe: true });
  expect(await dueAfterSignIn('failures = 0')).toEqual({ step: false, probe: false });
  expect(await dueAfterSignIn('failures = 3, replaced_at = now()')).toEqual({ step: false, probe: false });
});

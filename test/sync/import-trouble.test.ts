import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  askToImport,
  callImport,
  daysAgo,
  importOf,
  importReaches,
  lastImportOf,
  leave,
  ticketsOf,
} from './import-harness.ts';
import { query } from './push-harness.ts';
import { reconcile } from './reconcile-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const fault = (address: string, input: Record<string, unknown>) =>
  control(app.emulator.url, 'faults', { mailbox: address, ...input });
const clearFaults = () => control(app.emulator.url, 'faults', undefined, 'DELETE');

const switchIncoming = ({ request }: Desk, mailboxId: string, enabled: boolean) =>
  request(
    'mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) { __typename } }',
    { input: { mailboxId, enabled } },
  );

/** A mailbox whose import Microsoft has refused for the moment. */
async function pausedImport() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await leave(app, address, [{ subject: 'Old', receivedDateTime: daysAgo(30) }]);
  await desk.enable(mailboxId);
  await fault(address, { status: 503, pathPattern: 'orderby' });
  const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  await importReaches(desk, id, 'PAUSED');
  await clearFaults();
  return { desk, mailboxId, address, id };
}

/** What the queue knows of an organization's imports. */
const jobsOf = ({ organizationId }: Desk) =>
  query<{ key: string | null; attempts: number; is_free: boolean }>(
    app,
    `select job.key, job.attempts, job.locked_at is null as is_free from graphile_worker._private_jobs as job
     join graphile_worker._private_tasks as task on task.id = job.task_id
     where task.identifier = 'sync.import-mail' and job.payload ->> 'organizationId' = ?`,
    [organizationId],
  );

test('imported mail is not deleted before its files are stored here', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await leave(app, address, [
    {
      subject: 'With a file',
      receivedDateTime: daysAgo(3),
      attachments: [{ name: 'plan.txt', contentType: 'text/plain', contentBytes: btoa('The plan') }],
    },
  ]);
  await fault(address, { latencyMs: 2_000, pathPattern: '/attachments' });
  await desk.enable(mailboxId, { afterProcessing: 'DELETE', existingMail: { mode: 'AS_NEW' } });
  await importReaches(desk, (await lastImportOf(desk, mailboxId))?.id ?? '', 'SUCCEEDED');
  await eventually('it is deleted', async () => {
    const inbox = (await foldersOf(app.emulator.url, address)).get('Inbox');
    return inbox?.length === 0;
  });
  const files = await query(app, 'select state from attachment where organization_id = ?', [
    desk.organizationId,
  ]);
  expect(files).toEqual([{ state: 'STORED' }]);
  await clearFaults();
});

test('an import from before incoming mail was switched off is no answer to who asks again: what came meanwhile is imported', async () => {
  const { desk, mailboxId, address, id } = await pausedImport();
  await switchIncoming(desk, mailboxId, false);
  await leave(app, address, [{ subject: 'While it was off', receivedDateTime: daysAgo(0, -1) }]);
  // The past, so that what came meanwhile came after it.
  await query(app, `update mail_import set until = until - interval '1 hour' where organization_id = ?`, [
    desk.organizationId,
  ]);
  await switchIncoming(desk, mailboxId, true);
  const again = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  await importReaches(desk, again, 'SUCCEEDED');
  expect((await ticketsOf(desk, mailboxId)).map(({ subject }) => subject)).toEqual([
    'Old',
    'While it was off',
  ]);
  expect(again).not.toBe(id);
  expect(await importOf(desk, id)).toMatchObject({
    state: 'CANCELLED',
    problem: { code: 'IMPORT_SETTINGS_CHANGED' },
  });
});

test('history of a later page joins its imported ticket, which was closed with that', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const answered = daysAgo(20);
  const page = Array.from({ length: 100 }, (_, index) => ({
    subject: `Mail ${index}`,
    messageId: `<${index}.${mailboxId}@fabrikam.example>`,
    receivedDateTime: daysAgo(40, index),
  }));
  await leave(app, address, [
    ...page,
    { subject: 'Re: Mail 0', inReplyTo: page[0]?.messageId ?? '', receivedDateTime: answered },
  ]);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  const { id = '' } = (await lastImportOf(desk, mailboxId)) ?? {};
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ created: 100, appended: 1 });
  const [ticket, other] = await ticketsOf(desk, mailboxId);
  const [closedAt, createdAt] = [answered, page[0]?.receivedDateTime ?? ''].map((time) =>
    new Date(time).toISOString(),
  );
  expect(ticket).toMatchObject({ status: 'CLOSED', createdAt, closedAt, lastMessageAt: closedAt });
  expect(other).toMatchObject({ status: 'CLOSED', closedAt: other?.createdAt });
});

test('who cancels an import while it takes a step waits for the step', async () => {
  const { desk, id: mailImportId } = await pausedImport();
  const step = app.database.em.fork();
  await step.begin();
  await step.execute('update mail_import set version = version + 1 where organization_id = ?', [
    desk.organizationId,
  ]);
  const cancelling = callImport(desk, 'cancelImport', { mailImportId });
  await eventually('it waits', async () => {
    const waiting = await query(
      app,
      `select 1 as one from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
    return waiting.length > 0;
  });
  await step.commit();
  expect((await cancelling).mailImport).toMatchObject({ state: 'CANCELLED' });
});

test('an import that our own fault stops is tried less and less often, and at last gives up', async () => {
  const { desk, mailboxId, id } = await pausedImport();
  const make = (sql: string) => query(app, sql, []);
  await make(`create function no_step() returns trigger language plpgsql as
    $$ begin raise exception 'The disk is full.' using errcode = '53100'; end $$`);
  await make(
    `create trigger no_step before update of place on mail_import for each row execute function no_step()`,
  );
  const failAfter = (attempts: number) =>
    query(app, `update graphile_worker._private_jobs set attempts = ?, run_at = now() where key = ?`, [
      attempts,
      `sync.import-mail:${decodedUuid}`,
    ]);
  const [row] = await query<{ mailbox_id: string }>(
    app,
    'select mailbox_id from mail_import where organization_id = ?',
    [desk.organizationId],
  );
  const decodedUuid = row?.mailbox_id ?? '';
  try {
    await failAfter(10);
    await eventually(
      'the fault is told',
      async () => (await importOf(desk, id)).problem?.code === 'IMPORT_FAILED',
    );
    // The fault is told before the job fails; then the queue puts it off from whatever time it has.
    await eventually('the queue has it back', async () => {
      const jobs = await jobsOf(desk);
      return jobs.length === 1 && jobs[0]?.key !== null && jobs[0]?.attempts === 11 && jobs[0].is_free;
    });
    await failAfter(24);
    expect(await importReaches(desk, id, 'FAILED')).toMatchObject({ problem: { code: 'IMPORT_FAILED' } });
  } finally {
    await make('drop trigger no_step on mail_import');
    await make('drop function no_step');
  }
  await callImport(desk, 'resumeImport', { mailImportId: id });
  await importReaches(desk, id, 'SUCCEEDED');
  expect(await ticketsOf(desk, mailboxId)).toHaveLength(1);
});

test('history that a reconciliation finds and cannot read is history once it can be read', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const [old] = await leave(app, address, [{ subject: 'Old', receivedDateTime: daysAgo(20) }]);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  await importReaches(desk, (await lastImportOf(desk, mailboxId))?.id ?? '', 'SUCCEEDED');
  for (const table of ['inbound_message', 'message', 'ticket']) {
    await query(app, `delete from ${table} where organization_id = ?`, [desk.organizationId]);
  }
  await fault(address, {
    status: 403,
    errorCode: 'ErrorAccessDenied',
    pathPattern: `/messages/${(old?.immutableId ?? 'none').replace(/[^\w-]/g, '.')}\\?`,
  });
  const mailbox = { desk, mailboxId, address, uuid: '' };
  expect(await reconcile(mailbox, { since: daysAgo(90) })).toMatchObject({ missing: 1, failed: 1 });
  await clearFaults();
  const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: { id: string } }[] } }>(
    '{ inboundMessages(first: 5) { edges { node { id } } } }',
  );
  await desk.request(
    'mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }',
    { id: inboundMessages.edges[0]?.node.id },
  );
  const tickets = await eventually('it is a ticket', async () => {
    const found = await ticketsOf(desk, mailboxId);
    return found.length > 0 && found;
  });
  expect(tickets).toMatchObject([{ subject: 'Old', status: 'CLOSED', isImported: true }]);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { askToImport, callImport, daysAgo, importReaches, lastImportOf, leave } from './import-harness.ts';
import { query } from './push-harness.ts';

/** More than two pages of mail that came in the same second, and a little after it. */
const MAILS = 260;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const fault = (address: string, input: Record<string, unknown>) =>
  control(app.emulator.url, 'faults', { mailbox: address, ...input });
const clearFaults = () => control(app.emulator.url, 'faults', undefined, 'DELETE');

async function burst() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const [second, later] = [daysAgo(30), daysAgo(20)];
  await leave(
    app,
    address,
    Array.from({ length: MAILS }, (_, index) => ({
      subject: `Mail ${index}`,
      from: `Customer <customer-${index}@fabrikam.example>`,
      receivedDateTime: index < MAILS - 5 ? second : later,
    })),
  );
  return { desk, mailboxId, address };
}

const subjectsOf = async (organizationId: string) => {
  const [row] = await query<{ subjects: number; messages: number }>(
    app,
    `select count(distinct subject)::int as subjects, count(*)::int as messages from message
     where organization_id = ?`,
    [organizationId],
  );
  return row;
};

test('mail of a full second is not skipped when what was imported is moved out of the folder meanwhile', async () => {
  const { desk, mailboxId, address } = await burst();
  await desk.withoutStormLimits();
  // The second page waits until the mails of the first one are gone.
  await fault(address, { status: 503, pathPattern: 'skip=100' });
  await desk.enable(mailboxId, { afterProcessing: 'DELETE', existingMail: { mode: 'AS_NEW' } });
  const { id = '' } = (await lastImportOf(desk, mailboxId)) ?? {};
  await importReaches(desk, id, 'PAUSED');
  await eventually('some of the first page are gone', async () => {
    const { length = MAILS } = (await foldersOf(app.emulator.url, address)).get('Inbox') ?? [];
    return length <= MAILS - 20;
  });
  await clearFaults();
  await query(app, 'update graphile_worker._private_jobs set run_at = now() where key like ?', [
    'sync.import-mail:%',
  ]);
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ seen: MAILS, created: MAILS });
  expect(await subjectsOf(desk.organizationId)).toEqual({ subjects: MAILS, messages: MAILS });
});

test('a link that Microsoft does not know any more is dropped, and nothing is lost or doubled', async () => {
  const { desk, mailboxId, address } = await burst();
  await desk.enable(mailboxId);
  await fault(address, { status: 410, errorCode: 'syncStateNotFound', pathPattern: 'skip=100', count: 1 });
  await fault(address, { status: 400, errorCode: 'BadRequest', pathPattern: 'skip=200', count: 1 });
  const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ seen: MAILS, created: MAILS });
  expect(await subjectsOf(desk.organizationId)).toEqual({ subjects: MAILS, messages: MAILS });
});

test('a link that is refused each time ends the import with the reason, and resumed it lists the second again', async () => {
  const { desk, mailboxId, address } = await burst();
  await desk.enable(mailboxId);
  await fault(address, { status: 400, errorCode: 'BadRequest', pathPattern: 'skip=100' });
  const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  expect(await importReaches(desk, id, 'FAILED')).toMatchObject({ problem: { code: 'REQUEST_REFUSED' } });
  await clearFaults();
  const [before] = await query<{ link: string | null }>(
    app,
    `update mail_import set place = place || '{"link": "https://old.example/"}' where organization_id = ?
     returning place ->> 'link' as link`,
    [desk.organizationId],
  );
  expect(before?.link).toBe('https://old.example/');
  await callImport(desk, 'resumeImport', { mailImportId: id });
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ seen: MAILS, created: MAILS });
});

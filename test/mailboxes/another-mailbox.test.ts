import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliver } from '../support/mail.ts';
import { query } from '../sync/push-harness.ts';
import { type AccessDesk, startAccessDesk } from './access-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const run = (sql: string, params: unknown[]) => query(stage.app, sql, params);

/** A mailbox whose address belonged to another one when it was connected: its folders do not exist any more. */
async function formerMailbox(microsoftUserId: string | null = crypto.randomUUID()) {
  const address = await stage.newMailbox();
  const { accountId } = await stage.connect(address);
  const mailboxId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.id ?? '';
  await stage.desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
  const gone = JSON.stringify({ id: 'gone', displayName: 'Gone' });
  await run(
    `update mailbox set microsoft_user_id = ?, inbox_folder_id = 'gone', folder = ?::jsonb, archive_folder = ?::jsonb,
       copy_folder = ?::jsonb where email_address = ? returning id`,
    [microsoftUserId, gone, gone, gone, address],
  );
  return { address, accountId, mailboxId };
}

interface Settings {
  enabled: boolean;
  folder: { displayName: string } | null;
  archiveFolder: unknown;
  copyFolder: unknown;
  afterProcessing: string;
  intervalMinutes: string;
}

async function settingsOf(mailboxId: string): Promise<Settings> {
  const { node } = await stage.desk.request<{ node: { incoming: Settings } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { incoming { enabled folder { displayName }
       archiveFolder { id } copyFolder { id } afterProcessing intervalMinutes } } } }`,
    { id: mailboxId },
  );
  return node.incoming;
}

const inboxIdOf = async (address: string) =>
  (await run('select inbox_folder_id from mailbox where email_address = ?', [address]))[0];

test('a removed mailbox whose address is another one by now begins with the Inbox, and its mail is read', async () => {
  const { address, accountId, mailboxId } = await formerMailbox();
  await stage.run('removeMailbox', { mailboxId });
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: address });
  expect(mailbox?.id).toBe(mailboxId);
  expect(await settingsOf(mailboxId)).toMatchObject({
    folder: null,
    archiveFolder: null,
    copyFolder: null,
    afterProcessing: 'KEEP',
  });
  await stage.desk.enable(mailboxId);
  await deliver(stage.app.emulator.url, { to: address, subject: 'New' });
  expect(await stage.desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 1 });
});

test('a mailbox that somebody else with its address signs in to goes on with their Inbox, and does not look for a folder that is gone', async () => {
  const { address, mailboxId } = await formerMailbox();
  await deliver(stage.app.emulator.url, { to: address, subject: 'Before they signed in' });
  await stage.connect(address);
  expect(await inboxIdOf(address)).toEqual({ inbox_folder_id: null });
  expect(await stage.desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await settingsOf(mailboxId)).toMatchObject({
    enabled: true,
    folder: { displayName: 'Inbox' },
    archiveFolder: null,
    copyFolder: null,
    afterProcessing: 'KEEP',
  });
  await deliver(stage.app.emulator.url, { to: address, subject: 'Afterwards' });
  expect(await stage.desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 1 });
});

test('where nothing says that it is another mailbox its folders stay', async () => {
  const { mailboxId, address } = await formerMailbox(null);
  await stage.connect(address);
  expect(await settingsOf(mailboxId)).toMatchObject({ folder: { displayName: 'Gone' } });
});

test('a removed mailbox has no folders, and Microsoft is not asked for them', async () => {
  const { mailboxId, address, accountId } = await formerMailbox();
  expect(accountId).toBeTruthy();
  await stage.run('removeMailbox', { mailboxId });
  await stage.exchange('faults', { mailbox: address, status: 503 });
  const answer = await stage.desk.request(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { folders { id } } } }',
    { id: mailboxId },
  );
  expect(answer).toEqual({ node: { folders: [] } });
});

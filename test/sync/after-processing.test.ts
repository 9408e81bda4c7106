import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, deliverMany, foldersOf } from '../support/mail.ts';
import { moveByHand } from '../support/outlook.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

interface Row {
  id: string;
  subject: string;
  archiveState: string;
  copyState: string;
  problem: { code: string } | null;
}

async function rows(desk: Desk, filter: Record<string, unknown> = {}): Promise<Row[]> {
  const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: Row }[] } }>(
    `query ($filter: InboundMessageFilter) { inboundMessages(first: 100, filter: $filter) {
       edges { node { id subject archiveState copyState problem { code } } } } }`,
    { filter },
  );
  return inboundMessages.edges.map(({ node }) => node);
}

async function update(desk: Desk, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { updateIncomingSettings } = await desk.request<{
    updateIncomingSettings: Record<string, unknown>;
  }>(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
       ... on UpdateIncomingSettingsPayload { mailbox { incoming { afterProcessing copyFolder { displayName } } } }
       ... on Error { code } } }`,
    { input },
  );
  return updateIncomingSettings;
}

async function createFolder(desk: Desk, mailboxId: string, displayName: string): Promise<string> {
  const { createMailFolder } = await desk.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($input: CreateMailFolderInput!) { createMailFolder(input: $input) {
       ... on CreateMailFolderPayload { folder { id } } } }`,
    { input: { mailboxId, displayName } },
  );
  return createMailFolder.folder.id;
}

async function enabled(settings: (folders: { copies: string }) => Record<string, unknown>) {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const copies = await createFolder(desk, mailboxId, 'Copies');
  await desk.enable(mailboxId, settings({ copies }));
  return { desk, mailboxId, address, copies };
}

const folders = (address: string) => foldersOf(app.emulator.url, address);
const states = (all: Row[]) =>
  all.map(({ archiveState, copyState }) => `${archiveState} ${copyState}`).sort();

test('processed mail is deleted once, to where Outlook would put it, and makes no second ticket', async () => {
  const { desk, mailboxId, address } = await enabled(() => ({ afterProcessing: 'DELETE' }));
  const subjects = Array.from({ length: 25 }, (_, index) => `Mail ${index}`);
  await deliverMany(
    app.emulator.url,
    subjects.map((subject) => ({ to: address, subject })),
  );
  expect(await desk.sync(mailboxId)).toMatchObject({ created: 25 });
  await eventually('everything is deleted', async () => (await folders(address)).get('Inbox')?.length === 0);
  expect((await folders(address)).get('Deleted Items')?.length).toBe(25);
  await eventually('the ledger says so', async () =>
    (await rows(desk)).every(({ archiveState }) => archiveState === 'DONE'),
  );
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 0, appended: 0 });
});

test('a deletion whose answer was lost is not done a second time', async () => {
  const { desk, mailboxId, address } = await enabled(() => ({ afterProcessing: 'DELETE' }));
  await control(app.emulator.url, 'faults', {
    status: 503,
    afterwards: true,
    method: 'DELETE',
    mailbox: address,
    count: 1,
  });
  await deliver(app.emulator.url, { to: address, subject: 'Delete me once' });
  await desk.sync(mailboxId);
  await eventually('it counts as deleted', async () => states(await rows(desk))[0] === 'DONE NOT_WANTED');
  expect((await folders(address)).get('Deleted Items')).toEqual(['Delete me once']);
});

test('a mail whose file is not stored here is not deleted, and says why', async () => {
  const { desk, mailboxId, address } = await enabled(() => ({ afterProcessing: 'DELETE' }));
  await control(app.emulator.url, 'faults', {
    status: 404,
    errorCode: 'ErrorItemNotFound',
    pathPattern: '/attachments/[^/]+',
    mailbox: address,
  });
  await deliver(app.emulator.url, {
    to: address,
    subject: 'With a file',
    attachments: [{ name: 'plan.txt', contentType: 'text/plain', contentBytes: btoa('The plan') }],
  });
  await desk.sync(mailboxId);
  const [row] = await eventually('it is left alone', async () => {
    const failed = await rows(desk, { archiveState: ['FAILED'] });
    return failed.length === 1 && failed;
  });
  expect(row?.problem?.code).toBe('ATTACHMENT_NOT_STORED');
  expect((await folders(address)).get('Inbox')).toEqual(['With a file']);
});

test('every incoming mail is copied first, the ignored ones too, and the copy outlives the original', async () => {
  const { desk, mailboxId, address } = await enabled(({ copies }) => ({
    afterProcessing: 'DELETE',
    copyFolderId: copies,
  }));
  await deliverMany(app.emulator.url, [
    { to: address, subject: 'One' },
    { to: address, subject: 'Two' },
  ]);
  await desk.sync(mailboxId);
  await eventually('all is done', async () =>
    (await rows(desk)).every(
      ({ archiveState, copyState }) => archiveState === 'DONE' && copyState === 'DONE',
    ),
  );
  expect((await folders(address)).get('Inbox')).toEqual([]);
  expect((await folders(address)).get('Copies')?.sort()).toEqual(['One', 'Two']);
  await update(desk, { mailboxId, createTickets: false });
  await deliver(app.emulator.url, { to: address, subject: 'Ignored' });
  await desk.sync(mailboxId);
  await eventually('the ignored one is copied', async () =>
    (await folders(address)).get('Copies')?.includes('Ignored'),
  );
  expect((await folders(address)).get('Inbox')).toEqual(['Ignored']);
});

test('a copy whose answer was lost is found again and not made twice; a mail that came twice has two copies', async () => {
  const { desk, mailboxId, address } = await enabled(({ copies }) => ({
    afterProcessing: 'ARCHIVE',
    archiveFolderId: 'archive',
    copyFolderId: copies,
  }));
  await control(app.emulator.url, 'faults', {
    status: 503,
    afterwards: true,
    pathPattern: '/copy$',
    mailbox: address,
    count: 2,
  });
  const messageId = '<twice@fabrikam.example>';
  await deliverMany(app.emulator.url, [
    { to: address, subject: 'Twice', messageId },
    { to: address, subject: 'Twice', messageId },
    { to: address, subject: 'Once' },
  ]);
  await desk.sync(mailboxId);
  await eventually('all is copied', async () =>
    (await rows(desk)).every(({ copyState }) => copyState === 'DONE'),
  );
  expect((await folders(address)).get('Copies')?.sort()).toEqual(['Once', 'Twice', 'Twice']);
});

test('nothing is deleted before its copy is there; what failed says why, and choosing the folder again repairs it', async () => {
  const { desk, mailboxId, address, copies } = await enabled((its) => ({
    afterProcessing: 'DELETE',
    copyFolderId: its.copies,
  }));
  await control(app.emulator.url, 'faults', {
    status: 403,
    errorCode: 'ErrorAccessDenied',
    pathPattern: '/copy$',
    mailbox: address,
  });
  await deliver(app.emulator.url, { to: address, subject: 'Keep a copy' });
  await desk.sync(mailboxId);
  const [failed] = await eventually('copying has failed', async () => {
    const found = await rows(desk, { copyState: ['FAILED'] });
    return found.length === 1 && found;
  });
  expect(failed).toMatchObject({ archiveState: 'DUE', problem: { code: 'MAILBOX_ACCESS_DENIED' } });
  expect((await folders(address)).get('Inbox')).toEqual(['Keep a copy']);
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  expect(await update(desk, { mailboxId, copyFolderId: copies })).not.toHaveProperty('code');
  await eventually('it is copied and deleted', async () => states(await rows(desk))[0] === 'DONE DONE');
  expect((await folders(address)).get('Copies')).toEqual(['Keep a copy']);
});

test('a single message can be filed again with retryInboundMessage', async () => {
  const { desk, mailboxId, address } = await enabled(() => ({
    afterProcessing: 'ARCHIVE',
    archiveFolderId: 'archive',
  }));
  await control(app.emulator.url, 'faults', { status: 403, pathPattern: '/move$', mailbox: address });
  await deliver(app.emulator.url, { to: address, subject: 'Again' });
  await desk.sync(mailboxId);
  const [failed] = await eventually('moving has failed', async () => {
    const found = await rows(desk, { archiveState: ['FAILED'] });
    return found.length === 1 && found;
  });
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  await desk.request(
    `mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }`,
    { id: failed?.id },
  );
  await eventually('it is archived', async () => (await folders(address)).get('Archive')?.length === 1);
});

test('copies go to a folder that is neither watched nor the archive; null ends them', async () => {
  const { desk, mailboxId, copies } = await enabled(() => ({
    afterProcessing: 'ARCHIVE',
    archiveFolderId: 'archive',
  }));
  expect(await update(desk, { mailboxId, copyFolderId: 'inbox' })).toEqual({
    code: 'COPY_FOLDER_IS_WATCHED',
  });
  expect(await update(desk, { mailboxId, copyFolderId: 'archive' })).toEqual({
    code: 'COPY_FOLDER_IS_ARCHIVE_FOLDER',
  });
  const chosen = { mailbox: { incoming: { copyFolder: { displayName: 'Copies' } } } };
  expect(await update(desk, { mailboxId, copyFolderId: copies })).toMatchObject(chosen);
  expect(await update(desk, { mailboxId, createTickets: true })).toMatchObject(chosen);
  expect(await update(desk, { mailboxId, folderId: copies })).toEqual({ code: 'COPY_FOLDER_IS_WATCHED' });
  expect(await update(desk, { mailboxId, copyFolderId: null })).toMatchObject({
    mailbox: { incoming: { copyFolder: null } },
  });
});

test.each([
  { afterProcessing: 'DELETE' as const, state: 'DONE' },
  { afterProcessing: 'ARCHIVE' as const, state: 'NOT_WANTED' },
])(
  'what a person has filed elsewhere before its turn stays there, and is copied all the same: $afterProcessing',
  async ({ afterProcessing, state }) => {
    const { desk, mailboxId, address } = await enabled(({ copies }) => ({
      afterProcessing,
      copyFolderId: copies,
      ...(afterProcessing === 'ARCHIVE' ? { archiveFolderId: 'archive' } : {}),
    }));
    // Nothing is filed until the copies are made, so a person has time.
    await control(app.emulator.url, 'faults', {
      status: 429,
      retryAfterSeconds: 2,
      pathPattern: '/copy$',
      mailbox: address,
    });
    const delivered = await deliverMany(
      app.emulator.url,
      ['One', 'Two', 'Three', 'Mine'].map((subject) => ({ to: address, subject })),
    );
    await desk.sync(mailboxId);
    await createFolder(desk, mailboxId, 'Filed by hand');
    await moveByHand(app.emulator, address, delivered.at(-1)?.id ?? '', 'Filed by hand');
    await control(app.emulator.url, 'faults', undefined, 'DELETE');
    const all = await eventually('all is done', async () => {
      const found = await rows(desk);
      return found.every((row) => row.archiveState !== 'DUE' && row.copyState === 'DONE') && found;
    });
    const lies = await folders(address);
    expect(lies.get('Filed by hand')).toEqual(['Mine']);
    expect(lies.get('Inbox')).toEqual([]);
    expect(lies.get(afterProcessing === 'DELETE' ? 'Deleted Items' : 'Archive')?.toSorted()).toEqual([
      'One',
      'Three',
      'Two',
    ]);
    expect(lies.get('Copies')?.toSorted()).toEqual(['Mine', 'One', 'Three', 'Two']);
    expect(all.find(({ subject }) => subject === 'Mine')).toMatchObject({
      archiveState: state,
      problem: null,
    });
  },
  60_000,
);

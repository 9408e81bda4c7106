import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let graph: GraphWay;
let app: TestApp;
let desk: Desk;
let mailboxId: string;
let address: string;

beforeAll(async () => {
  graph = await startGraphWay();
  app = await startTestApp({}, { env: { MICROSOFT_GRAPH_URL: graph.url } });
  graph.target = app.emulator.graphUrl;
  desk = await app.newDesk();
  ({ mailboxId, address } = await desk.connectMailbox());
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await graph?.[Symbol.asyncDispose]();
});

interface Settings {
  enabled: boolean;
  intervalMinutes: string;
  folder: { displayName: string } | null;
  createTickets: boolean;
  afterProcessing: string;
  archiveFolder: { displayName: string } | null;
  receiveFrom: string | null;
}

type Answer = { mailbox?: { incoming: Settings }; code?: string; remedy?: string };

async function update(input: Record<string, unknown>, from = desk): Promise<Answer> {
  const { updateIncomingSettings } = await from.request<{ updateIncomingSettings: Answer }>(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
       ... on UpdateIncomingSettingsPayload { mailbox { incoming { enabled intervalMinutes folder { displayName }
         createTickets afterProcessing archiveFolder { displayName } receiveFrom } } }
       ... on Error { code remedy } } }`,
    { input: { mailboxId, ...input } },
  );
  return updateIncomingSettings;
}

const incoming = async (input: Record<string, unknown> = {}) => (await update(input)).mailbox?.incoming;

async function createFolder(displayName: string): Promise<{ folder?: { id: string }; code?: string }> {
  const { createMailFolder } = await desk.request<{
    createMailFolder: { folder?: { id: string }; code?: string };
  }>(
    `mutation ($input: CreateMailFolderInput!) { createMailFolder(input: $input) {
       ... on CreateMailFolderPayload { folder { id } } ... on Error { code } } }`,
    { input: { mailboxId, displayName } },
  );
  return createMailFolder;
}

test('a new mailbox takes nothing in until it is enabled; enabling watches the Inbox from that moment', async () => {
  const other = await desk.connectMailbox();
  expect(await incoming({ mailboxId: other.mailboxId })).toMatchObject({
    enabled: false,
    folder: null,
    receiveFrom: null,
    createTickets: true,
    afterProcessing: 'KEEP',
  });
  const before = Math.floor(Date.now() / 1_000) * 1_000;
  const enabled = await incoming({ mailboxId: other.mailboxId, enabled: true });
  expect(enabled).toMatchObject({ enabled: true, folder: { displayName: 'Inbox' } });
  expect(Date.parse(enabled?.receiveFrom ?? '')).toBeGreaterThanOrEqual(before);
});

test('what a change leaves out stays, and the same change twice is the same', async () => {
  const change = { enabled: true, intervalMinutes: 'MINUTES_15', createTickets: false };
  const once = await incoming(change);
  expect(once).toMatchObject(change);
  expect(await incoming(change)).toEqual(once);
  expect(await incoming({ createTickets: true })).toEqual({ ...once, createTickets: true });
});

test('any folder can be watched, and watching another one starts from that moment', async () => {
  const first = await incoming({ enabled: true });
  const { folder } = await createFolder('Support requests');
  const switched = await incoming({ folderId: folder?.id });
  expect(switched?.folder).toEqual({ displayName: 'Support requests' });
  expect(Date.parse(switched?.receiveFrom ?? '')).toBeGreaterThanOrEqual(
    Date.parse(first?.receiveFrom ?? ''),
  );
  expect((await incoming({ folderId: 'inbox' }))?.folder).toEqual({ displayName: 'Inbox' });
});

test('archiving needs a folder, and one that is not watched; nothing is saved otherwise', async () => {
  const before = await incoming();
  expect(await update({ afterProcessing: 'ARCHIVE' })).toMatchObject({
    code: 'ARCHIVE_FOLDER_REQUIRED',
    remedy: expect.stringContaining('archiveFolderId'),
  });
  expect(await update({ enabled: true, afterProcessing: 'ARCHIVE', archiveFolderId: 'inbox' })).toMatchObject(
    {
      code: 'ARCHIVE_FOLDER_IS_WATCHED',
    },
  );
  expect(await incoming()).toEqual(before);
  expect(await incoming({ afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' })).toMatchObject({
    afterProcessing: 'ARCHIVE',
    archiveFolder: { displayName: 'Archive' },
  });
});

test('a folder that does not exist is refused, and nothing is saved', async () => {
  const before = await incoming();
  expect(await update({ folderId: 'no-such-folder', createTickets: false })).toMatchObject({
    code: 'UNKNOWN_FOLDER',
  });
  expect(await update({ archiveFolderId: 'no-such-folder' })).toMatchObject({ code: 'UNKNOWN_FOLDER' });
  expect(await incoming()).toEqual(before);
});

test('an interval that is not on offer is refused by the schema', async () => {
  await expect(update({ intervalMinutes: 'MINUTES_7' })).rejects.toThrow(/SyncInterval/);
});

test('two changes at once both count, and while Microsoft is asked no transaction is open', async () => {
  const other = await desk.connectMailbox();
  const held = graph.hold(/\/mailFolders\/archive\?/);
  const slow = update({ mailboxId: other.mailboxId, afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
  let isAnswered = false;
  void slow.then(() => {
    isAnswered = true;
  });
  await eventually('Microsoft is being asked', () => held.count > 0);
  // A job of the background may be between two of its statements; a transaction of this change would last as long as it.
  await eventually('no transaction is open', async () => {
    const open = await app.database.em.fork().execute<object[]>(
      `select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'
         and query ilike '%mailbox%'`,
    );
    return open.length === 0;
  });
  expect(isAnswered).toBe(false);
  expect(
    (await update({ mailboxId: other.mailboxId, createTickets: false })).mailbox?.incoming.createTickets,
  ).toBe(false);
  held.release();
  expect((await slow).mailbox?.incoming).toMatchObject({
    createTickets: false,
    afterProcessing: 'ARCHIVE',
    archiveFolder: { displayName: 'Archive' },
  });
});

test('a mailbox that does not exist, and one of another organization, answer the same', async () => {
  const stranger = await app.newDesk('Stranger');
  const nowhere = Buffer.from('Mailbox:01a1fd14-3ddc-7554-b123-0cbad8c60a01').toString('base64url');
  const unknown = await update({ mailboxId: nowhere, enabled: false });
  expect(unknown).toMatchObject({ code: 'NOT_FOUND' });
  expect(await update({ enabled: false }, stranger)).toEqual(unknown);
  expect((await incoming())?.enabled).toBe(true);
});

test('making a folder twice gives the same one', async () => {
  const first = await createFolder('processed-by-deskgraph');
  expect(await createFolder('processed-by-deskgraph')).toEqual(first);
  const names = [...(await foldersOf(app.emulator.url, address)).keys()];
  expect(names.filter((name) => name === 'processed-by-deskgraph')).toHaveLength(1);
});

test.each([[''], ['   '], ['a/b'], ['x'.repeat(201)], ['line\nbreak']])(
  'refuses the folder name %j',
  async (name) => {
    expect(await createFolder(name)).toMatchObject({ code: 'INVALID_FOLDER_NAME' });
  },
);

test('runSyncNow refuses a mailbox whose incoming mail is off', async () => {
  const other = await desk.connectMailbox();
  const { runSyncNow } = await desk.request<{ runSyncNow: { code: string; remedy: string } }>(
    'mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { ... on Error { code remedy } } }',
    { id: other.mailboxId },
  );
  expect(runSyncNow).toEqual({
    code: 'INCOMING_DISABLED',
    remedy: expect.stringContaining('updateIncomingSettings'),
  });
});

test('settings need the permission to manage mailboxes', async () => {
  const { createUser } = await desk.request<{ createUser: { user: { id: string } } }>(
    `mutation { createUser(input: { name: "Agent", role: AGENT }) { ... on CreateUserPayload { user { id } } } }`,
  );
  const { createApiKey } = await desk.request<{ createApiKey: { secret: string } }>(
    `mutation ($id: ID!) { createApiKey(input: { userId: $id, name: "key" }) { ... on CreateApiKeyPayload { secret } } }`,
    { id: createUser.user.id },
  );
  const agent: Desk = {
    ...desk,
    request: (query, variables) => graphqlRequest(app.url, createApiKey.secret, query, variables),
  };
  await expect(update({ enabled: false }, agent)).rejects.toThrow(/permission/i);
  expect((await incoming())?.enabled).toBe(true);
});

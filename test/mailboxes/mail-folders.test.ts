import { afterAll, beforeAll, expect, test } from 'vitest';
import { findUserByAddress } from '../../src/emulator/state.ts';
import { issueAccessToken } from '../../src/emulator/tokens.ts';
import { deliverMany } from '../support/mail.ts';
import { type AccessDesk, startAccessDesk } from './access-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

interface FolderView {
  id: string;
  displayName: string;
  path: string;
  parentId: string | null;
  depth: number;
  wellKnownName: string | null;
  childFolderCount: number;
  totalItemCount: number;
  unreadItemCount: number;
}

async function foldersOf(mailboxId: string): Promise<FolderView[]> {
  const { node } = await stage.desk.request<{ node: { folders: FolderView[] } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { folders { id displayName path parentId depth wellKnownName
       childFolderCount totalItemCount unreadItemCount } } } }`,
    { id: mailboxId },
  );
  return node.folders;
}

/** A mailbox, and a way to do in it what its owner does in Outlook. */
async function outlook() {
  const { mailboxId, address } = await stage.desk.connectMailbox();
  const { state } = stage.app.emulator;
  const user = findUserByAddress(state, address);
  const owner = state.addresses.get(address);
  if (!user || !owner) throw new Error('no such mailbox');
  const { token } = issueAccessToken(state, {
    tenantId: owner.tenantId,
    user,
    appId: 'outlook',
    scopes: ['Mail.ReadWrite'],
    roles: [],
  });
  const make = async (folder: Record<string, unknown>, below = 'msgfolderroot'): Promise<string> => {
    const response = await fetch(`${stage.app.emulator.graphUrl}/v1.0/me/mailFolders/${below}/childFolders`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(folder),
    });
    if (!response.ok) throw new Error(await response.text());
    return ((await response.json()) as { id: string }).id;
  };
  return { mailboxId, address, make };
}

const create = (input: Record<string, unknown>) =>
  stage.run<{ folder?: FolderView; code?: string }>('createMailFolder', input);

test('folders are a tree: each is followed by those below it, with path, depth, counts and the name that every language has', async () => {
  const { mailboxId, address, make } = await outlook();
  await stage.exchange(
    `mailboxes/${address}`,
    { folderNames: { inbox: 'Posteingang', archive: 'Archiv' } },
    'PATCH',
  );
  const customers = await make({ displayName: 'Kunden' }, 'inbox');
  await make({ displayName: 'Nord / Süd' }, customers);
  await make({ displayName: 'Intern' }, 'inbox');
  await make({ displayName: 'Zuletzt' });
  await deliverMany(stage.app.emulator.url, [
    { to: address, subject: 'One', folder: customers },
    { to: address, subject: 'Two', folder: customers },
  ]);
  const folders = await foldersOf(mailboxId);
  const inbox = folders.findIndex(({ wellKnownName }) => wellKnownName === 'inbox');
  expect(folders.slice(inbox, inbox + 4)).toMatchObject([
    { path: 'Posteingang', depth: 0, parentId: null, childFolderCount: 2 },
    {
      path: 'Posteingang / Kunden',
      depth: 1,
      parentId: folders[inbox]?.id,
      childFolderCount: 1,
      totalItemCount: 2,
      unreadItemCount: 2,
      wellKnownName: null,
    },
    { path: 'Posteingang / Kunden / Nord / Süd', displayName: 'Nord / Süd', depth: 2, parentId: customers },
    { path: 'Posteingang / Intern', depth: 1 },
  ]);
  expect(folders.find(({ wellKnownName }) => wellKnownName === 'archive')?.displayName).toBe('Archiv');
  expect(folders.at(-1)).toMatchObject({ path: 'Zuletzt', depth: 0 });
});

test('hidden folders and search folders are left out, and so is what lies in hidden ones', async () => {
  const { mailboxId, make } = await outlook();
  const hidden = await make({ displayName: 'Secret machinery', isHidden: true });
  await make({ displayName: 'In the machinery' }, hidden);
  await make({ displayName: 'Unread mail', '@odata.type': '#microsoft.graph.mailSearchFolder' });
  const names = (await foldersOf(mailboxId)).map(({ displayName }) => displayName);
  expect(names).toContain('Inbox');
  for (const name of ['Secret machinery', 'In the machinery', 'Unread mail', 'Conversation History']) {
    expect(names).not.toContain(name);
  }
});

test('pages are followed, and at most 1,000 folders are given', async () => {
  const { mailboxId, make } = await outlook();
  const parent = await make({ displayName: 'Many' });
  for (let number = 0; number < 260; number += 1) await make({ displayName: `F${number}` }, parent);
  const folders = await foldersOf(mailboxId);
  expect(folders.filter(({ parentId }) => parentId === parent)).toHaveLength(260);
  for (let number = 260; number < 1_050; number += 1) await make({ displayName: `F${number}` }, parent);
  const most = await foldersOf(mailboxId);
  expect(most).toHaveLength(1_000);
  expect(most.every(({ parentId }) => parentId === null || most.some(({ id }) => id === parentId))).toBe(
    true,
  );
});

test('createMailFolder makes a folder below another one, by id or well-known name, and gives an existing one back', async () => {
  const { mailboxId } = await outlook();
  const first = await create({ mailboxId, displayName: 'Done', parentFolderId: 'inbox' });
  expect(first.folder).toMatchObject({ path: 'Inbox / Done', depth: 1 });
  const again = await create({ mailboxId, displayName: 'done', parentFolderId: 'inbox' });
  expect(again.folder?.id).toBe(first.folder?.id);
  const below = await create({ mailboxId, displayName: '2026', parentFolderId: first.folder?.id });
  expect(below.folder).toMatchObject({ path: 'Inbox / Done / 2026', depth: 2, parentId: first.folder?.id });
  // Of the same name at the top it is another folder.
  const top = await create({ mailboxId, displayName: 'Done' });
  expect(top.folder).toMatchObject({ path: 'Done', depth: 0, parentId: null });
  expect(top.folder?.id).not.toBe(first.folder?.id);
});

test('a parent that does not exist is UNKNOWN_FOLDER, and nothing is made', async () => {
  const { mailboxId } = await outlook();
  const before = await foldersOf(mailboxId);
  for (const parentFolderId of ['nothing', `${'A'.repeat(60)}=`]) {
    expect(await create({ mailboxId, displayName: 'Lost', parentFolderId })).toMatchObject({
      code: 'UNKNOWN_FOLDER',
    });
  }
  expect(await foldersOf(mailboxId)).toEqual(before);
});

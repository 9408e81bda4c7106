import { GraphFault } from './graph-fault.ts';
import { isWellFormedId, newDefaultId } from './ids.ts';
import type { Folder, Mailbox } from './mailbox.ts';

/** The folders every mailbox has; hidden ones show with `includeHiddenFolders=true`. */
const WELL_KNOWN_FOLDERS: readonly { name: string; displayName: string; hidden: boolean }[] = [
  { name: 'archive', displayName: 'Archive', hidden: false },
  { name: 'deleteditems', displayName: 'Deleted Items', hidden: false },
  { name: 'drafts', displayName: 'Drafts', hidden: false },
  { name: 'inbox', displayName: 'Inbox', hidden: false },
  { name: 'junkemail', displayName: 'Junk Email', hidden: false },
  { name: 'outbox', displayName: 'Outbox', hidden: false },
  { name: 'sentitems', displayName: 'Sent Items', hidden: false },
  { name: 'conversationhistory', displayName: 'Conversation History', hidden: true },
  { name: 'recoverableitemsdeletions', displayName: 'Deletions', hidden: true },
];

/** An empty mailbox with its well-known folders. */
export function createMailbox(tenantId: string, userId: string): Mailbox {
  const mailbox: Mailbox = {
    tenantId,
    userId,
    folders: new Map(),
    wellKnown: new Map(),
    messages: new Map(),
    timeline: [],
    currentIds: new Map(),
    byInternetMessageId: new Map(),
    conversations: new Map(),
    nextSerial: 1,
  };
  const root = putFolder(mailbox, null, 'Top of Information Store', false, 'msgfolderroot');
  for (const { name, displayName, hidden } of WELL_KNOWN_FOLDERS) {
    putFolder(mailbox, root, displayName, hidden, name);
  }
  return mailbox;
}

/** The folder by id or well-known name. Throws 400 for what is no id, 404 `ErrorItemNotFound` for an unknown one. */
export function folderOf(mailbox: Mailbox, idOrName: string): Folder {
  const folder = mailbox.folders.get(mailbox.wellKnown.get(idOrName.toLowerCase()) ?? idOrName);
  if (folder !== undefined) return folder;
  if (!isWellFormedId(idOrName)) throw new GraphFault(400, 'ErrorInvalidIdMalformed', 'Id is malformed.');
  throw new GraphFault(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');
}

/** Makes a folder. Throws 409 `ErrorFolderExists` when a sibling has that name, in whatever case. */
export function createFolder(
  mailbox: Mailbox,
  parent: Folder,
  displayName: string,
  isHidden: boolean,
): Folder {
  assertNameIsFree(mailbox, parent, displayName);
  return putFolder(mailbox, parent, displayName, isHidden, null);
}

/** Gives a folder another name. Throws 403 for a well-known folder, 409 when a sibling has that name. */
export function renameFolder(mailbox: Mailbox, folder: Folder, displayName: string): void {
  const parent = mailbox.folders.get(folder.parentFolderId ?? '');
  if (folder.wellKnownName !== null || parent === undefined) {
    throw new GraphFault(403, 'ErrorAccessDenied', 'A distinguished folder cannot be renamed.');
  }
  if (displayName.toLowerCase() !== folder.displayName.toLowerCase())
    assertNameIsFree(mailbox, parent, displayName);
  folder.displayName = displayName;
}

/** The folders directly below a folder. */
export function childrenOf(mailbox: Mailbox, parent: Folder, includeHidden: boolean): Folder[] {
  return parent.childFolderIds
    .map((id) => mailbox.folders.get(id))
    .filter((folder) => folder !== undefined)
    .filter((folder) => includeHidden || !folder.isHidden);
}

function putFolder(
  mailbox: Mailbox,
  parent: Folder | null,
  displayName: string,
  isHidden: boolean,
  wellKnownName: string | null,
): Folder {
  const folder: Folder = {
    id: newDefaultId(),
    displayName,
    parentFolderId: parent?.id ?? null,
    wellKnownName,
    isHidden,
    childFolderIds: [],
    messages: [],
    unreadItemCount: 0,
    log: [],
    logStart: 0,
    lastChanges: new Map(),
  };
  mailbox.folders.set(folder.id, folder);
  if (wellKnownName !== null) mailbox.wellKnown.set(wellKnownName, folder.id);
  parent?.childFolderIds.push(folder.id);
  return folder;
}

/** Deletes a folder as Outlook does: it goes, with all that is in it, below Deleted Items. Throws 403 for well-known ones. */
export function deleteFolder(mailbox: Mailbox, folder: Folder): void {
  const target = folderOf(mailbox, 'deleteditems');
  detachFolder(mailbox, folder);
  folder.parentFolderId = target.id;
  target.childFolderIds.push(folder.id);
}

/** Takes a folder away for good; the caller has destroyed its messages. Throws 403 for well-known ones. */
export function destroyFolder(mailbox: Mailbox, folder: Folder): void {
  detachFolder(mailbox, folder);
  mailbox.folders.delete(folder.id);
}

/** Throws 403 for a well-known folder, which nobody can delete. */
export function assertDeletable(folder: Folder): void {
  if (folder.wellKnownName === null) return;
  throw new GraphFault(403, 'ErrorDeleteDistinguishedFolder', 'Distinguished folders cannot be deleted.');
}

function detachFolder(mailbox: Mailbox, folder: Folder): void {
  assertDeletable(folder);
  const parent = mailbox.folders.get(folder.parentFolderId ?? '');
  if (parent !== undefined) parent.childFolderIds = parent.childFolderIds.filter((id) => id !== folder.id);
}

function assertNameIsFree(mailbox: Mailbox, parent: Folder, displayName: string): void {
  const wanted = displayName.toLowerCase();
  if (childrenOf(mailbox, parent, true).some((child) => child.displayName.toLowerCase() === wanted)) {
    throw new GraphFault(409, 'ErrorFolderExists', 'A folder with the specified name already exists.');
  }
}

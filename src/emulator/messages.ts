import { logChange } from './change-log.ts';
import { GraphFault } from './graph-fault.ts';
import { isWellFormedId, newChangeKey, newDefaultId, newImmutableId } from './ids.ts';
import type { Folder, FolderChange, Mailbox, StoredMessage } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { insertInOrder, removeFromOrder } from './mailbox-index.ts';
import { tellWatcher } from './push-watch.ts';

/** A message that has no place yet: everything but what its mailbox gives it. */
export type NewMessage = Omit<
  StoredMessage,
  'immutableId' | 'id' | 'folderId' | 'serial' | 'changeKey' | 'createdAt' | 'modifiedAt'
>;

/** Puts a new message into a folder; from then on lists, ids and delta queries show it. */
export function addMessage(
  mailbox: Mailbox,
  folder: Folder,
  message: NewMessage,
  now: number,
): StoredMessage {
  const stored: StoredMessage = {
    ...message,
    // Lists show whole seconds; a hidden fraction would make a filter by a shown instant miss its own message.
    receivedAt: Math.trunc(message.receivedAt / 1000) * 1000,
    immutableId: newImmutableId(),
    id: newDefaultId(),
    folderId: folder.id,
    serial: mailbox.nextSerial,
    changeKey: newChangeKey(),
    createdAt: now,
    modifiedAt: now,
  };
  mailbox.nextSerial += 1;
  register(mailbox, stored);
  enterFolder(mailbox, folder, stored);
  return stored;
}

/**
 * The message by default or immutable id; ids are case-sensitive.
 * Throws 400 `ErrorInvalidIdMalformed` for what cannot be an id, 404 `ErrorItemNotFound` for one that is gone.
 */
export function messageOf(mailbox: Mailbox, id: string): StoredMessage {
  const message = mailbox.messages.get(mailbox.currentIds.get(id) ?? id);
  if (message !== undefined) return message;
  if (!isWellFormedId(id)) throw new GraphFault(400, 'ErrorInvalidIdMalformed', 'Id is malformed.');
  throw new GraphFault(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');
}

/** Moves a message: its default id changes, its immutable id stays; both folders' delta queries report it. */
export function moveMessage(mailbox: Mailbox, message: StoredMessage, target: Folder, now: number): void {
  leaveFolder(mailbox, message);
  message.id = newDefaultId();
  message.folderId = target.id;
  markChanged(message, now);
  enterFolder(mailbox, target, message);
}

/** Copies a message into a folder; the copy has ids of its own and shares the `Message-ID`. */
export function copyMessage(
  mailbox: Mailbox,
  message: StoredMessage,
  target: Folder,
  now: number,
): StoredMessage {
  return addMessage(mailbox, target, structuredCopy(message), now);
}

/** Deletes for good: no folder shows the message any more. */
export function destroyMessage(mailbox: Mailbox, message: StoredMessage): void {
  leaveFolder(mailbox, message);
  removeFromOrder(mailbox.timeline, message);
  mailbox.messages.delete(message.immutableId);
  const sameInternetId = mailbox.byInternetMessageId.get(message.internetMessageId);
  sameInternetId?.delete(message.immutableId);
  if (sameInternetId?.size === 0) mailbox.byInternetMessageId.delete(message.internetMessageId);
}

/** Puts a message that was destroyed into a folder again, changed: its immutable id stays, its default id does not. */
export function putBackMessage(
  mailbox: Mailbox,
  message: StoredMessage,
  folder: Folder,
  change: Partial<NewMessage>,
  now: number,
): void {
  Object.assign(message, change);
  message.receivedAt = Math.trunc(message.receivedAt / 1000) * 1000;
  message.id = newDefaultId();
  message.folderId = folder.id;
  markChanged(message, now);
  register(mailbox, message);
  enterFolder(mailbox, folder, message);
}

/** Deletes as Outlook does: into Deleted Items, from there into Recoverable Items, from there for good. */
export function deleteMessage(mailbox: Mailbox, message: StoredMessage, now: number): void {
  const recoverable = folderOf(mailbox, 'recoverableitemsdeletions');
  const deletedItems = folderOf(mailbox, 'deleteditems');
  if (message.folderId === recoverable.id) destroyMessage(mailbox, message);
  else moveMessage(mailbox, message, message.folderId === deletedItems.id ? recoverable : deletedItems, now);
}

/** Changes properties of a message in place; its folder's delta query reports it as updated. */
export function updateMessage(
  mailbox: Mailbox,
  message: StoredMessage,
  change: Partial<NewMessage>,
  now: number,
): void {
  const folder = folderOf(mailbox, message.folderId);
  if (change.isRead !== undefined && change.isRead !== message.isRead) {
    folder.unreadItemCount += change.isRead ? -1 : 1;
  }
  Object.assign(message, change);
  markChanged(message, now);
  changed(mailbox, folder, 'updated', message);
}

function register(mailbox: Mailbox, message: StoredMessage): void {
  mailbox.messages.set(message.immutableId, message);
  insertInOrder(mailbox.timeline, message);
  const sameInternetId = mailbox.byInternetMessageId.get(message.internetMessageId) ?? new Set();
  mailbox.byInternetMessageId.set(message.internetMessageId, sameInternetId.add(message.immutableId));
}

function markChanged(message: StoredMessage, now: number): void {
  message.changeKey = newChangeKey();
  message.modifiedAt = now;
}

function enterFolder(mailbox: Mailbox, folder: Folder, message: StoredMessage): void {
  mailbox.currentIds.set(message.id, message.immutableId);
  insertInOrder(folder.messages, message);
  if (!message.isRead) folder.unreadItemCount += 1;
  changed(mailbox, folder, 'created', message);
}

function leaveFolder(mailbox: Mailbox, message: StoredMessage): void {
  const folder = folderOf(mailbox, message.folderId);
  mailbox.currentIds.delete(message.id);
  removeFromOrder(folder.messages, message);
  if (!message.isRead) folder.unreadItemCount -= 1;
  changed(mailbox, folder, 'removed', message);
}

/** For delta queries and for change notifications. */
function changed(mailbox: Mailbox, folder: Folder, kind: FolderChange['kind'], message: StoredMessage): void {
  logChange(folder, kind, message);
  tellWatcher(mailbox, folder, kind, message);
}

/** A copy that shares nothing that can change; the bytes of attachments and source never change and are shared. */
export function structuredCopy(message: NewMessage): NewMessage {
  return {
    ...message,
    to: [...message.to],
    cc: [...message.cc],
    bcc: [...message.bcc],
    replyTo: [...message.replyTo],
    flag: { ...message.flag },
    categories: [...message.categories],
    headers: [...message.headers],
    body: { ...message.body },
    attachments: message.attachments.map((attachment) => ({ ...attachment, id: newDefaultId() })),
    extendedProperties: new Map(message.extendedProperties),
  };
}

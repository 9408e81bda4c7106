import type { Folder, FolderChange, Mailbox, StoredMessage } from './mailbox.ts';

/** Hears of every change of a message, with the ids the message had in that folder. */
export type MailboxWatcher = (folder: Folder, kind: FolderChange['kind'], message: StoredMessage) => void;

// Beside the mailboxes rather than in them: a mailbox is written into the state file, and a function cannot be.
const watchers = new WeakMap<Mailbox, MailboxWatcher>();

/** From now on the watcher hears of this mailbox; one that listened before does not. */
export function watchMailbox(mailbox: Mailbox, watcher: MailboxWatcher): void {
  watchers.set(mailbox, watcher);
}

/** Tells whoever watches. */
export function tellWatcher(
  mailbox: Mailbox,
  folder: Folder,
  kind: FolderChange['kind'],
  message: StoredMessage,
): void {
  watchers.get(mailbox)?.(folder, kind, message);
}

import type { Folder, FolderChange, Mailbox, StoredMessage } from './mailbox.ts';

/** A folder remembers this many changes; older ones are dropped and delta links into them answer 410. */
const MOST_CHANGES = 200_000;

/** The position after the newest change: a delta link from here reports only what happens from now on. */
export function endOfLog(folder: Folder): number {
  return folder.logStart + folder.log.length;
}

/** The position after the newest change that a delta query shows when it is `lag` milliseconds behind. */
export function shownEndOfLog(mailbox: Mailbox, folder: Folder, now: number, lag: number): number {
  // Also where the clock was set back, and everything seems to lie ahead.
  if (lag === 0) return endOfLog(folder);
  const isShown = ({ immutableId }: FolderChange) => {
    const message = mailbox.messages.get(immutableId);
    return message === undefined || message.modifiedAt <= now - lag;
  };
  return folder.logStart + folder.log.findLastIndex(isShown) + 1;
}

/** Writes down that a message arrived in, changed in, or left this folder. */
export function logChange(folder: Folder, kind: FolderChange['kind'], message: StoredMessage): void {
  const position = endOfLog(folder);
  const before = folder.lastChanges.get(message.immutableId);
  folder.log.push({
    kind,
    immutableId: message.immutableId,
    id: message.id,
    receivedAt: message.receivedAt,
    reason: 'deleted',
  });
  folder.lastChanges.set(message.immutableId, {
    position,
    created: kind === 'created' ? position : (before?.created ?? position),
  });
  if (folder.log.length > MOST_CHANGES) dropOldest(folder);
}

function dropOldest(folder: Folder): void {
  const dropped = folder.log.length >>> 1;
  folder.log.splice(0, dropped);
  folder.logStart += dropped;
  for (const [id, change] of folder.lastChanges) {
    if (change.position < folder.logStart) folder.lastChanges.delete(id);
  }
}

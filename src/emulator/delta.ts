import type { DeltaToken } from './delta-token.ts';
import { GraphFault } from './graph-fault.ts';
import type { Folder, FolderChange, Mailbox, StoredMessage } from './mailbox.ts';
import { firstAtOrAfter } from './mailbox-index.ts';

/** With a filter a delta query gives no more messages than this (Microsoft's own limit). */
const MOST_FILTERED_MESSAGES = 5_000;
/** A page of a later round looks at this many log entries for each item it may give; so a page can be empty. */
const ENTRIES_PER_ITEM = 20;

/** One item of a page: a message, or word that one is gone. */
export type DeltaItem = { message: StoredMessage; isNew: boolean } | { removed: FolderChange };

/** A page of a delta query, and where it goes on. */
export interface DeltaPage {
  items: DeltaItem[];
  next: DeltaToken;
  /** True when the round is complete: `next` belongs in a delta link. */
  isLast: boolean;
}

/**
 * The next page, of what the change log holds before the position `end`. Throws 410 `syncStateNotFound` when the log no
 * longer reaches back to the token.
 */
export function deltaPage(
  mailbox: Mailbox,
  folder: Folder,
  token: DeltaToken,
  { pageSize, end }: { pageSize: number; end: number },
): DeltaPage {
  if (token.position < folder.logStart) throw syncStateNotFound();
  return token.isFirstRound
    ? firstRoundPage(folder, token, pageSize, end)
    : laterRoundPage(mailbox, folder, token, pageSize, end);
}

/** 410: the client has to start again without a token. `restartUrl` is where. */
export function syncStateNotFound(restartUrl?: string): GraphFault {
  return new GraphFault(
    410,
    'syncStateNotFound',
    'The sync state generation is not found; continue with a full synchronization.',
    restartUrl === undefined ? {} : { location: restartUrl },
  );
}

/** The folder as it is, from the place of the last message given; changes meanwhile are left to the next round. */
function firstRoundPage(folder: Folder, token: DeltaToken, pageSize: number, end: number): DeltaPage {
  const { messages } = folder;
  const lowest = lowestIndex(folder, token);
  const room =
    token.receivedFrom === null ? pageSize : Math.min(pageSize, MOST_FILTERED_MESSAGES - token.given);
  const page = token.newestFirst
    ? messages.slice(Math.max(lowest, indexAfter(folder, token) - room), indexAfter(folder, token)).reverse()
    : messages.slice(
        Math.max(lowest, indexAfter(folder, token)),
        Math.max(lowest, indexAfter(folder, token)) + room,
      );
  const last = page.at(-1);
  const given = token.given + page.length;
  const isFull = token.receivedFrom !== null && given >= MOST_FILTERED_MESSAGES;
  const isLast = page.length < room || isFull;
  const hidden = token.changeType === 'updated' || token.changeType === 'deleted';
  return {
    items: hidden ? [] : page.filter(isShown).map((message) => ({ message, isNew: true })),
    isLast,
    next: {
      ...token,
      after: last === undefined ? token.after : { receivedAt: last.receivedAt, serial: last.serial },
      given,
      isFirstRound: !isLast,
      roundStart: token.position,
    },
  };

  function isShown({ immutableId }: StoredMessage): boolean {
    return (folder.lastChanges.get(immutableId)?.created ?? 0) < end;
  }
}

function lowestIndex(folder: Folder, token: DeltaToken): number {
  if (token.receivedFrom === null) return 0;
  const serial = token.receivedFromExclusive ? Number.MAX_SAFE_INTEGER : 0;
  return firstAtOrAfter(folder.messages, { receivedAt: token.receivedFrom, serial });
}

/** Ascending: the index of the first message not yet given. Descending: one past the last not yet given. */
function indexAfter(folder: Folder, token: DeltaToken): number {
  if (token.after === null) return token.newestFirst ? folder.messages.length : 0;
  const { receivedAt, serial } = token.after;
  return firstAtOrAfter(folder.messages, { receivedAt, serial: token.newestFirst ? serial : serial + 1 });
}

/** What happened since: each message once, as it is now, at the place of its last change. */
function laterRoundPage(
  mailbox: Mailbox,
  folder: Folder,
  token: DeltaToken,
  pageSize: number,
  end: number,
): DeltaPage {
  const items: DeltaItem[] = [];
  const farthest = Math.min(end, token.position + pageSize * ENTRIES_PER_ITEM);
  let position = token.position;
  for (; position < farthest && items.length < pageSize; position += 1) {
    const change = folder.log[position - folder.logStart];
    const last = change === undefined ? undefined : folder.lastChanges.get(change.immutableId);
    if (change === undefined || last?.position !== position) continue;
    const item = itemOf(mailbox, folder, change, last.created >= token.roundStart, token);
    if (item !== null) items.push(item);
  }
  const isLast = position >= end;
  return { items, isLast, next: { ...token, position, roundStart: isLast ? position : token.roundStart } };
}

function itemOf(
  mailbox: Mailbox,
  folder: Folder,
  change: FolderChange,
  isNew: boolean,
  token: DeltaToken,
): DeltaItem | null {
  const from = token.receivedFrom;
  const isOlder =
    from !== null &&
    (change.receivedAt < from || (token.receivedFromExclusive && change.receivedAt === from));
  if (isOlder) return null;
  const message = mailbox.messages.get(change.immutableId);
  const isHere = message !== undefined && message.folderId === folder.id;
  const kind = isHere ? (isNew ? 'created' : 'updated') : 'deleted';
  if (token.changeType !== null && token.changeType !== kind) return null;
  return isHere ? { message, isNew } : { removed: change };
}

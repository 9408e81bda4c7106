/*
 * Mail as the rest of Deskgraph knows it. Graph's JSON stops behind `MailApi`: nothing here has Microsoft's shape.
 */
import type { Problem } from '../platform/problem.ts';
import type { GraphError } from './graph-error.ts';

/** A person in a mail header. */
export interface MailAddress {
  name: string | null;
  /** In lower case. Not necessarily deliverable: it is what the mail said. */
  emailAddress: string;
}

export interface MailBody {
  contentType: 'html' | 'text';
  /** As Microsoft gives it. HTML has lost its active content there; sanitise it again all the same. */
  content: string;
}

/** A mail that was read from a mailbox. */
export interface IncomingMail {
  /** Immutable id: survives moves within the mailbox. Case-sensitive. */
  graphMessageId: string;
  /** RFC 5322 `Message-ID` with its angle brackets. Not unique. */
  internetMessageId: string | null;
  /** Outlook's guess at a conversation. Unrelated mails with equal subjects may share it. */
  conversationId: string | null;
  subject: string;
  from: MailAddress | null;
  replyTo: MailAddress[];
  to: MailAddress[];
  cc: MailAddress[];
  receivedAt: Date | null;
  sentAt: Date | null;
  isDraft: boolean;
  /** A hint only: false when the only attachments are inline. */
  hasAttachments: boolean;
  body: MailBody;
  /** What this mail adds to its conversation, as Outlook sees it; null when Outlook gives none. */
  uniqueBody: MailBody | null;
  /** Message ids with angle brackets. */
  inReplyTo: string[];
  /** Message ids with angle brackets, oldest first. */
  references: string[];
  /** Internet message headers in their order, names as written. May be empty for sent mail. */
  headers: { name: string; value: string }[];
  /** Where it lay when it was read; missing where that was not asked for: in a delta of a folder. */
  folderId?: string;
  /** Exchange's `PidTagMessageClass`; known of mail about meetings, and of mail whose headers say that a machine wrote it. */
  messageClass?: string;
  /** The meeting that it is about, which Exchange tells in place of a calendar file; missing for all other mail. */
  meeting?: Meeting;
  /** The beginning of the MIME source of a report on delivery; missing for all other mail. */
  report?: string;
}

/** A meeting, by the properties of the mail that asks for it, cancels it or answers to it. */
export interface Meeting {
  /** As RFC 5546 calls them; an answer is `REPLY`, whatever it says. */
  method: 'REQUEST' | 'CANCEL' | 'REPLY';
  isAllDay: boolean;
  /** Null for whole days, and when Exchange does not tell. */
  startsAt: Date | null;
  endsAt: Date | null;
  /** The first of whole days: `2026-11-21`. Null for all others. */
  startDay: string | null;
  location: string | null;
}

/** An attachment's description, without its content. */
export interface IncomingAttachment {
  /** Not immutable: read the content soon after listing. */
  graphAttachmentId: string;
  /** `FILE`: bytes. `ITEM`: a mail, event or contact inside. `LINK`: only a link to a file elsewhere. */
  kind: 'FILE' | 'ITEM' | 'LINK';
  name: string;
  contentType: string;
  /** As Microsoft tells it; the content may be smaller. */
  sizeBytes: number;
  /** Without angle brackets, as `cid:` links name it. */
  contentId: string | null;
  isInline: boolean;
  /** Where the file is, for `LINK`; null when Microsoft does not tell. */
  link: string | null;
}

/** Where the content of an attachment is. */
export interface AttachmentAddress {
  graphMessageId: string;
  graphAttachmentId: string;
}

/** Names by which Graph knows a folder in every language. */
export const WELL_KNOWN_FOLDERS = [
  'inbox',
  'archive',
  'sentitems',
  'drafts',
  'deleteditems',
  'junkemail',
] as const;
export type WellKnownFolder = (typeof WELL_KNOWN_FOLDERS)[number];

export interface MailFolder {
  /** Constant for the life of the folder. */
  id: string;
  displayName: string;
  /** Null at the top of the tree. */
  parentId: string | null;
  /** How many folders are above it; 0 at the top. */
  depth: number;
  /** Display names from the top, joined by ` / `; names may hold slashes themselves. */
  path: string;
  wellKnownName: WellKnownFolder | null;
  /** Directly below it, without hidden ones. */
  childFolderCount: number;
  totalItemCount: number;
  unreadItemCount: number;
}

/** A mailbox and the account that reads it. */
export interface MailboxAccess {
  organizationId: string;
  accountId: string;
  emailAddress: string;
  /** `PRIMARY`: the account's own. `SHARED`: another one that the account may open. `TENANT`: any, by the app itself. */
  kind: 'PRIMARY' | 'SHARED' | 'TENANT';
  /** Entra's id of its user, where it is known: addresses change. */
  microsoftUserId?: string | null | undefined;
}

/** A part of what happened in a folder. */
export interface DeltaPage {
  mails: IncomingMail[];
  /** Ids that left the folder. Not proof of deletion: our own archiving shows up here as well. */
  removedIds: string[];
  /** Mails that could not be read; the others of the page are complete. */
  unreadable: { graphMessageId: string | null; problem: Problem }[];
  /** Where to go on: store it with the rows of this page. Opaque and secret (it is an address at Microsoft). */
  cursor: string;
  /** Whether the round is over: the cursor then waits for what happens next. */
  isLastPage: boolean;
}

/**
 * From a cursor, or the first page of a round over mail received at or after a time. `oneByOne` reads each mail by itself:
 * slower, and the way around a mail that Microsoft cannot give out (`PAGE_UNREADABLE`). Cursors remember it.
 */
export type DeltaRequest =
  | { folderId: string; cursor: string }
  | { folderId: string; receivedFrom: Date; oneByOne?: boolean };

/** A mail of a listing: enough to find it in the ledger. */
export interface ListedMail {
  graphMessageId: string;
  /** As Microsoft gives it; null when the mail has none. */
  internetMessageId: string | null;
  /** Null in a listing of ids only. */
  receivedAt: Date | null;
  isDraft: boolean;
}

/**
 * From a point in time, or from a link of an earlier page. `idsOnly` leaves out everything but the ids: the way around a
 * damaged mail, which makes a whole page fail (`GraphError` with the status 500 or 504). Links remember it.
 */
export type ListingRequest =
  | { folderId: string; receivedFrom: Date; receivedUntil: Date; idsOnly?: boolean }
  | { folderId: string; link: string };

/** A page of a listing, the oldest mail first. */
export interface ListingPage {
  mails: ListedMail[];
  /** Where the listing goes on; null at its end. Opaque and secret (it is an address at Microsoft). */
  link: string | null;
}

/** A folder's mail received from a time on and before another. */
export interface HistoryRange {
  folderId: string;
  receivedFrom: Date;
  receivedBefore: Date;
}

/**
 * From a point in time, or from a link of an earlier page. `oneByOne` reads each mail by itself: the way around a mail that
 * Microsoft cannot give out (`PAGE_UNREADABLE`). Links remember it.
 */
export type HistoryRequest = (HistoryRange & { oneByOne?: boolean }) | { folderId: string; link: string };

/** A page of a folder's mail with its content, the oldest mail first. */
export interface HistoryPage extends Pick<DeltaPage, 'mails' | 'unreadable'> {
  /** Where it goes on; null at the end. Opaque and secret (it is an address at Microsoft). */
  link: string | null;
}

/** Counts the requests that went to Microsoft, repeats included. */
export interface RequestCounter {
  requests: number;
}

/**
 * The mail of Microsoft 365. Every call keeps the mailbox's limits, repeats what is safe to repeat, has a deadline, ends
 * with `signal`, and throws {@link GraphError}.
 */
export interface MailApi {
  /** The same API, counting its requests into `counter`: how a sync run knows what it cost. */
  withCounter(counter: RequestCounter): MailApi;
  /** The whole tree, each folder followed by those below it, at most 1,000. Hidden folders and searches are left out. */
  listFolders(mailbox: MailboxAccess, signal: AbortSignal): Promise<MailFolder[]>;
  /** Null when it does not exist. */
  getFolder(
    mailbox: MailboxAccess,
    idOrWellKnownName: string,
    signal: AbortSignal,
  ): Promise<MailFolder | null>;
  /**
   * Makes a folder at the top of the mailbox, or below another. Idempotent: an existing one of that name is given back.
   * Throws `GraphError` with `FOLDER_NOT_FOUND` when there is no such parent.
   */
  createFolder(
    mailbox: MailboxAccess,
    displayName: string,
    signal: AbortSignal,
    parentFolderId?: string | null,
  ): Promise<MailFolder>;
  /**
   * One page of a folder's changes. Throws `DeltaExpiredError` when the cursor has expired: start again with
   * `receivedFrom` and overlap. With `receivedFrom` Graph gives 5,000 mails at most in a round. Throws `GraphError`
   * `PAGE_UNREADABLE` when a damaged mail stands in the way: start again with `receivedFrom`, overlap and `oneByOne`,
   * which lists it in `unreadable` and goes on.
   */
  readDelta(mailbox: MailboxAccess, request: DeltaRequest, signal: AbortSignal): Promise<DeltaPage>;
  /** Null when it does not exist. Throws `GraphError` `UNEXPECTED_ANSWER` when the mail cannot be read. */
  getMail(mailbox: MailboxAccess, graphMessageId: string, signal: AbortSignal): Promise<IncomingMail | null>;
  /**
   * Many mails, 20 in a request. What is in neither list does not exist any more. What Microsoft refuses for some of them
   * only makes those unreadable. Throws what concerns all of them.
   */
  getMails(
    mailbox: MailboxAccess,
    graphMessageIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Pick<DeltaPage, 'mails' | 'unreadable'>>;
  /** Which mails a folder holds, without their content: at most 1,000 in a page, both ends of the time included. */
  listMail(mailbox: MailboxAccess, request: ListingRequest, signal: AbortSignal): Promise<ListingPage>;
  /**
   * Mail that lies in a folder, with its content, the oldest first: at most 100 in a page. Throws `GraphError`
   * `PAGE_UNREADABLE` when a damaged mail stands in the way: ask again with `oneByOne`, which lists it in `unreadable`.
   */
  readHistory(mailbox: MailboxAccess, request: HistoryRequest, signal: AbortSignal): Promise<HistoryPage>;
  /** How many mails lie in a range of a folder. */
  countMail(mailbox: MailboxAccess, range: HistoryRange, signal: AbortSignal): Promise<number>;
  /** Descriptions only, at most 1,000. Throws `ITEM_NOT_FOUND` when the mail is gone. */
  listAttachments(
    mailbox: MailboxAccess,
    graphMessageId: string,
    signal: AbortSignal,
  ): Promise<IncomingAttachment[]>;
  /**
   * The same for many mails, 20 in a request, each with its listing or why there is none; `ITEM_NOT_FOUND`: it is gone.
   * Throws only what concerns all of them.
   */
  listAttachmentsOfMany(
    mailbox: MailboxAccess,
    graphMessageIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, IncomingAttachment[] | GraphError>>;
  /**
   * The content, streamed. A `LINK` has none. Read it to its end, leave the loop or abort `signal`: until then it holds
   * one of the mailbox's four slots, and calls that need all four (folders, moves) wait: make none from inside the loop.
   */
  readAttachment(
    mailbox: MailboxAccess,
    graphMessageId: string,
    graphAttachmentId: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /**
   * The whole content of `FILE`s, 20 in a request, in their order: each its bytes, why it has none, or null when it must
   * be streamed. All of it is in memory at once, three times over for a moment: ask for a few megabytes at most.
   */
  readSmallFiles(
    mailbox: MailboxAccess,
    files: readonly AttachmentAddress[],
    signal: AbortSignal,
  ): Promise<(Uint8Array | GraphError | null)[]>;
  /**
   * Moves mails, 20 in a request, and tells for each what became of it; `GONE` when it no longer exists. Idempotent: ids
   * are immutable, so moving a moved mail to where it is changes nothing.
   */
  moveMails(
    mailbox: MailboxAccess,
    graphMessageIds: readonly string[],
    destinationFolderId: string,
    signal: AbortSignal,
  ): Promise<Map<string, 'MOVED' | 'GONE' | GraphError>>;
  /**
   * Copies mails, 20 in a request, and tells for each the id of its copy; `GONE` when the mail no longer exists. Not
   * idempotent, and never repeated where it may have been done: after a `GraphError` look with `findCopies` first.
   */
  copyMails(
    mailbox: MailboxAccess,
    graphMessageIds: readonly string[],
    destinationFolderId: string,
    signal: AbortSignal,
  ): Promise<Map<string, { copyId: string } | 'GONE' | GraphError>>;
  /** The ids of the mails in a folder by their Message-IDs, 20 in a request. Throws when one of them cannot be told. */
  findCopies(
    mailbox: MailboxAccess,
    folderId: string,
    internetMessageIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, string[]>>;
  /**
   * Deletes mails as Outlook does, 20 in a request. A mail that is deleted a second time goes from Deleted Items to
   * Recoverable Items, so nothing is repeated where it may have been done: look with `foldersOfMails` first.
   */
  deleteMails(
    mailbox: MailboxAccess,
    graphMessageIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, 'DELETED' | 'GONE' | GraphError>>;
  /** The folders that mails lie in, 20 in a request; a mail that no longer exists is left out. Throws as `findCopies`. */
  foldersOfMails(
    mailbox: MailboxAccess,
    graphMessageIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, string>>;
}

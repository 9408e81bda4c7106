/*
 * Sending as the rest of Deskgraph knows it. Graph's JSON stops behind `MailSending`. A mail is made as a draft first and
 * sent then: a draft has an id, and what has an id can be looked for when an answer was lost.
 */
import type { MailAddress, MailboxAccess, RequestCounter } from './mail.ts';

/** A mail to be made. */
export interface OutgoingMail {
  /** Kept in an extended property and in the header `X-Deskgraph-Outbound-Message`: how the mail is found again. */
  outboundMessageId: string;
  /** Kept in the header `X-Deskgraph-Organization`: how our own mail is recognised when it comes back. */
  organizationId: string;
  from: MailAddress;
  replyTo: readonly MailAddress[];
  to: readonly MailAddress[];
  cc: readonly MailAddress[];
  bcc: readonly MailAddress[];
  subject: string;
  body: { contentType: 'html' | 'text'; content: string };
  /**
   * Graph's id of the mail that it answers, in the same mailbox: Exchange then writes the threading headers itself. Null,
   * or gone: `inReplyTo` and `references` are written as properties.
   */
  answersGraphMessageId: string | null;
  /** With angle brackets. */
  inReplyTo: string | null;
  /** With angle brackets, oldest first; a long chain is cut in its middle. */
  references: readonly string[];
  /** Other machines are told not to answer (`X-Auto-Response-Suppress`, RFC 3834 `Auto-Submitted` where Exchange keeps it). */
  isAutomatic: boolean;
}

/** A mail as it lies in the mailbox. */
export interface OutgoingCopy {
  /** Immutable. */
  graphMessageId: string;
  internetMessageId: string | null;
  conversationId: string | null;
  isDraft: boolean;
  /** In the Outbox lies what Exchange has taken and not yet sent, still as a draft: a queue of its own may hold it for minutes. */
  folder: 'DRAFTS' | 'OUTBOX' | 'SENT_ITEMS' | 'OTHER';
  /** What recipients see as its sender. */
  from: MailAddress | null;
  /** Who really sent it; differs from `from` for Send on Behalf. */
  sender: MailAddress | null;
  sentAt: Date | null;
}

/** A file of a draft, without its content. `contentId` is ours, and tells which one it is. */
export interface DraftFile {
  graphAttachmentId: string;
  name: string;
  contentId: string | null;
}

/** A file to be put on a draft. */
export interface OutgoingFile {
  name: string;
  contentType: string;
  sizeBytes: number;
  /** Without angle brackets; unique in the mail, also for files that are not inline. */
  contentId: string;
  isInline: boolean;
  /** The content from a byte on, read as it is needed. */
  read(fromByte: number): AsyncIterable<Uint8Array>;
}

/** An upload that may be gone on with; the URL lets anybody upload: keep it sealed. */
export interface UploadProgress {
  uploadUrl: string;
  expiresAt: Date;
}

/** An address of a mailbox as the directory has it. */
export interface MailboxAddresses {
  /** In lower case; null for a mailbox that has none. */
  primary: string | null;
  /** In lower case, without the primary one. */
  aliases: string[];
  displayName: string | null;
}

/**
 * Sends mail. Every call keeps the mailbox's limits, has a deadline, ends with `signal`, and throws `GraphError`. What
 * could be done twice is never repeated after an unclear failure (`GraphError.isUnclear`, and whatever is no `GraphError`):
 * look first.
 */
export interface MailSending {
  /** The same, counting its requests. */
  withCounter(counter: RequestCounter): MailSending;
  /**
   * Makes the draft. Not idempotent. `onReply` is called when Exchange has made a reply, which does not say yet what the mail
   * says. Throws `MESSAGE_TOO_LARGE` before anything is asked when the body is above 2.5 MB.
   */
  createDraft(
    mailbox: MailboxAccess,
    mail: OutgoingMail,
    signal: AbortSignal,
    onReply?: () => Promise<void>,
  ): Promise<OutgoingCopy>;
  /**
   * Makes a draft that was found say what the mail says: Exchange writes recipients, a subject, a quotation and its
   * pictures into replies, and a crash may have come before that was put right, so call it for every draft that was found
   * instead of made. Removes files whose content id is not among `ownContentIds`. Idempotent. Null when the draft does
   * not exist (any more); what is no draft any more is left alone.
   */
  completeDraft(
    mailbox: MailboxAccess,
    graphMessageId: string,
    mail: OutgoingMail,
    options: { signal: AbortSignal; ownContentIds: readonly string[] },
  ): Promise<OutgoingCopy | null>;
  /**
   * Every mail of the mailbox that carries the id, drafts and sent ones, in whatever folder: at most 10. A draft in
   * `OTHER` was moved or deleted by somebody: Deleted Items is a folder as well.
   */
  findByOutboundMessageId(
    mailbox: MailboxAccess,
    outboundMessageId: string,
    signal: AbortSignal,
  ): Promise<OutgoingCopy[]>;
  /** Null when it does not exist (any more). */
  getCopy(mailbox: MailboxAccess, graphMessageId: string, signal: AbortSignal): Promise<OutgoingCopy | null>;
  /** At most 500. */
  listDraftFiles(mailbox: MailboxAccess, graphMessageId: string, signal: AbortSignal): Promise<DraftFile[]>;
  /**
   * Puts a file on a draft: in one request up to 3 MB, in an upload session above, to 150 MB. `resume` goes on with a
   * session of an earlier attempt, if Microsoft still has it; `onSession` is told of a new one before its first byte is
   * sent, and `onRange` is called after each range of bytes but the last.
   * Not idempotent for small files: look with `listDraftFiles` after an unclear failure.
   */
  addFile(
    mailbox: MailboxAccess,
    graphMessageId: string,
    file: OutgoingFile,
    options: {
      signal: AbortSignal;
      resume?: UploadProgress | null;
      onSession?: (progress: UploadProgress) => Promise<void>;
      onRange?: () => Promise<void>;
    },
  ): Promise<void>;
  /**
   * Sends the draft. Never repeated by itself, not even when throttled (but with a new token where Microsoft refuses one:
   * 401). Resolves when Microsoft has taken it. `ITEM_NOT_FOUND`: it was sent and moved by somebody, or deleted: look.
   */
  sendDraft(mailbox: MailboxAccess, graphMessageId: string, signal: AbortSignal): Promise<void>;
  /**
   * Deletes a draft that shall not be sent; one that is gone is deleted already. Never deletes what is no draft, nor
   * what is being sent (in the Outbox): throws `REQUEST_REFUSED`.
   */
  deleteDraft(mailbox: MailboxAccess, graphMessageId: string, signal: AbortSignal): Promise<void>;
  /**
   * The addresses of the mailbox (`mail`, `userPrincipalName`, `proxyAddresses`). For the mailbox of another user this
   * needs a directory permission: null without it.
   */
  readAddresses(
    mailbox: MailboxAccess,
    permissions: readonly string[],
    signal: AbortSignal,
  ): Promise<MailboxAddresses | null>;
}

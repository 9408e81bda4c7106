import type { FollowupFlag, InternetMessageHeader, ItemBody } from '@microsoft/microsoft-graph-types';
import type { StoredMeeting } from './meeting.ts';

/** An e-mail address with the name that stands beside it. */
export interface MailAddress {
  name: string;
  address: string;
}

/** An attachment as it is kept: the bytes beside what Graph tells about it. */
export interface StoredAttachment {
  id: string;
  kind: 'file' | 'item' | 'reference';
  name: string;
  contentType: string | null;
  isInline: boolean;
  contentId: string | null;
  /** The file's bytes; for an item its MIME source; for a reference empty. */
  content: Buffer;
  lastModifiedAt: number;
}

/** A message as it is kept. Instants are milliseconds since 1970. */
export interface StoredMessage {
  /** Survives moves inside the mailbox. */
  immutableId: string;
  /** Changes at every move, as Exchange's default ids do. */
  id: string;
  folderId: string;
  /** Grows with every message of the mailbox; breaks ties of `receivedAt`. */
  serial: number;
  changeKey: string;
  createdAt: number;
  modifiedAt: number;
  receivedAt: number;
  sentAt: number;
  subject: string;
  from: MailAddress | null;
  sender: MailAddress | null;
  to: MailAddress[];
  cc: MailAddress[];
  bcc: MailAddress[];
  replyTo: MailAddress[];
  importance: 'low' | 'normal' | 'high';
  isRead: boolean;
  isDraft: boolean;
  isDeliveryReceiptRequested: boolean;
  isReadReceiptRequested: boolean;
  flag: FollowupFlag;
  categories: string[];
  inferenceClassification: 'focused' | 'other';
  conversationId: string;
  conversationIndex: Buffer;
  internetMessageId: string;
  headers: InternetMessageHeader[];
  body: ItemBody;
  attachments: StoredAttachment[];
  /** The bytes that came in, when it came in as MIME; otherwise the source is composed on demand. */
  source: Buffer | null;
  /** By id, such as `String 0x001A`. */
  extendedProperties: Map<string, string>;
  /** Of mail that Exchange has made a meeting of. */
  meeting?: StoredMeeting | undefined;
}

/** One entry of a folder's change log, which delta queries read. */
export interface FolderChange {
  kind: 'created' | 'updated' | 'removed';
  immutableId: string;
  /** The default id the message had in this folder. */
  id: string;
  receivedAt: number;
  reason: 'deleted' | 'changed';
}

/** A mail folder with its messages in order of arrival and the log of what changed in it. */
export interface Folder {
  id: string;
  displayName: string;
  parentFolderId: string | null;
  /** Such as `inbox`; `null` for folders people made. */
  wellKnownName: string | null;
  isHidden: boolean;
  /** A search folder: it is listed, and holds what its search finds (here nothing). */
  isSearch?: boolean;
  childFolderIds: string[];
  /** Ascending by `receivedAt`, then `serial`. */
  messages: StoredMessage[];
  unreadItemCount: number;
  log: FolderChange[];
  /** How many of the oldest entries of `log` were dropped: log positions count from the first entry ever. */
  logStart: number;
  /** Per message the position of its last change in this folder and of its last arrival. */
  lastChanges: Map<string, { position: number; created: number }>;
}

/** A mailbox: its folders, and the ways to find a message without looking through all of them. */
export interface Mailbox {
  userId: string;
  tenantId: string;
  folders: Map<string, Folder>;
  wellKnown: Map<string, string>;
  /** By immutable id. */
  messages: Map<string, StoredMessage>;
  /** The messages of all folders, ascending by `receivedAt`, then `serial`. */
  timeline: StoredMessage[];
  /** Immutable id by current default id. */
  currentIds: Map<string, string>;
  /** Immutable ids by `Message-ID`; several copies may share one. */
  byInternetMessageId: Map<string, Set<string>>;
  /** Conversation by thread topic (the subject without Re: and the like). */
  conversations: Map<string, string>;
  nextSerial: number;
}

import type { CannotSendCode } from '../mailboxes/sending-errors.ts';
import type { AccountRefusal } from '../microsoft365/account-refusals.ts';
import type { GraphErrorCode } from '../microsoft365/graph-error.ts';
import type { SignInErrorCode } from '../microsoft365/sign-in-error.ts';

/** The request itself, and the server's answer to any request. */
const REQUEST_CODES = {
  UNAUTHENTICATED: 'No credentials were sent, or they are unknown, revoked or expired.',
  FORBIDDEN: 'The credentials are known; their role does not have the permission that this needs.',
  FOREIGN_ORIGIN: 'A browser sent this from a page of an origin that is not allowed.',
  NOT_FOUND: 'The id does not exist, or belongs to another organization: both answer the same.',
  INVALID_INPUT: 'The shape of an argument is right and its value is not; the message names it.',
  INVALID_CURSOR: 'The cursor is not one that this list or stream gave out.',
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The document is GraphQL and does not fit the schema.',
  BAD_REQUEST: 'The HTTP request is not a GraphQL request, or its variables do not fit.',
  LIMIT_EXCEEDED: 'The document or the request is larger than a documented limit; the message names it.',
  TOO_MANY_STREAMS: 'The API key already holds as many WebSockets and event streams as it may.',
  TOO_MANY_OPERATIONS: 'The WebSocket already runs as many operations as it may.',
  TIMEOUT: 'The operation took longer than it may and was ended.',
  INTERNAL_SERVER_ERROR: 'Something unexpected; the log has it under the correlation id of the answer.',
} as const;

/** Streams that end. */
const STREAM_CODES = {
  SESSION_ENDED:
    'The API key was revoked, or its user disabled or given another role, while a stream was open.',
  SLOW_CONSUMER: 'The events came faster than they were taken. Nothing is lost: resume with the last cursor.',
  CURSOR_EXPIRED: 'The events that followed the cursor are no longer kept.',
  SERVER_STOPPING: 'The server is stopping. Nothing is lost: connect again and resume with the last cursor.',
} as const;

/** Users and keys. */
const ACCESS_CODES = {
  OWNER_REQUIRED: 'Only an OWNER may make, change or act for an OWNER.',
  LAST_OWNER: 'The organization would be left without an OWNER.',
  USER_DISABLED: 'The user is disabled.',
} as const;

/** Microsoft does not let an account in. */
const ACCOUNT_CODES = {
  MFA_REQUIRED: 'Microsoft asks the account for a second factor.',
  ACCOUNT_NOT_FOUND: 'The account does not exist in the tenant.',
  ACCOUNT_DISABLED: 'The account is disabled or locked at Microsoft.',
  APP_NOT_ASSIGNED: 'The tenant lets only assigned accounts use the app, and the account is not.',
  APP_DISABLED: 'The app, or the service of Microsoft that it asks, is switched off in the tenant.',
  CONDITIONAL_ACCESS: 'A Conditional Access policy of the tenant does not let the account use the app.',
} as const satisfies Record<AccountRefusal, string>;

/** Integrations and signing in at Microsoft. */
const SIGN_IN_CODES = {
  INTEGRATION_EXISTS: 'The organization already has an integration for this app registration.',
  INVALID_STATE: 'The sign-in was not started here, belongs to another browser, or was completed already.',
  SIGN_IN_EXPIRED: 'The sign-in took too long.',
  CONSENT_DECLINED: 'The permissions were not granted.',
  ADMIN_APPROVAL_NEEDED: 'Only an administrator at Microsoft can grant these permissions.',
  REDIRECT_URI_MISMATCH: 'The app registration does not know the redirect URI of this server.',
  TENANT_NOT_FOUND: 'Microsoft knows no tenant of this id or domain.',
  WRONG_CLOUD: 'The tenant belongs to another cloud of Microsoft.',
  CERTIFICATE_REFUSED: 'Microsoft does not accept the certificate.',
  SECRET_INVALID: 'Microsoft does not accept the client secret.',
  SECRET_EXPIRED: 'The client secret has expired.',
  APP_NOT_FOUND: 'Microsoft does not know the app registration in this tenant.',
  USER_MISMATCH: 'Another account signed in than the one that was to; the message names both.',
  ...ACCOUNT_CODES,
  TOKEN_EXCHANGE_FAILED: 'Microsoft did not give out tokens for the sign-in.',
  SIGN_IN_UNAVAILABLE: 'The sign-in service of Microsoft could not be reached.',
  PROFILE_FETCH_FAILED: 'The profile of the account could not be read.',
} as const satisfies Record<SignInErrorCode, string> & Record<string, string>;

/** Mailboxes at Microsoft 365. */
const GRAPH_CODES = {
  ...ACCOUNT_CODES,
  ACCOUNT_DISCONNECTED: 'The account was disconnected; it has to sign in again first.',
  MAILBOX_ACCESS_DENIED: 'The account may not use the mailbox.',
  SEND_AS_DENIED: 'The account may not send as the mailbox.',
  MAILBOX_NOT_FOUND: 'Microsoft knows no mailbox of this address.',
  MAILBOX_NOT_ENABLED: 'The mailbox is not an Exchange Online mailbox.',
  FOLDER_NOT_FOUND: 'The folder does not exist any more.',
  ITEM_NOT_FOUND: 'The message or file does not exist any more in the mailbox.',
  FOLDER_EXISTS: 'A folder of this name exists already.',
  QUOTA_EXCEEDED: 'The mailbox is full.',
  RECIPIENT_REFUSED: 'Exchange does not take the recipients of the mail.',
  MESSAGE_TOO_LARGE: 'The mail, or a file of it, is larger than Microsoft 365 takes.',
  SENDING_LIMIT_REACHED: 'The mailbox has sent as much as Exchange Online allows for now; it is sent later.',
  SENDING_BLOCKED: 'Microsoft has blocked the account from sending.',
  THROTTLED: 'Microsoft asked to wait; it is tried again.',
  GRAPH_UNAVAILABLE: 'Microsoft Graph could not be reached; it is tried again.',
  GRAPH_TIMEOUT: 'Microsoft Graph did not answer in time; it is tried again.',
  DELTA_EXPIRED: 'The bookmark of the folder expired; the folder is read again.',
  PAGE_UNREADABLE: 'A damaged mail keeps a part of the folder from being read.',
  SIGN_IN_REQUIRED: 'The account must sign in again.',
  TOKEN_REVOKED: 'Somebody revoked the sign-in of the account, or reset its password.',
  CONSENT_REQUIRED: 'Permissions must be granted again.',
  CREDENTIAL_REFUSED: 'Microsoft refuses the app registration, its client secret or its certificate.',
  LOGIN_UNAVAILABLE: 'The login service of Microsoft could not be reached; it is tried again.',
  ANSWER_TOO_LARGE: 'Microsoft Graph answered with more than can be held; pages are read in smaller parts.',
  REQUEST_REFUSED: 'Microsoft Graph did not accept a request of ours.',
  FOREIGN_LINK: 'An answer pointed outside of Microsoft Graph and was not followed.',
  UNEXPECTED_ANSWER: 'Microsoft Graph answered in an unknown form.',
  PUSH_VALIDATION_FAILED: 'Microsoft could not reach the webhook of this server; mail is polled.',
  PUSH_REFUSED: 'Microsoft does not send notifications for the mailbox; mail is polled.',
  PUSH_DUPLICATE:
    'Somebody else with the same app registration has a subscription for the folder; mail is polled.',
  PUSH_QUOTA: 'The mailbox has as many subscriptions as Microsoft allows; mail is polled.',
  SUBSCRIPTION_NOT_FOUND: 'The subscription does not exist any more at Microsoft; a new one is made.',
} as const satisfies Record<GraphErrorCode, string>;

/** Mailboxes and their settings here, and reading them. */
const MAILBOX_CODES = {
  ALREADY_CONNECTED: 'The organization has connected the mailbox already, through another account.',
  MAILBOX_IS_GROUP: 'The address belongs to a group or distribution list, which has no mailbox to read.',
  ACCESS_NOT_LIMITED: 'A mailbox that must not be reachable can be reached.',
  UNKNOWN_FOLDER: 'The mailbox has no such folder.',
  INVALID_FOLDER_NAME: 'The name of the folder is empty, too long or has characters that are refused.',
  ARCHIVE_FOLDER_REQUIRED: 'Archiving was asked for without a folder to archive to.',
  ARCHIVE_FOLDER_IS_WATCHED: 'The archive folder is the folder that is watched.',
  COPY_FOLDER_IS_WATCHED: 'The copy folder is the folder that is watched.',
  COPY_FOLDER_IS_ARCHIVE_FOLDER: 'The copy folder is the archive folder.',
  MAILBOX_RECEIVES: 'A mailbox takes mail in, so no other channel can.',
  UNKNOWN_TIME_ZONE: 'There is no time zone of this name.',
  INCOMING_DISABLED: 'Incoming mail is switched off for the mailbox.',
  PUSH_IMPOSSIBLE: 'Microsoft cannot announce the mail of this mailbox to this server; the message says why.',
  PUSH_NOT_ACTIVE: 'Microsoft has no subscription for the mailbox at the moment.',
  PUSH_PROBE_TOO_SOON: 'Push was probed a moment ago.',
  IMPORT_RUNNING: 'The mailbox imports its existing mail already, in another way.',
  IMPORT_ENDED: 'The import has ended: there is nothing to cancel or to resume.',
  IMPORT_FOLDER_CHANGED: 'The import belongs to a folder that is no longer watched.',
  IMPORT_SETTINGS_CHANGED:
    'Incoming mail or its tickets were switched off, the mailbox was removed, or another folder is watched now: an import has stopped.',
  IMPORT_FAILED: 'An import was stopped by a fault in Deskgraph or its database.',
  INBOUND_MESSAGE_NOT_FAILED: 'The message did not fail, so there is nothing to try again.',
  TICKET_NOT_OPENED: 'The message was ignored for a reason that nobody can overrule; the message says which.',
  CREATE_TICKETS_OFF: 'The mailbox opens no tickets, so importing its existing mail would only ignore it.',
  SYNC_FAILED: 'A folder could not be read to its end because of a fault in Deskgraph or its database.',
  RECONCILIATION_FAILED: 'A reconciliation was stopped by a fault in Deskgraph or its database.',
  MESSAGE_MISSING: 'A message went missing here; it is read from the mailbox again.',
  NOT_SYNCED_YET: 'There is nothing to reconcile before the watched folder has been read to its end once.',
  PROCESSING_FAILED: 'A message could not be made part of a ticket; it is tried again.',
} as const;

/** Identities, sender profiles and outgoing settings: why nothing is sent, before anybody has written. */
const SENDER_CODES = {
  ADDRESSES_NOT_READABLE: 'Only the primary address of the mailbox is known: its others may not be read.',
  IDENTITY_DENIED: 'Microsoft does not let the account send as the address.',
  IDENTITY_GONE: 'The mailbox no longer has the address.',
  IDENTITY_NOT_AVAILABLE: 'The identity does not exist, was removed, or is somebody else’s own.',
  IDENTITY_WITHOUT_PROFILE: 'The identity has no sender profile.',
  MAILBOX_REMOVED: 'The mailbox was removed: nothing is sent from it.',
  NO_IDENTITY: 'There is nothing to send as.',
  OUTGOING_DISABLED: 'Sending is switched off for the mailbox.',
  PERSONAL_SENDER_NOT_ALLOWED: 'The organization does not let people send from their own mailboxes.',
  PRIMARY_IDENTITY: 'The primary address of a mailbox cannot be taken from it.',
  TOO_MANY_IDENTITIES: 'The mailbox has as many identities as it may.',
  SENDER_PROFILE_NAME_TAKEN: 'Another sender profile has this name.',
  SENDER_PROFILE_IN_USE: 'The sender profile cannot be deleted: identities use it.',
  TOO_MANY_SENDER_PROFILES: 'The organization has as many sender profiles as it may.',
} as const satisfies Partial<Record<CannotSendCode, string>> & Record<string, string>;

/** Tickets, messages and files. */
const TICKETING_CODES = {
  TICKET_CHANGED: 'Somebody else changed the ticket in the meantime.',
  STORM: 'More messages came from one sender within an hour than the limits allow.',
  ASSIGNEE_NOT_AVAILABLE: 'The user cannot be given tickets.',
  GROUP_NAME_TAKEN: 'Another group has this name.',
  GROUP_IN_USE: 'The group cannot be deleted: tickets, mailboxes or mail rules name it.',
  GROUP_NOT_AVAILABLE: 'The group cannot be given anything: unknown or archived.',
  TOO_MANY_GROUPS: 'The organization has as many groups as it may.',
  MAIL_RULE_NAME_TAKEN: 'Another mail rule has this name.',
  TOO_MANY_MAIL_RULES: 'The organization has as many mail rules as it may.',
  ATTACHMENT_TOO_LARGE: 'The file is larger than the limit and was left in the mailbox.',
  ATTACHMENTS_TOO_LARGE:
    'The files of the message are larger together than the limit; this one was left in the mailbox.',
  ATTACHMENT_NOT_FAILED: 'The file has not failed, so there is nothing to fetch again.',
  ATTACHMENT_LINK_UNKNOWN: 'An attached link whose address Microsoft does not tell.',
  MESSAGE_SHORTENED: 'A mail was not deleted because only a part of its text is kept.',
  OUTLOOK_CONTAINER: 'The file (winmail.dat) holds others in a format that only Outlook opens.',
  STORAGE_UNAVAILABLE: 'The place where files are kept cannot be reached now.',
  TOO_MANY_ATTACHMENTS: 'The message has more files than are stored.',
  ATTACHMENT_NOT_STORED:
    'The file could not be fetched from the mailbox, so it cannot be sent along either; or a mail was not deleted because one of its files is not stored.',
} as const;

/** The outbox: why a mail waits or has failed, and what to know of sending. */
const OUTBOUND_CODES = {
  DRAFT_DELETED:
    'The draft of a mail is gone from the mailbox; it is looked for in Sent Items, and made anew.',
  FILE_MISSING: 'A file of the mail is not kept any more.',
  OUTBOUND_MESSAGE_NOT_FAILED: 'The mail did not fail, so there is nothing to try again.',
  OUTBOUND_MESSAGE_NOT_QUEUED: 'The mail does not wait any more, so it cannot be cancelled.',
  SEND_UNCLEAR:
    'Microsoft did not say whether it has sent the mail; that is found out before it is sent again.',
  SEND_NOT_CONFIRMED:
    'Microsoft did not say whether it has sent the mail, the draft is gone, and no copy of the mail is to be seen.',
  SENDING_LIMIT_NEAR: 'A mailbox has used 80 % of what Exchange lets it send.',
  SENT_COPY_ELSEWHERE: 'The copies of sent mail are in another folder than Sent Items.',
  SENT_COPY_MISSING: 'The copies of sent mail are not in the mailbox that it was sent from.',
  TEMPLATE_INVALID: 'The template is not Liquid, asks for what there is not, or does too much.',
} as const;

/** Replies and what they carry. */
const REPLY_CODES = {
  NO_RECIPIENT: 'There is nobody whom the reply could go to.',
  TOO_MANY_RECIPIENTS: 'The mail has more recipients than Exchange takes.',
  IDEMPOTENCY_KEY_REUSED: 'The idempotency key was used for another mail.',
  TOO_MANY_UPLOADS: 'More or larger uploads wait to be used than a user, or an organization, may have.',
  UPLOAD_INCOMPLETE: 'The content of the upload has not come yet.',
  UPLOAD_SIZE_MISMATCH: 'The content has another size than the upload was announced with.',
} as const;

/** The codes of sending: a row each in the catalogue. */
export type SendingCode =
  | CannotSendCode
  | 'ATTACHMENT_NOT_STORED'
  | 'MESSAGE_TOO_LARGE'
  | 'RECIPIENT_REFUSED'
  | 'SEND_AS_DENIED'
  | 'SENDING_BLOCKED'
  | 'SENDING_LIMIT_REACHED'
  | keyof typeof SENDER_CODES
  | keyof typeof OUTBOUND_CODES
  | keyof typeof REPLY_CODES;

/** Starting the process; never seen by clients. */
const PROCESS_CODES = {
  INVALID_CONFIGURATION: 'The environment of the server has faults.',
  DATA_DIRECTORY_IN_USE: 'Another process uses the data directory.',
  OBJECT_STORAGE_REFUSED: 'The S3 bucket of the configuration cannot be used.',
  ENCRYPTION_KEY_MISSING: 'Stored secrets are sealed under an encryption key that the process was not given.',
  ENCRYPTION_KEY_WRONG: 'An encryption key is not the one of its name that stored secrets are sealed under.',
  EMBEDDED_DATABASE_UNAVAILABLE: 'The embedded database cannot run on this machine.',
} as const;

/**
 * Every code that an error or a problem can carry over the API, with what it means. Codes are public: they appear in the
 * schema as `ErrorCode` and in `extensions.code`, and are never reused for another meaning. A test compares this list
 * with the errors of the source.
 */
export const ERROR_CODES = {
  ...REQUEST_CODES,
  ...STREAM_CODES,
  ...ACCESS_CODES,
  ...SIGN_IN_CODES,
  ...GRAPH_CODES,
  ...MAILBOX_CODES,
  ...SENDER_CODES,
  ...OUTBOUND_CODES,
  ...TICKETING_CODES,
  ...REPLY_CODES,
} as const;

/** Codes of errors that end the process before it serves anybody. */
export const STARTUP_ERROR_CODES: Readonly<Record<string, string>> = PROCESS_CODES;

/** A code that an error of the API can carry. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The code as the API shows it: one that is not in the catalogue (a stored problem of an older version) is unexpected. */
export function errorCodeOf(code: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'INTERNAL_SERVER_ERROR';
}

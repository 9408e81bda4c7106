/**
 * Every code that an error of the API can carry, with what it means. Codes are public: they appear in the schema as
 * `ErrorCode` and in `extensions.code`, and are never reused for another meaning. A test compares this list with the
 * `ExpectedError`s of the source, both ways.
 */
export const ERROR_CODES = {
  // The request itself
  UNAUTHENTICATED: 'No credentials were sent, or they are unknown, revoked or expired.',
  FORBIDDEN: 'The credentials are known; their role does not have the permission that this needs.',
  NOT_FOUND: 'The id does not exist, or belongs to another organization: both answer the same.',
  INVALID_INPUT: 'The shape of an argument is right and its value is not; the message names it.',
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The document is GraphQL and does not fit the schema.',
  BAD_REQUEST: 'The HTTP request is not a GraphQL request, or its variables do not fit.',
  LIMIT_EXCEEDED:
    'The document or the request is larger than a documented limit allows; the message names it.',
  TOO_MANY_CONNECTIONS: 'The credential already holds as many connections as it may.',
  TIMEOUT: 'The request took longer than it may.',
  INTERNAL_SERVER_ERROR: 'Something unexpected; the log has it under the correlation id of the answer.',
  // Access
  OWNER_REQUIRED: 'Only an OWNER may make, change or issue keys for an OWNER.',
  LAST_OWNER: 'The change would leave the organization without an enabled OWNER.',
  USER_DISABLED: 'The user is disabled.',
  SESSION_ENDED:
    'The key was revoked, or its user disabled or given another role, while the stream was open.',
  // Lists and streams
  INVALID_CURSOR: 'The cursor is malformed, or not one of this list.',
  CURSOR_EXPIRED:
    'Events after the cursor are no longer kept: read the state anew, then subscribe without it.',
  SLOW_CONSUMER: 'Events came faster than they were taken. Resume with the last cursor received.',
  // Microsoft 365: integrations and signing in
  INTEGRATION_EXISTS: 'The organization has an integration with this cloud, tenant and client id.',
  INVALID_STATE: 'The sign-in was not started here, or was completed already.',
  SIGN_IN_EXPIRED: 'The sign-in took longer than ten minutes.',
  CONSENT_DECLINED: 'The permissions were not granted.',
  ADMIN_APPROVAL_NEEDED: 'Only an administrator of the Microsoft tenant may grant the permissions.',
  REDIRECT_URI_MISMATCH: 'The app registration does not list the redirect URI of this server.',
  SECRET_INVALID: 'Microsoft does not accept the client secret.',
  SECRET_EXPIRED: 'The client secret has expired.',
  APP_NOT_FOUND: 'Microsoft does not know the app registration in the tenant.',
  ACCESS_BLOCKED: 'Microsoft does not let the account use the app.',
  TOKEN_EXCHANGE_FAILED: 'Microsoft did not give out tokens for the sign-in.',
  SIGN_IN_UNAVAILABLE: 'The sign-in service of Microsoft could not be reached.',
  PROFILE_FETCH_FAILED: 'The sign-in worked, and the profile of the account could not be read.',
  // Microsoft 365: accounts and mailboxes
  SIGN_IN_REQUIRED: 'The account has to sign in again.',
  CONSENT_REQUIRED: 'Permissions of the account are missing.',
  CREDENTIAL_REFUSED: 'Microsoft no longer accepts the app registration or its client secret.',
  LOGIN_UNAVAILABLE: 'The sign-in service of Microsoft does not answer at the moment; it is tried again.',
  MAILBOX_ACCESS_DENIED: 'Microsoft 365 does not let the account into the mailbox.',
  MAILBOX_NOT_FOUND: 'Microsoft 365 does not know the mailbox.',
  MAILBOX_NOT_ENABLED: 'The mailbox is not in Exchange Online.',
  FOLDER_NOT_FOUND: 'The mailbox does not have the folder.',
  FOLDER_EXISTS: 'The mailbox has a folder of that name.',
  ITEM_NOT_FOUND: 'The mail is no longer in the mailbox.',
  QUOTA_EXCEEDED: 'The mailbox is full.',
  THROTTLED: 'Microsoft 365 asked to slow down; it is tried again.',
  GRAPH_UNAVAILABLE: 'Microsoft Graph does not answer as it should at the moment; it is tried again.',
  GRAPH_TIMEOUT: 'Microsoft Graph did not answer in time; it is tried again.',
  DELTA_EXPIRED: 'The bookmark in a folder expired; the folder is read again.',
  PAGE_UNREADABLE: 'A damaged mail stands in the way; mails are read one by one.',
  REQUEST_REFUSED: 'Microsoft Graph did not accept a request.',
  FOREIGN_LINK: 'A link in an answer led outside of Microsoft Graph and was not followed.',
  UNEXPECTED_ANSWER: 'Microsoft Graph answered in an unknown form.',
  // The process
  INVALID_CONFIGURATION: 'The environment of the server has faults.',
} as const satisfies Record<string, string>;

/** A code that an error of the API can carry. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The code as the API shows it: one that is not in the catalogue (a stored problem of an older version) is unexpected. */
export function errorCodeOf(code: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'INTERNAL_SERVER_ERROR';
}

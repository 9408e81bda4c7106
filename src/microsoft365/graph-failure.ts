import { DeltaExpiredError, GraphError, type GraphErrorCode } from './graph-error.ts';
import { parseRetryAfter } from './graph-retry.ts';
import { pushErrorCodeOf } from './push-failure.ts';

/** What a request was about: the same 404 means something else for a folder than for a mail. */
export type GraphSubject = 'MAILBOX' | 'FOLDER' | 'ITEM' | 'SUBSCRIPTION';

/** The part of a failed answer that says why. */
export interface FailedAnswer {
  status: number;
  /** Case does not matter. */
  header(name: string): string | null;
  /** The parsed body, whatever it is. */
  body: unknown;
}

/** Microsoft's codes in lower case: their capitals differ from page to page. */
const BY_MICROSOFT_CODE: Readonly<Record<string, GraphErrorCode>> = {
  erroraccessdenied: 'MAILBOX_ACCESS_DENIED',
  accessdenied: 'MAILBOX_ACCESS_DENIED',
  authorization_requestdenied: 'MAILBOX_ACCESS_DENIED',
  errorsendasdenied: 'SEND_AS_DENIED',
  mailboxnotenabledforrestapi: 'MAILBOX_NOT_ENABLED',
  mailboxnotsupportedforrestapi: 'MAILBOX_NOT_ENABLED',
  mailboxnothostedinexchangeonline: 'MAILBOX_NOT_ENABLED',
  resourcenotfound: 'MAILBOX_NOT_FOUND',
  request_resourcenotfound: 'MAILBOX_NOT_FOUND',
  errorinvaliduser: 'MAILBOX_NOT_FOUND',
  errornonexistentmailbox: 'MAILBOX_NOT_FOUND',
  errorfoldernotfound: 'FOLDER_NOT_FOUND',
  errorfolderexists: 'FOLDER_EXISTS',
  errorquotaexceeded: 'QUOTA_EXCEEDED',
  errorinvalidrecipients: 'RECIPIENT_REFUSED',
  errorexceededmaxrecipientlimit: 'RECIPIENT_REFUSED',
  errormessagesizeexceeded: 'MESSAGE_TOO_LARGE',
  errorexceededmessagelimit: 'SENDING_LIMIT_REACHED',
  errorexceededhourlymessagelimit: 'SENDING_LIMIT_REACHED',
  errorsubmissionquotaexceeded: 'SENDING_LIMIT_REACHED',
  erroraccountsuspend: 'SENDING_BLOCKED',
  erroraccountsuspendshowtierupgrade: 'SENDING_BLOCKED',
  errormessagesubmissionblocked: 'SENDING_BLOCKED',
  applicationthrottled: 'THROTTLED',
  errortoomanyobjectsopened: 'THROTTLED',
  errormailboxmoveinprogress: 'GRAPH_UNAVAILABLE',
  errorserverbusy: 'GRAPH_UNAVAILABLE',
  errormailboxstoreunavailable: 'GRAPH_UNAVAILABLE',
  errortimeoutexpired: 'GRAPH_UNAVAILABLE',
  // Somebody else was at the mail in the same moment, such as an Outlook that has the draft open.
  errorirresolvableconflict: 'GRAPH_UNAVAILABLE',
  errorstaleobject: 'GRAPH_UNAVAILABLE',
  invalidauthenticationtoken: 'SIGN_IN_REQUIRED',
};

/** https://learn.microsoft.com/graph/delta-query-overview#synchronization-reset and what is seen besides. */
const EXPIRED_CURSOR_CODES: ReadonlySet<string> = new Set([
  'syncstatenotfound',
  'syncstateinvalid',
  'invalidsyncstatedata',
  'resyncrequired',
]);

const MESSAGES: Partial<Record<GraphErrorCode, string>> = {
  MAILBOX_ACCESS_DENIED: 'Microsoft 365 does not let the connected account into the mailbox.',
  SEND_AS_DENIED: 'The connected account may not send as the mailbox.',
  MAILBOX_NOT_FOUND: 'Microsoft 365 does not know the mailbox.',
  MAILBOX_NOT_ENABLED: 'The mailbox is not in Exchange Online.',
  FOLDER_NOT_FOUND: 'The folder does not exist in the mailbox.',
  ITEM_NOT_FOUND: 'The mail does not exist in the mailbox.',
  FOLDER_EXISTS: 'A folder of that name exists.',
  QUOTA_EXCEEDED: 'The mailbox is full.',
  RECIPIENT_REFUSED: 'Microsoft 365 does not take the recipients of the mail.',
  MESSAGE_TOO_LARGE: 'The mail is larger than the mailbox may send.',
  SENDING_LIMIT_REACHED: 'The mailbox has sent as much as Exchange Online allows for now.',
  SENDING_BLOCKED: 'Microsoft 365 has blocked the account from sending.',
  THROTTLED: 'Microsoft 365 asked us to slow down.',
  GRAPH_UNAVAILABLE: 'Microsoft 365 is not available at the moment.',
  SIGN_IN_REQUIRED: 'Microsoft 365 no longer accepts the sign-in of the account.',
};

/** Turns a failed answer into the error that callers see. */
export function toGraphError(answer: FailedAnswer, subject: GraphSubject, now: Date): GraphError {
  const { code: microsoftCode, message, requestId } = readErrorBody(answer.body);
  const details = {
    status: answer.status,
    microsoftCode,
    requestId: answer.header('request-id') ?? requestId,
    retryAfterMilliseconds: parseRetryAfter(answer.header('retry-after'), now),
  };
  const known = microsoftCode?.toLowerCase() ?? '';
  const pushCode = subject === 'SUBSCRIPTION' ? pushErrorCodeOf(answer.status, known, message ?? '') : null;
  if (!pushCode && (answer.status === 410 || EXPIRED_CURSOR_CODES.has(known)))
    return new DeltaExpiredError(details);
  const code = pushCode ?? codeOf(answer.status, known, subject);
  // Microsoft's own sentence goes out only where ours would say nothing; it may name ids, never mail.
  const text = MESSAGES[code] ?? `Microsoft Graph answered ${answer.status}: ${message ?? 'no reason given'}`;
  return new GraphError(code, text, details);
}

function codeOf(status: number, microsoftCode: string, subject: GraphSubject): GraphErrorCode {
  if (microsoftCode === 'erroritemnotfound' || microsoftCode === 'errorinvalididmalformed') {
    return notFoundCodeOf(subject);
  }
  const known = BY_MICROSOFT_CODE[microsoftCode];
  if (known !== undefined) return known;
  if (status === 401) return 'SIGN_IN_REQUIRED';
  if (status === 403) return 'MAILBOX_ACCESS_DENIED';
  if (status === 404) return notFoundCodeOf(subject);
  if (status === 413) return 'MESSAGE_TOO_LARGE';
  if (status === 409) return subject === 'ITEM' ? 'GRAPH_UNAVAILABLE' : 'FOLDER_EXISTS';
  if (status === 429 || status === 509) return 'THROTTLED';
  if (status === 507) return 'QUOTA_EXCEEDED';
  if (status >= 500 || status === 408) return 'GRAPH_UNAVAILABLE';
  return status >= 300 && status < 400 ? 'FOREIGN_LINK' : 'REQUEST_REFUSED';
}

function notFoundCodeOf(subject: GraphSubject): GraphErrorCode {
  return `${subject}_NOT_FOUND`;
}

function readErrorBody(body: unknown): {
  code: string | null;
  message: string | null;
  requestId: string | null;
} {
  const error = propertyOf(body, 'error');
  const inner = propertyOf(error, 'innerError') ?? propertyOf(error, 'innererror');
  return {
    code: textOf(propertyOf(error, 'code')),
    message: textOf(propertyOf(error, 'message')),
    requestId: textOf(propertyOf(inner, 'request-id')),
  };
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, 500) : null;
}

export { BY_MICROSOFT_CODE as GRAPH_CODES_BY_MICROSOFT_CODE, EXPIRED_CURSOR_CODES };

import { ExpectedError } from '../errors.ts';
import type { Problem } from '../platform/problem.ts';
import { ACCOUNT_REFUSALS } from './account-refusals.ts';

/** What can go wrong with Microsoft Graph, as codes of our public API, each with what a person can do about it. */
const REMEDIES = {
  MAILBOX_ACCESS_DENIED:
    'Give the connected account access to the mailbox in Exchange, or grant the missing Mail permission; verifyMailboxAccess tells which, with the commands.',
  MAILBOX_NOT_FOUND: 'Check the address of the mailbox and that it exists in the tenant of the account.',
  MAILBOX_NOT_ENABLED:
    'The mailbox is not an Exchange Online mailbox: give it a licence, or move it from the on-premises server.',
  SEND_AS_DENIED:
    'Give the connected account the right Send As for the mailbox in Exchange, which takes up to an hour to work; verifyMailboxAccess has the command.',
  FOLDER_NOT_FOUND: 'Choose another folder: the one that was chosen no longer exists.',
  ITEM_NOT_FOUND: 'Nothing to do: somebody moved or deleted it.',
  FOLDER_EXISTS: 'Choose another name, or use the folder that exists.',
  QUOTA_EXCEEDED: 'Free space in the mailbox, or raise its quota.',
  RECIPIENT_REFUSED:
    'Correct the addresses of the recipients: Exchange does not take one of them, or they are too many.',
  MESSAGE_TOO_LARGE:
    'Shorten the text, or send fewer or smaller files. An administrator can raise the message size limit of the mailbox in Exchange (35 MB by default, 150 MB at most).',
  SENDING_LIMIT_REACHED:
    'Nothing to do: it is sent when the limits of Exchange Online allow it (30 mails a minute, 10,000 recipients a day).',
  SENDING_BLOCKED:
    'An administrator has to release the account: in Microsoft Defender, Review > Restricted entities. Find out first why it sent too much or was taken for a sender of spam. What waits is tried every 15 minutes; retryOutboundMessage for one mail of the mailbox tries all of them at once.',
  THROTTLED: 'Nothing to do: it is tried again when Microsoft 365 allows it.',
  GRAPH_UNAVAILABLE:
    'Nothing to do: it is tried again. If it lasts, look at the service health of Microsoft 365.',
  GRAPH_TIMEOUT:
    'Nothing to do: it is tried again. If it lasts, check the network between here and Microsoft 365.',
  DELTA_EXPIRED: 'Nothing to do: the folder is read again from a point in time.',
  PAGE_UNREADABLE: 'Find the damaged mail in the folder with Outlook and remove it, then run the sync again.',
  ANSWER_TOO_LARGE:
    'Nothing to do for a page of mail: it is read in smaller parts. A single mail stays out: it is too large.',
  SIGN_IN_REQUIRED: 'Sign in with the account again.',
  TOKEN_REVOKED:
    'Sign in with the account again; if nobody of you reset its password or revoked its sessions, ask an administrator of the tenant who did.',
  ACCOUNT_DISCONNECTED: 'Connect the account again with reauthenticate, and switch incoming mail on.',
  MFA_REQUIRED: ACCOUNT_REFUSALS.MFA_REQUIRED[1],
  ACCOUNT_NOT_FOUND: ACCOUNT_REFUSALS.ACCOUNT_NOT_FOUND[1],
  ACCOUNT_DISABLED: ACCOUNT_REFUSALS.ACCOUNT_DISABLED[1],
  APP_NOT_ASSIGNED: ACCOUNT_REFUSALS.APP_NOT_ASSIGNED[1],
  APP_DISABLED: ACCOUNT_REFUSALS.APP_DISABLED[1],
  CONDITIONAL_ACCESS: ACCOUNT_REFUSALS.CONDITIONAL_ACCESS[1],
  CONSENT_REQUIRED: 'Sign in again and grant the permissions that are asked for.',
  CREDENTIAL_REFUSED:
    'Make a new client secret or certificate in the app registration and enter it with rotateCredential; check client id, tenant id and cloud.',
  LOGIN_UNAVAILABLE:
    'Nothing to do: it is tried again. If it lasts, check the network between here and the login hosts of Microsoft.',
  REQUEST_REFUSED: 'Report this with the request id: Microsoft Graph did not accept a request.',
  FOREIGN_LINK: 'Report this: an answer pointed outside of Microsoft Graph and was not followed.',
  UNEXPECTED_ANSWER: 'Report this with the request id: Microsoft Graph answered in an unknown form.',
  PUSH_VALIDATION_FAILED:
    'Make the webhook URLs of microsoft365Setup reachable from the internet: https with a certificate that is trusted everywhere, and no sign-in or firewall before them.',
  PUSH_REFUSED:
    'Check that the account may read the mailbox (Mail.Read or Mail.ReadWrite) and that PUBLIC_URL is right.',
  PUSH_DUPLICATE:
    'Another installation with the same app registration watches this folder: give each its own.',
  PUSH_QUOTA: 'The mailbox has as many subscriptions as Microsoft allows, over all apps: end some of them.',
  SUBSCRIPTION_NOT_FOUND: 'Nothing to do: a new subscription is made.',
} as const;

export type GraphErrorCode = keyof typeof REMEDIES;

const TRANSIENT_CODES: ReadonlySet<GraphErrorCode> = new Set<GraphErrorCode>([
  'THROTTLED',
  'SENDING_LIMIT_REACHED',
  'GRAPH_UNAVAILABLE',
  'GRAPH_TIMEOUT',
  'LOGIN_UNAVAILABLE',
]);

/** Something came back, or nothing did: either way it may have been done. */
const UNCLEAR_CODES: ReadonlySet<GraphErrorCode> = new Set<GraphErrorCode>([
  'GRAPH_UNAVAILABLE',
  'GRAPH_TIMEOUT',
  'UNEXPECTED_ANSWER',
  'ANSWER_TOO_LARGE',
]);

/** What Microsoft told about a failure. */
export interface GraphErrorDetails {
  /** HTTP status; null when no answer came. */
  status?: number | null;
  /** Microsoft's own code, such as `ErrorAccessDenied`. */
  microsoftCode?: string | null;
  /** Microsoft's `request-id`: support asks for it. */
  requestId?: string | null;
  /** How long Microsoft wants to be left alone, from `Retry-After`. */
  retryAfterMilliseconds?: number | null;
  /** Of several requests an earlier one was carried out already: see {@link GraphError.isUnclear}. */
  isPartlyDone?: boolean;
  /** In place of that of the code, where something else helps. */
  remedy?: string;
  cause?: unknown;
}

/** A failed call of Microsoft Graph. Holds no request, no token and no mail. */
export class GraphError extends ExpectedError {
  declare readonly code: GraphErrorCode;
  readonly status: number | null;
  readonly microsoftCode: string | null;
  readonly requestId: string | null;
  readonly retryAfterMilliseconds: number | null;
  readonly isPartlyDone: boolean;

  constructor(code: GraphErrorCode, message: string, details: GraphErrorDetails = {}) {
    const { remedy = REMEDIES[code], cause } = details;
    super(code, message, remedy, cause === undefined ? undefined : { cause });
    this.status = details.status ?? null;
    this.microsoftCode = details.microsoftCode ?? null;
    this.requestId = details.requestId ?? null;
    this.retryAfterMilliseconds = details.retryAfterMilliseconds ?? null;
    this.isPartlyDone = details.isPartlyDone ?? false;
  }

  /** Whether the same call may succeed later without anybody doing anything. */
  get isTransient(): boolean {
    return TRANSIENT_CODES.has(this.code);
  }

  /**
   * Whether what was asked for may have been done all the same: no answer came, or one that says nothing about it (408,
   * 5xx), or a success that could not be read. A 503 with `Retry-After` is a refusal, as 429 is: nothing was done.
   */
  get isUnclear(): boolean {
    const isRefusal = this.status === 503 && this.retryAfterMilliseconds !== null;
    return this.isPartlyDone || (UNCLEAR_CODES.has(this.code) && !isRefusal);
  }

  /** What to store with the mailbox or mail that failed. */
  toProblem(now: Date): Problem {
    return {
      code: this.code,
      message: this.message,
      remedy: this.remedy,
      since: now.toISOString(),
      ...(this.microsoftCode === null ? {} : { microsoftCode: this.microsoftCode }),
      ...(this.requestId === null ? {} : { requestId: this.requestId }),
    };
  }
}

/**
 * The delta cursor is worth nothing any more: read the folder again from a point in time with overlap.
 * https://learn.microsoft.com/graph/delta-query-overview#synchronization-reset
 */
export class DeltaExpiredError extends GraphError {
  constructor(details: GraphErrorDetails = {}) {
    super('DELTA_EXPIRED', 'The bookmark of the folder has expired at Microsoft.', details);
  }
}

export { REMEDIES as GRAPH_REMEDIES };

import { pickSender } from '../mailboxes/choose-identity.ts';
import { notReadable } from '../mailboxes/discover-identities.ts';
import { whyMailboxCannotSend } from '../mailboxes/outgoing-settings.ts';
import {
  PrimaryIdentityError,
  SenderProfileInUseError,
  SenderProfileNameTakenError,
  TooManyIdentitiesError,
  TooManySenderProfilesError,
} from '../mailboxes/sending-errors.ts';
import {
  notAvailable,
  personalNotAllowed,
  whyIdentityCannotSend,
} from '../mailboxes/why-identity-cannot-send.ts';
import type { AccountStatus } from '../microsoft365/account.entity.ts';
import { GRAPH_REMEDIES, type GraphErrorCode } from '../microsoft365/graph-error.ts';
import { failureOutcome } from '../outbound/delivery-failure.ts';
import { OutboundMessageNotFailedError, OutboundMessageNotQueuedError } from '../outbound/outbound-errors.ts';
import type { SentCopy } from '../outbound/outbound-message.entity.ts';
import { OUTBOUND_WORDS } from '../outbound/outbound-problems.ts';
import {
  FileNotStoredError,
  IdempotencyKeyReusedError,
  NoRecipientError,
  TooManyRecipientsError,
  UploadIncompleteError,
} from '../outbound/reply-errors.ts';
import { EXCHANGE_LIMITS } from '../outbound/send-limits.ts';
import { sendingWarnings } from '../outbound/sending-warnings.ts';
import { TemplateError } from '../outbound/template-error.ts';
import { TooManyUploadsError, UploadSizeError } from '../outbound/uploads.ts';
import { ObjectMissingError } from '../platform/object-storage.ts';
import type { SendingCode } from './error-codes.ts';

const NEVER = new Date(0);
/** The remedy is the same for each part of a template. */
const ANY_PART = 'TEXT';

/** What Microsoft says of mail that is sent; the rest of its codes is about the mailbox as a whole. */
export const SENDING_GRAPH_CODES = [
  'MESSAGE_TOO_LARGE',
  'RECIPIENT_REFUSED',
  'SEND_AS_DENIED',
  'SENDING_BLOCKED',
  'SENDING_LIMIT_REACHED',
] as const satisfies readonly GraphErrorCode[];

/** What to do about each code of sending: as the modules say it that decide, of no mailbox in particular. */
export const SENDING_REMEDIES: Readonly<Record<SendingCode, string>> = {
  MESSAGE_TOO_LARGE: GRAPH_REMEDIES.MESSAGE_TOO_LARGE,
  RECIPIENT_REFUSED: GRAPH_REMEDIES.RECIPIENT_REFUSED,
  SEND_AS_DENIED: GRAPH_REMEDIES.SEND_AS_DENIED,
  SENDING_BLOCKED: GRAPH_REMEDIES.SENDING_BLOCKED,
  SENDING_LIMIT_REACHED: GRAPH_REMEDIES.SENDING_LIMIT_REACHED,

  ACCOUNT_DISCONNECTED: ofMailbox({ status: 'DISCONNECTED' }),
  CONSENT_REQUIRED: ofMailbox({ grantedScopes: [] }),
  CREDENTIAL_REFUSED: ofMailbox({ status: 'CREDENTIAL_EXPIRED' }),
  MAILBOX_REMOVED: ofMailbox(null),
  OUTGOING_DISABLED: ofMailbox({}),
  SIGN_IN_REQUIRED: ofMailbox({ status: 'NEEDS_SIGN_IN' }),

  ADDRESSES_NOT_READABLE: notReadable({ emailAddress: '' }, { kind: 'USER' }, NEVER).remedy,
  IDENTITY_DENIED: ofIdentity('DENIED'),
  IDENTITY_GONE: ofIdentity('GONE'),
  IDENTITY_NOT_AVAILABLE: notAvailable().remedy,
  IDENTITY_WITHOUT_PROFILE: ofIdentity('ACTIVE'),
  NO_IDENTITY: ofNothing(),
  PERSONAL_SENDER_NOT_ALLOWED: personalNotAllowed().remedy,
  PRIMARY_IDENTITY: new PrimaryIdentityError('').remedy,
  SENDER_PROFILE_IN_USE: new SenderProfileInUseError(1).remedy,
  SENDER_PROFILE_NAME_TAKEN: new SenderProfileNameTakenError().remedy,
  TOO_MANY_IDENTITIES: new TooManyIdentitiesError(0).remedy,
  TOO_MANY_SENDER_PROFILES: new TooManySenderProfilesError(0).remedy,

  ATTACHMENT_NOT_STORED: new FileNotStoredError('').remedy,
  IDEMPOTENCY_KEY_REUSED: new IdempotencyKeyReusedError().remedy,
  NO_RECIPIENT: new NoRecipientError([]).remedy,
  TEMPLATE_INVALID: new TemplateError(ANY_PART, '', null).remedy,
  TOO_MANY_RECIPIENTS: new TooManyRecipientsError(0, 0).remedy,
  TOO_MANY_UPLOADS: new TooManyUploadsError('user').remedy,
  UPLOAD_INCOMPLETE: new UploadIncompleteError('').remedy,
  UPLOAD_SIZE_MISMATCH: new UploadSizeError(0, '').remedy,

  DRAFT_DELETED: OUTBOUND_WORDS.DRAFT_DELETED[1],
  FILE_MISSING: failureOutcome(new ObjectMissingError(), { failedSince: null, failures: 0, now: NEVER })
    .problem.remedy,
  OUTBOUND_MESSAGE_NOT_FAILED: new OutboundMessageNotFailedError().remedy,
  OUTBOUND_MESSAGE_NOT_QUEUED: new OutboundMessageNotQueuedError(true).remedy,
  SEND_NOT_CONFIRMED: OUTBOUND_WORDS.SEND_NOT_CONFIRMED[1],
  SEND_UNCLEAR: OUTBOUND_WORDS.SEND_UNCLEAR[1],
  SENDING_LIMIT_NEAR: ofWarning(null),
  SENT_COPY_ELSEWHERE: ofWarning('ELSEWHERE'),
  SENT_COPY_MISSING: ofWarning('MISSING'),
};

/** Of a mailbox whose account is like this; null: it has none any more. */
function ofMailbox(account: { status?: AccountStatus; grantedScopes?: string[] } | null): string {
  const mailbox = { emailAddress: '', kind: 'PRIMARY', removedAt: null, outgoingEnabled: false } as const;
  const usual = {
    status: 'ACTIVE',
    kind: 'USER',
    emailAddress: '',
    displayName: '',
    grantedScopes: ['Mail.Send'],
    accessProvenAt: null,
    problem: null,
  } as const;
  return remedyOf(
    whyMailboxCannotSend(
      mailbox,
      account && { ...usual, grantedScopes: [...usual.grantedScopes], ...account },
    ),
  );
}

function ofIdentity(status: 'ACTIVE' | 'DENIED' | 'GONE'): string {
  return remedyOf(whyIdentityCannotSend({ emailAddress: '', status, problem: null, removedAt: null }, null));
}

function ofNothing(): string {
  const picked = pickSender([], null, () => null);
  return remedyOf('remedy' in picked ? picked : null);
}

/** Null: the warning that the limits are near. */
function ofWarning(sentCopy: SentCopy | null): string {
  const { messagesPerMinute } = EXCHANGE_LIMITS;
  const used = sentCopy === null ? messagesPerMinute : 0;
  const usage = { messagesLastMinute: used, recipientsLastDay: 0, minuteFreesIn: null, dayFreesIn: null };
  const seen = sentCopy === null ? [] : [{ emailAddress: 'the address', sentCopy, checkedAt: NEVER }];
  const [warning] = sendingWarnings({ emailAddress: '<mailbox>' }, usage, EXCHANGE_LIMITS, seen, NEVER);
  return remedyOf(warning ?? null);
}

function remedyOf(problem: { remedy: string } | null): string {
  if (problem === null)
    throw new Error('Nothing is wrong there any more: see what the catalogue asks of it.');
  return problem.remedy;
}

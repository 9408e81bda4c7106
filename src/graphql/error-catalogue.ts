import { explainRefusal } from '../mailboxes/explain-access.ts';
import { MailboxAlreadyConnectedError } from '../mailboxes/mailbox-access-errors.ts';
import { limitingRemedy } from '../mailboxes/verify-access.ts';
import {
  ENTRA_OUTCOMES,
  type EntraOutcome,
  OUTCOMES_BY_ERROR,
  OUTCOMES_BY_NUMBER,
  refreshRefusal,
} from '../microsoft365/entra-error.ts';
import { GRAPH_REMEDIES, GraphError, type GraphErrorCode } from '../microsoft365/graph-error.ts';
import {
  EXPIRED_CURSOR_CODES,
  GRAPH_CODES_BY_MICROSOFT_CODE,
  type GraphSubject,
  toGraphError,
} from '../microsoft365/graph-failure.ts';
import { IntegrationExistsError } from '../microsoft365/integrations.ts';
import { REGISTRATION_REASONS } from '../microsoft365/registration-error.ts';
import { SIGN_IN_REASONS, signInErrorCode } from '../microsoft365/sign-in-error.ts';
import { REGISTRATION_CODES } from '../microsoft365/verify-registration.ts';
import { ERROR_CODES, type ErrorCode } from './error-codes.ts';
import { SENDING_GRAPH_CODES, SENDING_REMEDIES } from './sending-catalogue.ts';

/** Where an administrator meets an error; the same code may have another remedy elsewhere. */
export const CATALOGUE_AREAS = {
  REGISTRATION: 'Saving an app registration or its credential',
  SIGN_IN: 'Signing in',
  ACCOUNT: 'Accounts, when their tokens are renewed',
  MAILBOX: 'Mailboxes',
  SENDING: 'Sending',
  PUSH: 'Announcements of new mail',
} as const;
export type CatalogueArea = keyof typeof CATALOGUE_AREAS;

/** One thing that can go wrong between here and Microsoft. */
export interface CatalogueRow {
  area: CatalogueArea;
  code: ErrorCode;
  cause: string;
  remedy: string;
  /** What Microsoft answers then: AADSTS numbers, words of OAuth, codes of Graph in lower case, HTTP statuses. */
  microsoftCodes: string[];
}

/** Statuses that mean something by themselves, where Graph says nothing else that is known. */
const STATUSES = [302, 400, 401, 403, 404, 408, 409, 410, 413, 429, 500, 502, 503, 504, 507, 509];

/** Groups are told from unknown addresses by how many people mail to them reaches. */
const someone = { kind: 'USER' as const, emailAddress: 'the account', grantedScopes: [] };
const group = explainRefusal(new GraphError('MAILBOX_NOT_FOUND', ''), {
  emailAddress: 'the address',
  isOwn: false,
  account: someone,
  clientId: '',
  members: 2,
});

/**
 * Everything that can go wrong between here and Microsoft, by area and code. It is read from the modules that decide:
 * a code, sentence or number that changes there changes here, and in `schema/errors.md` (`npm run errors`).
 */
export const ERROR_CATALOGUE: readonly CatalogueRow[] = [
  ...registrationRows(),
  ...signInRows(),
  ...accountRows(),
  ...mailboxRows(),
  ...sendingRows(),
  ...pushRows(),
];

function registrationRows(): CatalogueRow[] {
  const exists = new IntegrationExistsError();
  return [
    ...entriesOf(REGISTRATION_REASONS).map(([code, [cause, remedy]]) => ({
      area: 'REGISTRATION' as const,
      code,
      cause,
      remedy,
      microsoftCodes: entraCodes((outcome) => REGISTRATION_CODES[outcome] === code),
    })),
    {
      area: 'REGISTRATION' as const,
      code: 'INTEGRATION_EXISTS',
      cause: exists.message,
      remedy: exists.remedy,
      microsoftCodes: [],
    },
  ];
}

function signInRows(): CatalogueRow[] {
  return entriesOf(SIGN_IN_REASONS).map(([code, [cause, remedy]]) => ({
    area: 'SIGN_IN' as const,
    code,
    cause,
    remedy,
    microsoftCodes: entraCodes((outcome) => signInErrorCode(outcome) === code),
  }));
}

function accountRows(): CatalogueRow[] {
  return accountCodes().map((code) => ({
    area: 'ACCOUNT' as const,
    code,
    cause: ERROR_CODES[code],
    remedy: GRAPH_REMEDIES[code],
    microsoftCodes: entraCodes((outcome) => refreshRefusal(outcome).code === code),
  }));
}

function mailboxRows(): CatalogueRow[] {
  const connected = new MailboxAlreadyConnectedError('of the address', 'of another account');
  const codes = entriesOf(GRAPH_REMEDIES)
    .map(([code]) => code)
    .filter((code) => !accountCodes().includes(code) && !isPush(code) && !isSending(code));
  return [
    ...codes.map((code) => ({
      area: 'MAILBOX' as const,
      code,
      cause: ERROR_CODES[code],
      remedy: GRAPH_REMEDIES[code],
      microsoftCodes: graphCodes(code, ['MAILBOX', 'FOLDER', 'ITEM']),
    })),
    {
      area: 'MAILBOX' as const,
      code: 'MAILBOX_IS_GROUP',
      cause: ERROR_CODES.MAILBOX_IS_GROUP,
      remedy: group.remedy,
      microsoftCodes: [],
    },
    {
      area: 'MAILBOX' as const,
      code: 'ALREADY_CONNECTED',
      cause: ERROR_CODES.ALREADY_CONNECTED,
      remedy: connected.remedy,
      microsoftCodes: [],
    },
    {
      area: 'MAILBOX' as const,
      code: 'ACCESS_NOT_LIMITED',
      cause: ERROR_CODES.ACCESS_NOT_LIMITED,
      remedy: limitingRemedy({ kind: 'TENANT', emailAddress: '' }, '<client id>', 'the mailbox'),
      microsoftCodes: [],
    },
  ];
}

function sendingRows(): CatalogueRow[] {
  return entriesOf(SENDING_REMEDIES).map(([code, remedy]) => ({
    area: 'SENDING' as const,
    code,
    cause: ERROR_CODES[code],
    remedy,
    microsoftCodes: isSending(code) ? graphCodes(code, ['MAILBOX', 'FOLDER', 'ITEM']) : [],
  }));
}

function pushRows(): CatalogueRow[] {
  return entriesOf(GRAPH_REMEDIES)
    .map(([code]) => code)
    .filter(isPush)
    .map((code) => ({
      area: 'PUSH' as const,
      code,
      cause: ERROR_CODES[code],
      remedy: GRAPH_REMEDIES[code],
      microsoftCodes: graphCodes(code, ['SUBSCRIPTION']),
    }));
}

/** The codes that renewing a token can come to, and those that an account is refused with. */
function accountCodes(): GraphErrorCode[] {
  const codes = [null, ...ENTRA_OUTCOMES].map((outcome) => refreshRefusal(outcome).code);
  return [...new Set<GraphErrorCode>([...codes, 'ACCOUNT_DISCONNECTED'])];
}

/** Of Microsoft, and of sending alone. */
function isSending(code: ErrorCode): code is (typeof SENDING_GRAPH_CODES)[number] {
  return SENDING_GRAPH_CODES.some((known) => known === code);
}

function isPush(code: GraphErrorCode): boolean {
  return code.startsWith('PUSH_') || code === 'SUBSCRIPTION_NOT_FOUND';
}

/** Every answer of the sign-in service with an outcome that fits. */
function entraCodes(fits: (outcome: EntraOutcome) => boolean): string[] {
  const numbers = Object.entries(OUTCOMES_BY_NUMBER).filter(([, outcome]) => fits(outcome));
  const words = Object.entries(OUTCOMES_BY_ERROR).filter(([, outcome]) => fits(outcome));
  return [...numbers.map(([number]) => `AADSTS${number}`), ...words.map(([word]) => word)];
}

/** Every answer of Graph that comes to this code when it is about one of these. */
function graphCodes(code: GraphErrorCode, subjects: readonly GraphSubject[]): string[] {
  const known = Object.entries(GRAPH_CODES_BY_MICROSOFT_CODE).filter(([, of]) => of === code);
  const words = subjects.includes('SUBSCRIPTION') ? [] : known.map(([word]) => word);
  const cursors = code === 'DELTA_EXPIRED' ? [...EXPIRED_CURSOR_CODES] : [];
  const statuses = STATUSES.filter((status) =>
    subjects.some((subject) => {
      const answer = { status, header: () => null, body: null };
      return toGraphError(answer, subject, new Date(0)).code === code;
    }),
  );
  return [...words, ...cursors, ...statuses.map((status) => `HTTP ${status}`)];
}

function entriesOf<Key extends string, Value>(table: Readonly<Record<Key, Value>>): [Key, Value][] {
  return Object.entries(table) as [Key, Value][];
}

import { ExpectedError } from '../errors.ts';
import type { Problem } from '../platform/problem.ts';
import { ACCOUNT_REFUSALS } from './account-refusals.ts';
import type { EntraOutcome } from './entra-error.ts';

/** Why a sign-in did not come about: a sentence and a remedy for each code. */
const REASONS = {
  INVALID_STATE: [
    'The sign-in was not started here, belongs to another browser, or was completed already.',
    'Start the sign-in again and open the link in the browser that you sign in with; it works once, and needs cookies.',
  ],
  SIGN_IN_EXPIRED: [
    'The sign-in took too long, or its page was closed.',
    'Start the sign-in again and complete it within ten minutes. Where a page of Microsoft stopped it: with AADSTS50011 add the redirect URI that microsoft365Setup shows to the app registration; with AADSTS53003 or "You cannot access this right now" let an administrator look at Conditional Access in the sign-in logs; with "Approval required" let one accept on the page of startAdminConsent.',
  ],
  CONSENT_DECLINED: [
    'The permissions were not granted.',
    'Start the sign-in again and accept the permissions that are asked for. Where the page leaves that to an administrator, let one accept for everybody on the page of startAdminConsent.',
  ],
  ADMIN_APPROVAL_NEEDED: [
    'The organization at Microsoft lets only an administrator grant these permissions.',
    'Let an administrator of the tenant open the page of startAdminConsent, with the purpose of the sign-in, and accept for everybody, then start the sign-in again.',
  ],
  REDIRECT_URI_MISMATCH: [
    'The app registration does not know the redirect URI of this server, or has it under another platform than Web.',
    'Add the redirect URI that microsoft365Setup shows to the app registration under the platform Web, character for character, and remove it from "Single-page application" and "Mobile and desktop applications".',
  ],
  SECRET_INVALID: [
    'Microsoft does not accept the client secret.',
    'Copy the value of the client secret, not its id, and enter it with rotateCredential.',
  ],
  SECRET_EXPIRED: [
    'The client secret has expired.',
    'Make a new client secret in the app registration and enter it with rotateCredential.',
  ],
  CERTIFICATE_REFUSED: [
    'Microsoft does not accept the certificate.',
    'Upload the certificate of the integration to the app registration, or enter another one with rotateCredential; check that the clock of this server is right.',
  ],
  APP_NOT_FOUND: [
    'Microsoft does not know the app registration in this tenant.',
    'Check cloud, tenant id and client id of the integration, and which accounts the app registration supports.',
  ],
  USER_MISMATCH: [
    'Another account signed in than the one that was to.',
    'Start again and choose the account that is named first; to connect the other one as well, use startSignIn.',
  ],
  ...ACCOUNT_REFUSALS,
  TOKEN_EXCHANGE_FAILED: [
    'Microsoft did not give out tokens for the sign-in.',
    'Start the sign-in again. If it fails again, look up the code of Microsoft that is named here.',
  ],
  SIGN_IN_UNAVAILABLE: [
    'The sign-in service of Microsoft could not be reached.',
    'Start the sign-in again in a few minutes; check the network between here and Microsoft if it lasts.',
  ],
  PROFILE_FETCH_FAILED: [
    'The sign-in worked, but the profile of the account could not be read.',
    'Start the sign-in again. If it fails again, check that the app registration has the permission User.Read.',
  ],
} as const satisfies Record<string, readonly [string, string]>;

export type SignInErrorCode = keyof typeof REASONS;

/** What is known of a failure besides its code. */
export interface SignInErrorDetails {
  /** In place of the sentence of the code. */
  message?: string;
  microsoftCode?: string | null;
  requestId?: string | null;
  cause?: unknown;
}

/** A sign-in that did not come about. The message may name Microsoft's code, never what was exchanged. */
export class SignInError extends ExpectedError {
  declare readonly code: SignInErrorCode;
  /** Microsoft's own code, such as `AADSTS7000215`. */
  readonly microsoftCode: string | null;

  /** Where the browser was to go afterwards, a path on this server; null where that is not known. */
  returnTo: string | null = null;

  /** Microsoft's `correlation_id`. */
  readonly requestId: string | null;

  constructor(code: SignInErrorCode, details: SignInErrorDetails = {}) {
    const { microsoftCode = null, requestId = null, cause } = details;
    const [reason, remedy] = REASONS[code];
    const message = details.message ?? reason;
    super(
      code,
      microsoftCode === null ? message : `${message} (${microsoftCode})`,
      remedy,
      cause === undefined ? undefined : { cause },
    );
    this.microsoftCode = microsoftCode;
    this.requestId = requestId;
  }

  /** What to store with the attempt. */
  toProblem(now: Date): Problem {
    const { code, message, remedy, microsoftCode, requestId } = this;
    return {
      code,
      message,
      remedy,
      since: now.toISOString(),
      ...(microsoftCode === null ? {} : { microsoftCode }),
      ...(requestId === null ? {} : { requestId }),
    };
  }
}

/** What a refusal of Entra means for a sign-in under way. */
export function signInErrorCode(outcome: EntraOutcome | null): SignInErrorCode {
  switch (outcome) {
    case null:
    case 'SIGN_IN_REQUIRED':
    case 'TOKEN_REVOKED':
    case 'TOKEN_EXCHANGE_FAILED':
    case 'CREDENTIAL_REFUSED':
      // The code was used, expired or meant for somebody else: starting again is what helps.
      return 'TOKEN_EXCHANGE_FAILED';
    case 'CONSENT_REQUIRED':
      return 'CONSENT_DECLINED';
    case 'UNAVAILABLE':
      return 'SIGN_IN_UNAVAILABLE';
    default:
      return outcome;
  }
}

export { REASONS as SIGN_IN_REASONS };

import { ExpectedError } from '../errors.ts';
import type { EntraOutcome } from './entra-error.ts';

/** Why a sign-in did not come about: a sentence and a remedy for each code. */
const REASONS = {
  INVALID_STATE: [
    'The sign-in was not started here, or it was completed already.',
    'Start the sign-in again; each link works once.',
  ],
  SIGN_IN_EXPIRED: [
    'The sign-in took too long.',
    'Start the sign-in again and complete it within ten minutes.',
  ],
  CONSENT_DECLINED: [
    'The permissions were not granted.',
    'Start the sign-in again and accept the permissions that are asked for.',
  ],
  ADMIN_APPROVAL_NEEDED: [
    'The organization at Microsoft lets only an administrator grant these permissions.',
    'Let an administrator of the tenant grant the permissions to the app in the Microsoft Entra admin center, or sign in as one, then start again.',
  ],
  REDIRECT_URI_MISMATCH: [
    'The app registration does not know the redirect URI of this server.',
    'Add the redirect URI that microsoft365Setup shows to the app registration, under the platform Web.',
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
  ACCESS_BLOCKED: [
    'Microsoft does not let this account use the app.',
    'Ask an administrator of the tenant: the account may be disabled, unassigned or held back by Conditional Access.',
  ],
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

/** A sign-in that did not come about. The message may name Microsoft's code, never what was exchanged. */
export class SignInError extends ExpectedError {
  declare readonly code: SignInErrorCode;
  /** Microsoft's own code, such as `AADSTS7000215`. */
  readonly microsoftCode: string | null;

  constructor(code: SignInErrorCode, options: { microsoftCode?: string | null; cause?: unknown } = {}) {
    const { microsoftCode = null, cause } = options;
    const [message, remedy] = REASONS[code];
    super(
      code,
      microsoftCode === null ? message : `${message} (${microsoftCode})`,
      remedy,
      cause === undefined ? undefined : { cause },
    );
    this.microsoftCode = microsoftCode;
  }
}

/** What a refusal of Entra means for a sign-in under way. */
export function signInErrorCode(outcome: EntraOutcome | null): SignInErrorCode {
  switch (outcome) {
    case null:
    case 'SIGN_IN_REQUIRED':
    case 'TOKEN_EXCHANGE_FAILED':
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

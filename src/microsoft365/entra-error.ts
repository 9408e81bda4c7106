import type { AccountStatus } from './account.entity.ts';
import type { GraphErrorCode } from './graph-error.ts';

/** What a refusal of Microsoft Entra comes down to. */
export const ENTRA_OUTCOMES = [
  'SIGN_IN_REQUIRED',
  'TOKEN_REVOKED',
  'CONSENT_REQUIRED',
  'CONSENT_DECLINED',
  'ADMIN_APPROVAL_NEEDED',
  'REDIRECT_URI_MISMATCH',
  'SECRET_INVALID',
  'SECRET_EXPIRED',
  'CERTIFICATE_REFUSED',
  'APP_NOT_FOUND',
  'MFA_REQUIRED',
  'ACCOUNT_NOT_FOUND',
  'ACCOUNT_DISABLED',
  'APP_NOT_ASSIGNED',
  'APP_DISABLED',
  'CONDITIONAL_ACCESS',
  'CREDENTIAL_REFUSED',
  'UNAVAILABLE',
  'TOKEN_EXCHANGE_FAILED',
] as const;
export type EntraOutcome = (typeof ENTRA_OUTCOMES)[number];

/** https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const BY_NUMBER: Readonly<Record<number, EntraOutcome>> = {
  // A person has to sign in again: the refresh token came to its end (by inactivity, by the sign-in frequency of a policy,
  // or by its fixed lifetime) or is of no use.
  50058: 'SIGN_IN_REQUIRED',
  50089: 'SIGN_IN_REQUIRED',
  50132: 'SIGN_IN_REQUIRED',
  54005: 'SIGN_IN_REQUIRED',
  70000: 'SIGN_IN_REQUIRED',
  70008: 'SIGN_IN_REQUIRED',
  70043: 'SIGN_IN_REQUIRED',
  700082: 'SIGN_IN_REQUIRED',
  700084: 'SIGN_IN_REQUIRED',
  // Somebody ended the sign-in on purpose: the sessions were revoked, or the password was reset.
  50133: 'TOKEN_REVOKED',
  50173: 'TOKEN_REVOKED',
  // A second factor is asked for, or has to be registered.
  50072: 'MFA_REQUIRED',
  50074: 'MFA_REQUIRED',
  50076: 'MFA_REQUIRED',
  50078: 'MFA_REQUIRED',
  50079: 'MFA_REQUIRED',
  50158: 'MFA_REQUIRED',
  // Somebody has to agree.
  65001: 'CONSENT_REQUIRED',
  65004: 'CONSENT_DECLINED',
  90008: 'CONSENT_REQUIRED',
  90094: 'ADMIN_APPROVAL_NEEDED',
  90095: 'ADMIN_APPROVAL_NEEDED',
  90093: 'ADMIN_APPROVAL_NEEDED',
  // The app registration, or what we know of it, is wrong.
  50011: 'REDIRECT_URI_MISMATCH',
  500112: 'REDIRECT_URI_MISMATCH',
  70004: 'REDIRECT_URI_MISMATCH',
  // Known under another platform than Web: Mobile and desktop, or Single-page application.
  700025: 'REDIRECT_URI_MISMATCH',
  9002327: 'REDIRECT_URI_MISMATCH',
  7000215: 'SECRET_INVALID',
  7000218: 'SECRET_INVALID',
  7000222: 'SECRET_EXPIRED',
  700023: 'CERTIFICATE_REFUSED',
  700024: 'CERTIFICATE_REFUSED',
  700027: 'CERTIFICATE_REFUSED',
  700030: 'CERTIFICATE_REFUSED',
  50194: 'APP_NOT_FOUND',
  500011: 'APP_NOT_FOUND',
  650051: 'APP_NOT_FOUND',
  650052: 'APP_NOT_FOUND',
  650059: 'APP_NOT_FOUND',
  700011: 'APP_NOT_FOUND',
  700016: 'APP_NOT_FOUND',
  70001: 'APP_NOT_FOUND',
  7000229: 'APP_NOT_FOUND',
  90002: 'APP_NOT_FOUND',
  900023: 'APP_NOT_FOUND',
  // The account is not there, is not let in, or not on these conditions: an administrator of the tenant decides.
  50020: 'ACCOUNT_NOT_FOUND',
  50034: 'ACCOUNT_NOT_FOUND',
  50128: 'ACCOUNT_NOT_FOUND',
  51004: 'ACCOUNT_NOT_FOUND',
  50053: 'ACCOUNT_DISABLED',
  50057: 'ACCOUNT_DISABLED',
  50105: 'APP_NOT_ASSIGNED',
  500014: 'APP_DISABLED',
  7000112: 'APP_DISABLED',
  50131: 'CONDITIONAL_ACCESS',
  53000: 'CONDITIONAL_ACCESS',
  53001: 'CONDITIONAL_ACCESS',
  53002: 'CONDITIONAL_ACCESS',
  53003: 'CONDITIONAL_ACCESS',
  53004: 'CONDITIONAL_ACCESS',
  53010: 'CONDITIONAL_ACCESS',
  53011: 'CONDITIONAL_ACCESS',
  530003: 'CONDITIONAL_ACCESS',
  530031: 'CONDITIONAL_ACCESS',
  530032: 'CONDITIONAL_ACCESS',
  530034: 'CONDITIONAL_ACCESS',
  530035: 'CONDITIONAL_ACCESS',
  // The tenant has no such permission: nothing that anybody did here, and no matter of the secret.
  650053: 'TOKEN_EXCHANGE_FAILED',
  // It passes by itself. Never a reason to ask a person.
  50087: 'UNAVAILABLE',
  50196: 'UNAVAILABLE',
  90006: 'UNAVAILABLE',
  90024: 'UNAVAILABLE',
  90033: 'UNAVAILABLE',
  90055: 'UNAVAILABLE',
  90090: 'UNAVAILABLE',
};

/** OAuth's own words, for refusals without a known number (RFC 6749, 4.1.2.1 and 5.2). */
const BY_ERROR: Readonly<Record<string, EntraOutcome>> = {
  access_denied: 'CONSENT_DECLINED',
  bad_token: 'SIGN_IN_REQUIRED',
  consent_required: 'CONSENT_REQUIRED',
  interaction_required: 'SIGN_IN_REQUIRED',
  // Of the credential, but which of the many reasons only the number tells.
  invalid_client: 'CREDENTIAL_REFUSED',
  invalid_grant: 'SIGN_IN_REQUIRED',
  login_required: 'SIGN_IN_REQUIRED',
  no_account_found: 'SIGN_IN_REQUIRED',
  no_account_in_silent_request: 'SIGN_IN_REQUIRED',
  no_tokens_found: 'SIGN_IN_REQUIRED',
  refresh_token_expired: 'SIGN_IN_REQUIRED',
  server_error: 'UNAVAILABLE',
  temporarily_unavailable: 'UNAVAILABLE',
  unauthorized_client: 'APP_NOT_FOUND',
};

/** The number of an Entra error (`AADSTS50173: …`) in its description; null when there is none. */
export function aadstsNumber(description: string | null): number | null {
  const [, digits] = /\bAADSTS(\d{4,9})\b/.exec(description ?? '') ?? [];
  return digits === undefined ? null : Number(digits);
}

/** What a refusal comes down to: the number says most, then OAuth's `error`. Null for what neither explains. */
export function classifyEntraError(error: string | null, description: string | null): EntraOutcome | null {
  const number = aadstsNumber(description);
  return (number === null ? undefined : BY_NUMBER[number]) ?? BY_ERROR[error?.toLowerCase() ?? ''] ?? null;
}

/**
 * What a refused refresh means for the account. Only a refusal that a person can lift asks for one; what is unknown or
 * passes by itself leaves the account `UNREACHABLE`, which heals with the next success.
 */
export function refreshRefusal(outcome: EntraOutcome | null): {
  status: AccountStatus;
  code: GraphErrorCode;
} {
  switch (outcome) {
    case 'SIGN_IN_REQUIRED':
      return { status: 'NEEDS_SIGN_IN', code: 'SIGN_IN_REQUIRED' };
    case 'TOKEN_REVOKED':
    case 'MFA_REQUIRED':
    case 'ACCOUNT_NOT_FOUND':
    case 'ACCOUNT_DISABLED':
    case 'APP_NOT_ASSIGNED':
    case 'APP_DISABLED':
    case 'CONDITIONAL_ACCESS':
      return { status: 'NEEDS_SIGN_IN', code: outcome };
    case 'CONSENT_REQUIRED':
    case 'CONSENT_DECLINED':
    case 'ADMIN_APPROVAL_NEEDED':
      return { status: 'NEEDS_CONSENT', code: 'CONSENT_REQUIRED' };
    case 'SECRET_INVALID':
    case 'SECRET_EXPIRED':
    case 'CERTIFICATE_REFUSED':
    case 'CREDENTIAL_REFUSED':
    case 'APP_NOT_FOUND':
    case 'REDIRECT_URI_MISMATCH':
      return { status: 'CREDENTIAL_EXPIRED', code: 'CREDENTIAL_REFUSED' };
    default:
      return { status: 'UNREACHABLE', code: 'LOGIN_UNAVAILABLE' };
  }
}

export { BY_ERROR as OUTCOMES_BY_ERROR, BY_NUMBER as OUTCOMES_BY_NUMBER };

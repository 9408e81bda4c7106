import { describe, expect, test } from 'vitest';
import type { AccountStatus } from '../../src/microsoft365/account.entity.ts';
import {
  aadstsNumber,
  classifyEntraError,
  ENTRA_OUTCOMES,
  type EntraOutcome,
  refreshRefusal,
} from '../../src/microsoft365/entra-error.ts';
import { SignInError, signInErrorCode } from '../../src/microsoft365/sign-in-error.ts';

describe('what a refusal comes down to', () => {
  test.each<[string | null, string | null, EntraOutcome | null]>([
    ['invalid_grant', 'AADSTS70000: Provided grant is invalid or malformed.', 'SIGN_IN_REQUIRED'],
    ['invalid_grant', 'AADSTS700082: The refresh token has expired due to inactivity.', 'SIGN_IN_REQUIRED'],
    ['invalid_grant', 'AADSTS50173: The provided grant has expired due to it being revoked', 'TOKEN_REVOKED'],
    [
      'invalid_grant',
      'AADSTS50133: The session is not valid due to a recent password change.',
      'TOKEN_REVOKED',
    ],
    [
      'invalid_grant',
      'AADSTS70043: The refresh token has expired due to sign-in frequency',
      'SIGN_IN_REQUIRED',
    ],
    ['interaction_required', 'AADSTS50076: you must use multi-factor authentication', 'MFA_REQUIRED'],
    ['invalid_grant', 'AADSTS65001: The user or administrator has not consented', 'CONSENT_REQUIRED'],
    ['access_denied', 'AADSTS65004: User declined to consent', 'CONSENT_DECLINED'],
    ['consent_required', 'AADSTS90094: Admin consent is required', 'ADMIN_APPROVAL_NEEDED'],
    ['invalid_request', 'AADSTS50011: The redirect URI does not match', 'REDIRECT_URI_MISMATCH'],
    ['invalid_client', 'AADSTS7000215: Invalid client secret provided.', 'SECRET_INVALID'],
    ['invalid_client', 'AADSTS7000222: The provided client secret keys are expired.', 'SECRET_EXPIRED'],
    ['unauthorized_client', 'AADSTS700016: Application was not found in the directory', 'APP_NOT_FOUND'],
    ['invalid_request', "AADSTS90002: Tenant 'x' not found.", 'APP_NOT_FOUND'],
    ['invalid_resource', 'AADSTS500011: The resource principal was not found', 'APP_NOT_FOUND'],
    ['access_denied', 'AADSTS53003: Access has been blocked by Conditional Access', 'CONDITIONAL_ACCESS'],
    ['invalid_grant', 'AADSTS50057: The user account is disabled.', 'ACCOUNT_DISABLED'],
    ['invalid_grant', 'AADSTS50105: not assigned to a role', 'APP_NOT_ASSIGNED'],
    ['invalid_grant', 'AADSTS50020: does not exist in tenant', 'ACCOUNT_NOT_FOUND'],
    ['invalid_grant', 'AADSTS90033: A transient error has occurred. Please try again.', 'UNAVAILABLE'],
    ['invalid_grant', 'AADSTS50196: The server terminated an operation: client loop', 'UNAVAILABLE'],
    ['invalid_client', 'AADSTS700025: Client is public', 'REDIRECT_URI_MISMATCH'],
    ['invalid_request', 'AADSTS9002327: issued for the Single-Page Application', 'REDIRECT_URI_MISMATCH'],
    ['invalid_client', "AADSTS650053: asked for scope 'x' that doesn't exist", 'TOKEN_EXCHANGE_FAILED'],
    ['invalid_client', 'AADSTS9999999: a number nobody knows', 'CREDENTIAL_REFUSED'],
    ['unauthorized_client', 'AADSTS7000112: Application is disabled.', 'APP_DISABLED'],
    ['invalid_resource', 'AADSTS500014: The service principal is disabled.', 'APP_DISABLED'],
    ['invalid_grant', 'AADSTS530003: Your device is required to be managed', 'CONDITIONAL_ACCESS'],
    ['invalid_grant', 'AADSTS50131: Device is not in required device state', 'CONDITIONAL_ACCESS'],
    ['access_denied', 'AADSTS53010: security information from specific locations', 'CONDITIONAL_ACCESS'],
    ['temporarily_unavailable', null, 'UNAVAILABLE'],
    ['server_error', '', 'UNAVAILABLE'],
    ['invalid_grant', 'no number here', 'SIGN_IN_REQUIRED'],
    ['invalid_grant', 'AADSTS9999999: a number nobody knows', 'SIGN_IN_REQUIRED'],
    ['access_denied', null, 'CONSENT_DECLINED'],
    ['something_new', 'AADSTS9999999: a number nobody knows', null],
    [null, null, null],
  ])('%s, %s: %s', (error, description, outcome) => {
    expect(classifyEntraError(error, description)).toBe(outcome);
  });

  test('the number is read from the description, and from nothing that merely looks like one', () => {
    expect(aadstsNumber('AADSTS50173: gone')).toBe(50173);
    expect(aadstsNumber('trace 50173')).toBeNull();
    expect(aadstsNumber('AADSTS12')).toBeNull();
  });
});

describe('what a refused refresh means for the account', () => {
  test.each<[EntraOutcome | null, AccountStatus]>([
    ['SIGN_IN_REQUIRED', 'NEEDS_SIGN_IN'],
    ['TOKEN_REVOKED', 'NEEDS_SIGN_IN'],
    ['MFA_REQUIRED', 'NEEDS_SIGN_IN'],
    ['CONDITIONAL_ACCESS', 'NEEDS_SIGN_IN'],
    ['ACCOUNT_DISABLED', 'NEEDS_SIGN_IN'],
    ['CONSENT_REQUIRED', 'NEEDS_CONSENT'],
    ['ADMIN_APPROVAL_NEEDED', 'NEEDS_CONSENT'],
    ['SECRET_INVALID', 'CREDENTIAL_EXPIRED'],
    ['SECRET_EXPIRED', 'CREDENTIAL_EXPIRED'],
    ['APP_NOT_FOUND', 'CREDENTIAL_EXPIRED'],
    ['CREDENTIAL_REFUSED', 'CREDENTIAL_EXPIRED'],
    ['APP_DISABLED', 'NEEDS_SIGN_IN'],
    ['UNAVAILABLE', 'UNREACHABLE'],
    [null, 'UNREACHABLE'],
  ])('%s: %s', (outcome, status) => {
    expect(refreshRefusal(outcome).status).toBe(status);
  });
});

test('every outcome of a sign-in has a sentence and a remedy', () => {
  for (const outcome of [...ENTRA_OUTCOMES, null]) {
    const error = new SignInError(signInErrorCode(outcome), { microsoftCode: 'AADSTS1234' });
    expect(error.message).toContain('AADSTS1234');
    expect(error.remedy.length).toBeGreaterThan(20);
  }
});

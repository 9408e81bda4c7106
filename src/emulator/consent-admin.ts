import { grantForOrganization, grantRoles, permissionsOf } from './consent.ts';
import { DEFAULT_PERMISSIONS, type RequestedScope, readScopes } from './consent-permissions.ts';
import { OAuthFault } from './oauth-fault.ts';
import { type Account, approvalNeeded, declined, findAccount } from './sign-in-authorize.ts';
import type { Audience, Parameters, SignInChoice } from './sign-in-request.ts';
import { appSettingsOf } from './sign-in-state.ts';
import type { EmulatorState } from './state.ts';

/** What an admin consent request comes to. */
export type AdminConsentOutcome =
  | { kind: 'pick-account' }
  | { kind: 'ask-consent'; account: Account; permissions: readonly string[]; roles: readonly string[] }
  | { kind: 'need-approval'; account: Account; permissions: readonly string[] }
  | { kind: 'redirect'; account: Account; answer: Readonly<Record<string, string>> };

/**
 * Reads the scopes of an admin consent request.
 *
 * @throws OAuthFault 9002313 for `common`, which the page on admin consent rules out; what `readScopes` throws.
 */
export function readAdminConsent(
  audience: Audience,
  segment: string,
  parameters: Parameters,
): readonly RequestedScope[] {
  if (audience.kind === 'personal' || segment.toLowerCase() === 'common') {
    throw new OAuthFault(
      9002313,
      `Invalid request. Request is malformed or invalid: '/${segment}' must not be used for admin consent, use a tenant or 'organizations'.`,
    );
  }
  return readScopes(parameters.get('scope'));
}

/**
 * Takes one step of an admin consent: picks the administrator, shows what is asked, and grants it for the tenant.
 * `.default` grants the application permissions of the app as well. See
 * https://learn.microsoft.com/entra/identity-platform/v2-admin-consent.
 *
 * @throws OAuthFault 65004 declined, 90094 when somebody who is no administrator answers; 50034, 50020 and 50057 for
 * an account that cannot be used.
 */
export function answerAdminConsent(
  state: EmulatorState,
  request: { audience: Audience; appId: string; scopes: readonly RequestedScope[] },
  choice: SignInChoice,
): AdminConsentOutcome {
  if (choice.account === null) {
    if (choice.decision === 'deny') throw declined();
    return { kind: 'pick-account' };
  }
  const account = findAccount(state, request.audience, choice.account);
  const permissions = permissionsOf(state, request.appId, request.scopes);
  if (!account.user.isAdmin) {
    if (choice.decision !== null) throw approvalNeeded(request.appId);
    return { kind: 'need-approval', account, permissions };
  }
  if (choice.decision === 'deny') throw declined();
  const withRoles = request.scopes.some(({ name }) => name === '.default');
  if (choice.decision === null) {
    const registered = appSettingsOf(state.signIn, request.appId).roles ?? DEFAULT_PERMISSIONS;
    return { kind: 'ask-consent', account, permissions, roles: withRoles ? registered : [] };
  }
  grantForOrganization(account.tenant, request.appId, permissions);
  if (withRoles) grantRoles(state, account.tenant, request.appId);
  return {
    kind: 'redirect',
    account,
    answer: {
      admin_consent: 'True',
      tenant: account.tenant.id,
      scope: request.scopes.map(({ written }) => written).join(' '),
    },
  };
}

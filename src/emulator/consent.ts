import { DEFAULT_PERMISSIONS, mayUserGrant, type RequestedScope } from './consent-permissions.ts';
import type { AppConsent, DirectoryUser, Tenant } from './directory-user.ts';
import { appSettingsOf, settingsOf } from './sign-in-state.ts';
import type { EmulatorState } from './state.ts';

/** What stands between a user and the permissions an app asks for. */
export type ConsentNeed = 'nothing' | 'user-consent' | 'admin-approval';

/** The permissions behind the scopes of a request: `.default` stands for what the app is registered with. */
export function permissionsOf(
  state: EmulatorState,
  appId: string,
  requested: readonly RequestedScope[],
): string[] {
  const names = requested.flatMap(({ name }) =>
    name === '.default' ? ['User.Read', ...rolesOf(state, appId)] : [name],
  );
  return [...new Set(names)];
}

/** The delegated permissions an app holds for a user: the user's own consent and the administrator's together. */
export function grantedPermissions(tenant: Tenant, appId: string, userId: string): string[] {
  const consent = tenant.appConsents.get(appId);
  if (consent === undefined) return [];
  return [...new Set([...consent.adminScopes, ...(consent.userScopes.get(userId) ?? [])])];
}

/** Which of these permissions nobody has granted yet. */
export function missingPermissions(
  tenant: Tenant,
  appId: string,
  userId: string,
  permissions: readonly string[],
): string[] {
  const granted = new Set(grantedPermissions(tenant, appId, userId));
  return permissions.filter((name) => !granted.has(name));
}

/**
 * Decides whether a consent page is due, and whether this user may answer it. `prompt=consent` asks again for what
 * was granted already. What plain users may grant is a setting of the tenant; permissions that only an administrator
 * may grant stay theirs in any case.
 */
export function consentNeed(
  state: EmulatorState,
  tenant: Tenant,
  user: DirectoryUser,
  appId: string,
  permissions: readonly string[],
  promptedForConsent: boolean,
): ConsentNeed {
  const missing = missingPermissions(tenant, appId, user.id, permissions);
  if (missing.length === 0) return promptedForConsent ? 'user-consent' : 'nothing';
  if (user.isAdmin) return 'user-consent';
  const policy = settingsOf(state.signIn, tenant.id).userConsentAllowed;
  return missing.every((name) => mayUserGrant(name, policy)) ? 'user-consent' : 'admin-approval';
}

/** Records that a user granted permissions for themselves. */
export function grantForUser(
  tenant: Tenant,
  appId: string,
  userId: string,
  permissions: readonly string[],
): void {
  const consent = consentOf(tenant, appId);
  const before = consent.userScopes.get(userId) ?? [];
  consent.userScopes.set(userId, [...new Set([...before, ...permissions])]);
}

/** Records that an administrator granted permissions for everybody in the tenant. */
export function grantForOrganization(tenant: Tenant, appId: string, permissions: readonly string[]): void {
  const consent = consentOf(tenant, appId);
  consent.adminScopes = [...new Set([...consent.adminScopes, ...permissions])];
}

/** Records that an administrator granted the application permissions the app is registered with. */
export function grantRoles(state: EmulatorState, tenant: Tenant, appId: string): void {
  consentOf(tenant, appId).roles = [...rolesOf(state, appId)];
}

/**
 * Takes back what was granted: by one user, or, without `userId`, by the administrator and everybody. With `scopes` only
 * these, of the user's own consent or of the administrator's.
 */
export function revokeConsent(
  tenant: Tenant,
  appId: string,
  userId: string | null,
  scopes: readonly string[] | null = null,
): void {
  if (scopes !== null) {
    const consent = consentOf(tenant, appId);
    const without = (names: readonly string[]) => names.filter((name) => !scopes.includes(name));
    if (userId === null) consent.adminScopes = without(consent.adminScopes);
    else consent.userScopes.set(userId, without(consent.userScopes.get(userId) ?? []));
    return;
  }
  if (userId === null) tenant.appConsents.delete(appId);
  else tenant.appConsents.get(appId)?.userScopes.delete(userId);
}

/**
 * The application permissions that client credentials get in a tenant: what an administrator granted there, and
 * otherwise what the app is registered with, so that a first try needs no administrator; not in a tenant whose settings
 * say `rolesNeedConsent`.
 */
export function grantedRoles(state: EmulatorState, tenant: Tenant, appId: string): readonly string[] {
  const granted = tenant.appConsents.get(appId)?.roles ?? [];
  if (granted.length > 0 || settingsOf(state.signIn, tenant.id).rolesNeedConsent) return granted;
  return rolesOf(state, appId);
}

function rolesOf(state: EmulatorState, appId: string): readonly string[] {
  return appSettingsOf(state.signIn, appId).roles ?? DEFAULT_PERMISSIONS;
}

function consentOf(tenant: Tenant, appId: string): AppConsent {
  const known = tenant.appConsents.get(appId);
  if (known !== undefined) return known;
  const fresh: AppConsent = { appId, adminScopes: [], roles: [], userScopes: new Map() };
  tenant.appConsents.set(appId, fresh);
  return fresh;
}

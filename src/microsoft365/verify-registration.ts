import type { AuthenticationResult } from '@azure/msal-node';
import type { Logger } from '../platform/logger.ts';
import { isNotInTenant } from './application-account.ts';
import type { EndpointOverrides } from './endpoints.ts';
import type { AuthorizationMode } from './integration.entity.ts';
import { type AppRegistration, applicationScopes, createMsal, readMsalFailure } from './msal.ts';
import { PERSONAL_TENANT } from './personal-accounts.ts';
import { RegistrationError, type RegistrationErrorCode } from './registration-error.ts';
import { findTenant } from './tenant-metadata.ts';

/** Names that stand for more than one tenant; see https://learn.microsoft.com/entra/msal/msal-client-application-configuration */
export const AUDIENCES: ReadonlySet<string> = new Set(['common', 'organizations', 'consumers']);

export interface VerifyDeps {
  overrides: EndpointOverrides;
  logger: Logger;
}

/** What Microsoft said of an app registration that it did not refuse. */
export interface Verification {
  /** The id of its tenant; null when it stands for more than one. */
  tenantId: string | null;
  /** A token for the app itself, which proves client id and credential; null when Microsoft could not be asked for one. */
  token: AuthenticationResult | null;
  /** Microsoft's code where the tenant does not know the app yet, so that nothing else could be asked. */
  notInTenant?: string;
}

/**
 * Asks Microsoft whether tenant, client id and credential are right. Client credentials show it: Entra gives out such a
 * token without any consent. They need one tenant, so an app of many is tried in `knownTenantId`, where somebody signed
 * in already, and otherwise not at all. With `mayLackConsent` an app that the tenant does not know is no error: whoever made it
 * for many tenants becomes known in one by an administrator's consent alone. Throws {@link RegistrationError}.
 */
export async function verifyRegistration(
  deps: VerifyDeps,
  app: AppRegistration,
  mode: AuthorizationMode,
  {
    knownTenantId = null,
    mayLackConsent = false,
  }: { knownTenantId?: string | null; mayLackConsent?: boolean } = {},
): Promise<Verification> {
  const tenantId = await findTenant(deps.overrides, app.cloud, app.tenantId);
  const asked = tenantId ?? knownTenantId;
  if (asked === null || asked === PERSONAL_TENANT) return { tenantId, token: null };
  try {
    const msal = createMsal({ ...app, tenantId: asked }, deps.overrides);
    const scopes = applicationScopes(app.cloud);
    return { tenantId, token: await msal.acquireTokenByClientCredential({ scopes, skipCache: true }) };
  } catch (error) {
    const { outcome, microsoftCode, correlationId } = readMsalFailure(error);
    const { cloud, clientId } = app;
    deps.logger.warn({ cloud, clientId, microsoftCode, correlationId }, 'an app registration was refused');
    // One of many tenants that no longer lets the app in: that says nothing about the credential.
    if (tenantId === null && outcome === 'APP_NOT_FOUND') return { tenantId, token: null };
    if (mayLackConsent && microsoftCode !== null && isNotInTenant(microsoftCode)) {
      return { tenantId, token: null, notInTenant: microsoftCode };
    }
    const code = outcome === null ? undefined : CODES[outcome];
    if (code !== undefined)
      throw new RegistrationError(code, { microsoftCode, requestId: correlationId, cause: error });
    // A policy against tokens of the app itself says nothing about people who sign in.
    if (mode === 'DELEGATED') return { tenantId, token: null };
    throw new RegistrationError('CREDENTIAL_REFUSED', {
      microsoftCode,
      requestId: correlationId,
      cause: error,
    });
  }
}

const CODES: Partial<Record<string, RegistrationErrorCode>> = {
  APP_NOT_FOUND: 'APP_NOT_FOUND',
  APP_DISABLED: 'APP_DISABLED',
  CREDENTIAL_REFUSED: 'CREDENTIAL_REFUSED',
  SECRET_INVALID: 'SECRET_INVALID',
  SECRET_EXPIRED: 'SECRET_EXPIRED',
  CERTIFICATE_REFUSED: 'CERTIFICATE_REFUSED',
  UNAVAILABLE: 'SIGN_IN_UNAVAILABLE',
};

export { CODES as REGISTRATION_CODES };

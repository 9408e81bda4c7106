import { timingSafeEqual } from 'node:crypto';
import { checkAssertion } from './client-assertion.ts';
import type { Tenant } from './directory-user.ts';
import { OAuthFault } from './oauth-fault.ts';
import { type Audience, type Parameters, required } from './sign-in-request.ts';
import { appSettingsOf, settingsOf } from './sign-in-state.ts';
import type { EmulatorState } from './state.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** A secret that is wrong for every app: shows what a mistyped secret looks like. */
const WRONG_SECRET = 'wrong-secret';
/** A secret that has expired for every app: shows what the day after its end date looks like. */
const EXPIRED_SECRET = 'expired-secret';

/**
 * Checks who calls the token endpoint, and returns its app (client) id. The secret comes in the form or by HTTP Basic
 * (RFC 6749, section 2.3.1), or an assertion takes its place (RFC 7523). An app with a configured secret must send
 * that one; any other app may send whatever it likes, so that a first try needs no registration.
 *
 * The same holds for certificates: see `client-assertion.ts`. In a tenant that knows only described apps
 * (`knownAppsOnly`), any other is refused first.
 *
 * @throws OAuthFault 900144 without a client id, 700016 for an unknown app, 7000218 without any credential, 7000215 for a
 * wrong secret, 7000222 for an expired one, what `checkAssertion` throws for an assertion.
 */
export function authenticateClient(
  state: EmulatorState,
  audience: Audience,
  parameters: Parameters,
  authorization: string | undefined,
): string {
  const basic = readBasic(authorization);
  const appId = (basic?.appId ?? required(parameters, 'client_id')).toLowerCase();
  checkAppIsKnown(state, audience, appId);
  checkServicePrincipal(state, audience, appId);
  const assertion = parameters.get('client_assertion');
  if (assertion !== undefined && parameters.get('client_assertion_type') === ASSERTION_TYPE) {
    const { certificates } = appSettingsOf(state.signIn, appId);
    checkAssertion(appId, assertion, certificates, state.clock.now() / 1_000);
    return appId;
  }
  const secret = basic?.secret ?? parameters.get('client_secret') ?? '';
  if (secret === '') {
    throw new OAuthFault(
      7000218,
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    );
  }
  checkSecret(state, appId, secret);
  return appId;
}

function checkSecret(state: EmulatorState, appId: string, secret: string): void {
  if (secret === EXPIRED_SECRET) {
    throw new OAuthFault(
      7000222,
      `The provided client secret keys for app '${appId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
    );
  }
  const { certificates, otherSecrets } = appSettingsOf(state.signIn, appId);
  const configured = state.appSecrets.get(appId);
  const isChecked = configured !== undefined || certificates !== null;
  const isGood = [configured, ...otherSecrets].some((good) => good !== undefined && equal(secret, good));
  if (secret === WRONG_SECRET || (isChecked && !isGood)) {
    throw new OAuthFault(
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${appId}'.`,
    );
  }
}

/** Throws 700016 where the tenant takes only apps that were described through the control API. */
export function checkAppIsKnown(state: EmulatorState, audience: Audience, appId: string): void {
  if (audience.kind !== 'tenant' || !settingsOf(state.signIn, audience.tenant.id).knownAppsOnly) return;
  if (state.signIn.apps.has(appId)) return;
  throw notFound(audience.tenant, appId);
}

/** Throws 700016 in a tenant that is not the app's home, as long as nobody there has consented: as Entra, before it looks at the secret. */
function checkServicePrincipal(state: EmulatorState, audience: Audience, appId: string): void {
  const { homeTenantId } = appSettingsOf(state.signIn, appId);
  if (audience.kind !== 'tenant' || homeTenantId === null || homeTenantId === audience.tenant.id) return;
  if (!audience.tenant.appConsents.has(appId)) throw notFound(audience.tenant, appId);
}

function notFound({ displayName }: Tenant, appId: string): OAuthFault {
  return new OAuthFault(
    700016,
    `Application with identifier '${appId}' was not found in the directory '${displayName}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
  );
}

function readBasic(authorization: string | undefined): { appId: string; secret: string } | null {
  const encoded = /^Basic +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return null;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return null;
  try {
    return {
      appId: decodeURIComponent(decoded.slice(0, colon)),
      secret: decodeURIComponent(decoded.slice(colon + 1)),
    };
  } catch {
    return null; // broken percent encoding
  }
}

function equal(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

import { timingSafeEqual } from 'node:crypto';
import { OAuthFault } from './oauth-fault.ts';
import { type Parameters, required } from './sign-in-request.ts';
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
 * The signature of an assertion is not verified, since nobody uploads a certificate here; its claims are.
 *
 * @throws OAuthFault 900144 without a client id, 7000218 without any credential, 7000215 for a wrong secret, 7000222
 * for an expired one, 700027 or 700023 for an assertion that could not have been accepted.
 */
export function authenticateClient(
  state: EmulatorState,
  parameters: Parameters,
  authorization: string | undefined,
): string {
  const basic = readBasic(authorization);
  const appId = (basic?.appId ?? required(parameters, 'client_id')).toLowerCase();
  const assertion = parameters.get('client_assertion');
  if (assertion !== undefined && parameters.get('client_assertion_type') === ASSERTION_TYPE) {
    checkAssertion(state, appId, assertion);
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
  const configured = state.appSecrets.get(appId);
  if (secret === WRONG_SECRET || (configured !== undefined && !equal(secret, configured))) {
    throw new OAuthFault(
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${appId}'.`,
    );
  }
}

interface AssertionClaims {
  iss?: unknown;
  sub?: unknown;
  aud?: unknown;
  exp?: unknown;
}

/** The claims Entra asks of an assertion: see "certificate credentials" in its documentation. */
function checkAssertion(state: EmulatorState, appId: string, assertion: string): void {
  const claims = readClaims(assertion);
  if (claims === null || claims.iss !== claims.sub || String(claims.sub).toLowerCase() !== appId) {
    throw new OAuthFault(
      700027,
      'The certificate with identifier used to sign the client assertion is not registered on application, or the assertion is malformed. Its iss and sub must be the client id.',
    );
  }
  const nowSeconds = state.clock.now() / 1_000;
  const clockSkewSeconds = 5 * 60;
  if (!(Number(claims.exp) > nowSeconds - clockSkewSeconds)) {
    throw new OAuthFault(
      700027,
      'Client assertion is not within its valid time range. Check the clock of the client and the exp claim.',
    );
  }
  if (!String(claims.aud).startsWith('https://login.microsoftonline.com/')) {
    throw new OAuthFault(700023, 'Client assertion audience claim does not match Realm issuer.');
  }
}

function readClaims(jwt: string): AssertionClaims | null {
  const [, payload, signature] = jwt.split('.');
  if (payload === undefined || signature === undefined || signature === '') return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return typeof claims === 'object' && claims !== null ? { ...claims } : null;
  } catch {
    return null; // not JSON: no assertion of anybody
  }
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

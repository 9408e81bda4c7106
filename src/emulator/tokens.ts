import { createHash, randomBytes, randomInt, randomUUID, sign, verify } from 'node:crypto';
import type { Caller } from './caller.ts';
import { CLOUD_HOSTS, type EmulatedCloud, graphRootOf } from './cloud-hosts.ts';
import type { DirectoryUser } from './directory-user.ts';
import { GraphFault } from './graph-fault.ts';
import { rememberRefreshToken, type SigningKey, settingsOf } from './sign-in-state.ts';
import type { EmulatorState } from './state.ts';

/** Entra gives access tokens a random life between these two; see the page on access tokens. */
const SHORTEST_ACCESS_SECONDS = 60 * 60;
const LONGEST_ACCESS_SECONDS = 90 * 60;
const REFRESH_TOKEN_MILLISECONDS = 90 * 24 * 60 * 60 * 1_000;

/** Whom an access token stands for, and what it allows. */
export interface AccessGrant {
  tenantId: string;
  /** `null`: the app itself. */
  user: DirectoryUser | null;
  appId: string;
  /** Delegated permissions, by their names at Graph. */
  scopes: readonly string[];
  /** Application permissions. */
  roles: readonly string[];
}

/** The claims of our access tokens that are read again. Whoever holds the key wrote them, but a saved key may be old. */
interface AccessClaims {
  aud?: unknown;
  exp?: unknown;
  tid?: unknown;
  appid?: unknown;
  idtyp?: unknown;
  oid?: unknown;
  scp?: unknown;
  roles?: unknown;
  generation?: unknown;
}

/** Issues an access token for Graph: a JWT that we sign, and that clients should treat as opaque. */
export function issueAccessToken(
  state: EmulatorState,
  grant: AccessGrant,
): { token: string; expiresInSeconds: number } {
  const expiresInSeconds =
    settingsOf(state.signIn, grant.tenantId).accessTokenSeconds ??
    randomInt(SHORTEST_ACCESS_SECONDS, LONGEST_ACCESS_SECONDS + 1);
  const issuedAt = secondsNow(state);
  const { user } = grant;
  const token = signJwt(state.signIn.signingKey, {
    aud: graphRootOf(cloudOf(state, grant.tenantId)),
    iss: `https://sts.windows.net/${grant.tenantId}/`,
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + expiresInSeconds,
    appid: grant.appId,
    idtyp: user === null ? 'app' : 'user',
    tid: grant.tenantId,
    uti: randomUUID(),
    ver: '1.0',
    ...(user === null
      ? { oid: servicePrincipalId(grant), roles: grant.roles }
      : {
          oid: user.id,
          name: user.displayName,
          upn: user.userPrincipalName,
          sub: pairwiseSubject(user, grant.appId),
          scp: grant.scopes.filter((scope) => scope !== 'offline_access').join(' '),
          generation: state.signIn.accessGenerations.get(user.id) ?? 0,
        }),
  });
  return { token, expiresInSeconds };
}

/** Issues the id token of a sign-in; see https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference. */
export function issueIdToken(
  state: EmulatorState,
  tenantId: string,
  user: DirectoryUser,
  appId: string,
  nonce: string | null,
): string {
  const issuedAt = secondsNow(state);
  return signJwt(state.signIn.signingKey, {
    aud: appId,
    iss: `https://${CLOUD_HOSTS[cloudOf(state, tenantId)].login}/${tenantId}/v2.0`,
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + SHORTEST_ACCESS_SECONDS,
    name: user.displayName,
    oid: user.id,
    preferred_username: user.userPrincipalName,
    sub: pairwiseSubject(user, appId),
    tid: tenantId,
    uti: randomUUID(),
    ver: '2.0',
    ...(user.mail === null ? {} : { email: user.mail }),
    ...(nonce === null ? {} : { nonce }),
  });
}

/** Issues a refresh token, good for 90 days. `signInId` joins all that descend from one sign-in. */
export function issueRefreshToken(
  state: EmulatorState,
  grant: { tenantId: string; userId: string; appId: string; scopes: readonly string[]; signInId: string },
): string {
  const token = `1.${randomBytes(96).toString('base64url')}`;
  rememberRefreshToken(state.signIn, token, {
    ...grant,
    scopes: [...grant.scopes],
    expiresAt: state.clock.now() + REFRESH_TOKEN_MILLISECONDS,
    used: false,
    revoked: false,
  });
  return token;
}

/** `client_info`: which account the tokens belong to, for the app's token cache. */
export function clientInfo(tenantId: string, userId: string): string {
  return encode({ uid: userId, utid: tenantId });
}

/** The keys that verify our tokens, as `/discovery/v2.0/keys` publishes them. */
export function publicKeys(state: EmulatorState): { keys: readonly object[] } {
  const { id, publicKey } = state.signIn.signingKey;
  return { keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: id, x5t: id }] };
}

/**
 * Who calls Graph, by the `Authorization` header.
 *
 * @throws GraphFault 401 `InvalidAuthenticationToken` when the header is missing, is no token of ours, or the token
 * has expired, was revoked, or belongs to a tenant or user that is no longer there.
 */
export function authenticate(state: EmulatorState, authorization: string | null | undefined): Caller {
  const token = /^Bearer +(\S+)$/i.exec((authorization ?? '').trim())?.[1];
  if (token === undefined) throw invalidToken('Access token is empty.');
  const claims = readJwt(state.signIn.signingKey, token);
  const tenantId = String(claims.tid);
  if (claims.aud !== graphRootOf(cloudOf(state, tenantId))) {
    throw invalidToken('Access token validation failure. Invalid audience.');
  }
  if (Number(claims.exp) <= secondsNow(state)) {
    throw invalidToken('Lifetime validation failed, the token is expired.');
  }
  const tenant = state.tenants.get(tenantId);
  if (tenant === undefined) throw invalidToken('The tenant of the token was not found.');
  const appId = String(claims.appid);
  if (claims.idtyp === 'app') {
    return { tenantId, userId: null, appId, scopes: [], roles: stringsOf(claims.roles) };
  }
  const userId = String(claims.oid);
  if (!tenant.users.has(userId)) throw invalidToken('The user of the token was not found.');
  if (Number(claims.generation) < (state.signIn.accessGenerations.get(userId) ?? 0)) {
    throw invalidToken(
      'Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp',
    );
  }
  const scopes = String(claims.scp).split(' ');
  return { tenantId, userId, appId, scopes: scopes.filter((scope) => scope !== ''), roles: [] };
}

function cloudOf(state: EmulatorState, tenantId: string): EmulatedCloud {
  return state.tenants.get(tenantId)?.cloud ?? 'GLOBAL';
}

function readJwt(key: SigningKey, token: string): AccessClaims {
  const [header, payload, signature, ...rest] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
    throw invalidToken('IDX14100: JWT is not well formed, there are not exactly two dots (.).');
  }
  const signed = Buffer.from(`${header}.${payload}`);
  // Whatever `alg` says, only our RS256 counts: a header is written by whoever made the token.
  const genuine = verify('sha256', signed, key.publicKey, Buffer.from(signature, 'base64url'));
  if (!genuine)
    throw invalidToken('Signature verification failed: the token was not issued by this emulator.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
}

function signJwt(key: SigningKey, claims: object): string {
  const signed = `${encode({ typ: 'JWT', alg: 'RS256', kid: key.id, x5t: key.id })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key.privateKey).toString('base64url')}`;
}

function invalidToken(message: string): GraphFault {
  return new GraphFault(401, 'InvalidAuthenticationToken', message, {
    'www-authenticate':
      'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="invalid_token"',
  });
}

/** `sub` differs from app to app, so that apps cannot compare their users by it. */
function pairwiseSubject(user: DirectoryUser, appId: string): string {
  return createHash('sha256').update(`${user.id}|${appId}`).digest('base64url');
}

/** The object id of the app in a tenant: always the same, without a record of it. */
export function servicePrincipalId(grant: Pick<AccessGrant, 'tenantId' | 'appId'>): string {
  const hex = createHash('sha256').update(`${grant.tenantId}|${grant.appId}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function secondsNow(state: EmulatorState): number {
  return Math.floor(state.clock.now() / 1_000);
}

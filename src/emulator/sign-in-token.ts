import { createHash, randomUUID } from 'node:crypto';
import { grantedPermissions, grantedRoles, missingPermissions, permissionsOf } from './consent.ts';
import { OPENID_SCOPES, readScopes } from './consent-permissions.ts';
import type { DirectoryUser, Tenant } from './directory-user.ts';
import { OAuthFault } from './oauth-fault.ts';
import { refusalFault } from './refusals.ts';
import { authenticateClient } from './sign-in-client.ts';
import { type Audience, admits, type Parameters, required } from './sign-in-request.ts';
import { type AuthorizationCode, settingsOf } from './sign-in-state.ts';
import type { EmulatorState } from './state.ts';
import { clientInfo, issueAccessToken, issueIdToken, issueRefreshToken } from './tokens.ts';

/** The JSON of a successful token request; see the pages on the authorization code and client credentials flows. */
export interface TokenAnswer {
  token_type: 'Bearer';
  scope?: string;
  expires_in: number;
  ext_expires_in: number;
  access_token: string;
  refresh_token?: string;
  id_token?: string;
  client_info?: string;
}

/** The person, app and scopes that a code or a refresh token stands for. */
interface Grant {
  tenant: Tenant;
  user: DirectoryUser;
  appId: string;
  signInId: string;
  nonce: string | null;
}

/**
 * Answers `POST /{tenant}/oauth2/v2.0/token`. The client is checked before what it brings, as Entra does: a wrong
 * secret leaves a code unused.
 *
 * @throws OAuthFault for everything that is refused; the codes stand at the functions below.
 */
export function answerTokenRequest(
  state: EmulatorState,
  audience: Audience,
  parameters: Parameters,
  authorization: string | undefined,
): TokenAnswer {
  const grantType = required(parameters, 'grant_type');
  const appId = authenticateClient(state, audience, parameters, authorization);
  switch (grantType) {
    case 'authorization_code':
      return redeemCode(state, audience, appId, parameters);
    case 'refresh_token':
      return redeemRefreshToken(state, audience, appId, parameters);
    case 'client_credentials':
      return issueToApp(state, audience, appId, parameters);
    default:
      throw new OAuthFault(70003, `The app requested an unsupported grant type '${grantType}'.`);
  }
}

/**
 * A code is good once, for a minute, for the app and redirect URI it was made for, and with the PKCE verifier.
 *
 * @throws OAuthFault 70000 unknown code or other app, 54005 used, 70008 expired, 700005 other tenant, 500112 other
 * redirect URI, 501481 verifier does not match.
 */
function redeemCode(
  state: EmulatorState,
  audience: Audience,
  appId: string,
  parameters: Parameters,
): TokenAnswer {
  const code = state.signIn.codes.get(required(parameters, 'code'));
  const redirectUri = required(parameters, 'redirect_uri');
  if (code === undefined || code.appId !== appId) {
    throw new OAuthFault(70000, 'Provided grant is invalid or malformed.');
  }
  if (code.used) {
    throw new OAuthFault(
      54005,
      'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.',
    );
  }
  if (code.expiresAt <= state.clock.now()) {
    throw new OAuthFault(
      70008,
      'The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.',
    );
  }
  if (!admits(audience, code.tenantId)) {
    throw new OAuthFault(
      700005,
      'Provided Authorization Code is intended to use against other tenant, thus rejected.',
    );
  }
  if (redirectUri !== code.redirectUri) {
    throw new OAuthFault(
      500112,
      `The reply address '${redirectUri}' does not match the reply address '${code.redirectUri}' provided when requesting Authorization code.`,
    );
  }
  checkVerifier(code, parameters.get('code_verifier'));
  code.used = true;
  const { tenant, user } = accountOf(state, code);
  const grant: Grant = { tenant, user, appId, signInId: randomUUID(), nonce: code.nonce };
  return issueToUser(state, grant, parameters.get('scope'), code.scopes, parameters);
}

/**
 * Every use brings a new refresh token. The old one stays usable, as at Entra, unless the tenant's settings say
 * otherwise; so a client that loses an answer is not locked out.
 *
 * @throws OAuthFault 70000 unknown token or other app, 50020 other tenant, 50173 revoked, 700082 expired, 54005 used
 * where reuse is rejected, 50057 or 50034 when the account is blocked or gone, 65001 for a scope without consent.
 */
function redeemRefreshToken(
  state: EmulatorState,
  audience: Audience,
  appId: string,
  parameters: Parameters,
): TokenAnswer {
  const token = state.signIn.refreshTokens.get(required(parameters, 'refresh_token'));
  if (token === undefined || token.appId !== appId) {
    throw new OAuthFault(70000, 'Provided grant is invalid or malformed.');
  }
  if (!admits(audience, token.tenantId)) {
    throw new OAuthFault(50020, 'The user account of the refresh token does not exist in this tenant.');
  }
  if (token.revoked) {
    throw new OAuthFault(
      50173,
      'The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.',
    );
  }
  if (token.expiresAt <= state.clock.now()) {
    throw new OAuthFault(
      700082,
      'The refresh token has expired due to inactivity. The token was inactive for 90.00:00:00.',
    );
  }
  if (token.used && settingsOf(state.signIn, token.tenantId).refreshTokenReuse === 'reject') {
    throw new OAuthFault(54005, 'The refresh token was already redeemed, and this tenant rejects its reuse.');
  }
  const { tenant, user } = accountOf(state, token);
  const grant: Grant = { tenant, user, appId, signInId: token.signInId, nonce: null };
  const answer = issueToUser(state, grant, parameters.get('scope'), token.scopes, parameters);
  token.used = true;
  return answer;
}

/**
 * A token for the app itself, without user and without refresh token.
 *
 * @throws OAuthFault 9001023 when the path names no tenant, 1002012 when the scope is not Graph's `.default`.
 */
function issueToApp(
  state: EmulatorState,
  audience: Audience,
  appId: string,
  parameters: Parameters,
): TokenAnswer {
  if (audience.kind !== 'tenant') {
    throw new OAuthFault(
      9001023,
      'The grant type is not supported over the /common, /organizations or /consumers endpoints. Please use the tenant-specific endpoint.',
    );
  }
  const scopes = readScopes(parameters.get('scope'));
  if (scopes.length !== 1 || scopes[0]?.name !== '.default' || scopes[0].written === '.default') {
    throw new OAuthFault(
      1002012,
      `The provided value for scope ${parameters.get('scope') ?? ''} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
    );
  }
  const { tenant } = audience;
  const roles = grantedRoles(state, tenant, appId);
  const access = issueAccessToken(state, { tenantId: tenant.id, user: null, appId, scopes: [], roles });
  return {
    token_type: 'Bearer',
    expires_in: access.expiresInSeconds,
    ext_expires_in: access.expiresInSeconds,
    access_token: access.token,
  };
}

/**
 * The answer to a person's app. The access token carries every permission that was granted, not only those asked for
 * now, as Entra's do; the scopes asked for come back in the form in which they were written, because token caches
 * look for them by it.
 */
function issueToUser(
  state: EmulatorState,
  grant: Grant,
  askedScope: string | undefined,
  originalScopes: readonly string[],
  parameters: Parameters,
): TokenAnswer {
  const { tenant, user, appId } = grant;
  const requested = readScopes(askedScope ?? originalScopes.join(' '));
  const permissions = permissionsOf(state, appId, requested);
  const missing = missingPermissions(tenant, appId, user.id, permissions);
  if (missing.length > 0) {
    throw new OAuthFault(
      65001,
      `The user or administrator has not consented to use the application with ID '${appId}' for ${missing.join(', ')}. Send an interactive authorization request for this user and resource.`,
    );
  }
  const granted = grantedPermissions(tenant, appId, user.id);
  const access = issueAccessToken(state, { tenantId: tenant.id, user, appId, scopes: granted, roles: [] });
  const names = new Set(requested.map(({ name }) => name));
  const written = requested.map((scope) => scope.written);
  const others = granted.filter((name) => !names.has(name) && !OPENID_SCOPES.includes(name));
  const scopes = [...originalScopes, ...written];
  const has = (name: string) => scopes.includes(name);
  return {
    token_type: 'Bearer',
    scope: [...written, ...others].filter((scope) => scope !== 'offline_access').join(' '),
    expires_in: access.expiresInSeconds,
    ext_expires_in: access.expiresInSeconds,
    access_token: access.token,
    ...(has('offline_access')
      ? {
          refresh_token: issueRefreshToken(state, {
            tenantId: tenant.id,
            userId: user.id,
            appId,
            scopes: originalScopes,
            signInId: grant.signInId,
          }),
        }
      : {}),
    ...(has('openid') ? { id_token: issueIdToken(state, tenant.id, user, appId, grant.nonce) } : {}),
    ...(parameters.get('client_info') === '1' ? { client_info: clientInfo(tenant.id, user.id) } : {}),
  };
}

function accountOf(
  state: EmulatorState,
  { tenantId, userId }: { tenantId: string; userId: string },
): { tenant: Tenant; user: DirectoryUser } {
  const tenant = state.tenants.get(tenantId);
  const user = tenant?.users.get(userId);
  if (tenant === undefined || user === undefined) {
    throw new OAuthFault(50034, 'The user account does not exist in the directory.');
  }
  if (!user.accountEnabled) throw new OAuthFault(50057, 'The user account is disabled.');
  const refusal = state.signIn.refusals.get(user.id);
  if (refusal !== undefined) throw refusalFault(refusal.code);
  return { tenant, user };
}

function checkVerifier({ codeChallenge }: AuthorizationCode, verifier: string | undefined): void {
  if (codeChallenge === null) return;
  const answer =
    codeChallenge.method === 'plain'
      ? verifier
      : createHash('sha256')
          .update(verifier ?? '')
          .digest('base64url');
  if (answer === codeChallenge.value) return;
  throw new OAuthFault(
    501481,
    'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
  );
}

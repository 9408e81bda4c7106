import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomUUID,
} from 'node:crypto';

import type { RefusalCode } from './refusals.ts';

/** Codes that may wait to be redeemed at one time; the oldest go first. */
const MAX_CODES = 1_000;
/** Refresh tokens over all users; the oldest go first. */
const MAX_REFRESH_TOKENS = 10_000;
/** Refresh tokens of one sign-in that stay usable beside the newest. */
const MAX_REFRESH_TOKENS_PER_SIGN_IN = 20;
const MAX_SESSIONS = 1_000;

/** What a user agreed to at the authorize endpoint, waiting for the app to fetch its tokens. */
export interface AuthorizationCode {
  tenantId: string;
  userId: string;
  appId: string;
  redirectUri: string;
  /** The scopes in the form in which the app wrote them, which is the form its token answer repeats. */
  scopes: string[];
  nonce: string | null;
  codeChallenge: { method: 'S256' | 'plain'; value: string } | null;
  /** Milliseconds since 1970. */
  expiresAt: number;
  /** A second use answers AADSTS54005, so a used code is kept until it would have expired. */
  used: boolean;
}

/** A refresh token that was handed out. */
export interface RefreshToken {
  tenantId: string;
  userId: string;
  appId: string;
  scopes: string[];
  /** All tokens that descend from one sign-in share this. */
  signInId: string;
  /** Milliseconds since 1970; 90 days after it was issued. */
  expiresAt: number;
  /** It was exchanged for a newer one; still usable unless the tenant rejects reuse. */
  used: boolean;
  /** Answers AADSTS50173 from then on. */
  revoked: boolean;
}

/** What the control API sets for one app registration. Apps nobody described accept everything. */
export interface AppSettings {
  /** The name on the sign-in and consent pages. */
  displayName: string | null;
  /** `null`: every redirect URI is accepted. */
  redirectUris: string[] | null;
  /** Application permissions that client credentials get; `null`: see `consent.ts`. */
  roles: string[] | null;
  /** Certificates in PEM that may sign its assertions; `null`: any. */
  certificates: string[] | null;
  /** Whether it takes personal accounts as well. */
  personalAccounts: boolean;
  /** The tenant it was made in: in any other it has no service principal until somebody consents. `null`: it is everywhere. */
  homeTenantId: string | null;
  /** Client secrets that are good beside the one that was set last, as while one is rotated. */
  otherSecrets: string[];
}

/**
 * Who may consent to delegated permissions beside administrators. `true`: every user, save for what is always an
 * administrator's to grant; `false`: nobody; `microsoft-managed`: every user, but not to reading mail and the like,
 * which has been the default of new tenants since November 2025. Whoever may not sees "Need admin approval".
 */
export type UserConsentPolicy = boolean | 'microsoft-managed';

/** What the control API sets for one tenant. */
export interface SignInSettings {
  userConsentAllowed: UserConsentPolicy;
  /** Life of an access token; `null`: random between 60 and 90 minutes, as Entra does it. */
  accessTokenSeconds: number | null;
  /** Entra lets a refresh token be used again; `reject` makes lost rotations visible. */
  refreshTokenReuse: 'allow' | 'reject';
  /** Apps that nobody described through the control API are not found (AADSTS700016). */
  knownAppsOnly: boolean;
  /** Client credentials carry only roles that an administrator granted. */
  rolesNeedConsent: boolean;
}

/** How the tenant refuses one of its accounts, until the control API takes it back. */
export interface Refusal {
  code: RefusalCode;
  /** Whether the authorize endpoint tells the person alone, on a page of its own as Entra mostly does, or the app. */
  answer: 'page' | 'app';
}

/** The pair that signs every token of this emulator. */
export interface SigningKey {
  id: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

/** Everything the sign-in side remembers, apart from users and consents, which are the directory's. */
export interface SignInState {
  signingKey: SigningKey;
  codes: Map<string, AuthorizationCode>;
  refreshTokens: Map<string, RefreshToken>;
  /** Who is signed in, by the value of the browser's cookie. */
  sessions: Map<string, { tenantId: string; userId: string }>;
  /** By app (client) id. */
  apps: Map<string, AppSettings>;
  /** By tenant id; a tenant that is not here has `DEFAULT_SETTINGS`. */
  settings: Map<string, SignInSettings>;
  /** Access tokens of a user that carry a smaller number than this are revoked. By user id. */
  accessGenerations: Map<string, number>;
  /** By user id. */
  refusals: Map<string, Refusal>;
}

/** What `saveSignInState` gives: plain JSON. Holds a private key and live tokens. */
export interface SavedSignInState {
  signingKey: { id: string; privateKey: JsonWebKey };
  codes: [string, AuthorizationCode][];
  refreshTokens: [string, RefreshToken][];
  sessions: [string, { tenantId: string; userId: string }][];
  apps: [string, AppSettings][];
  settings: [string, SignInSettings][];
  accessGenerations: [string, number][];
  /** Older files have none. */
  refusals?: [string, Refusal][];
}

const DEFAULT_SETTINGS: SignInSettings = {
  userConsentAllowed: true,
  accessTokenSeconds: null,
  refreshTokenReuse: 'allow',
  knownAppsOnly: false,
  rolesNeedConsent: false,
};

const UNDESCRIBED: AppSettings = {
  displayName: null,
  redirectUris: null,
  roles: null,
  certificates: null,
  personalAccounts: true,
  homeTenantId: null,
  otherSecrets: [],
};

/** An empty sign-in state with a fresh RSA key (which takes about a tenth of a second to make). */
export function createSignInState(): SignInState {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    signingKey: { id: randomUUID(), privateKey, publicKey },
    codes: new Map(),
    refreshTokens: new Map(),
    sessions: new Map(),
    apps: new Map(),
    settings: new Map(),
    accessGenerations: new Map(),
    refusals: new Map(),
  };
}

/**
 * Forgets codes, refresh tokens, sessions and settings. The signing key stays, and so do access tokens until they
 * expire: nothing at Microsoft can call back a token that is already out, short of revoking it.
 */
export function resetSignInState(state: SignInState): void {
  state.codes.clear();
  state.refreshTokens.clear();
  state.sessions.clear();
  state.apps.clear();
  state.settings.clear();
  state.accessGenerations.clear();
  state.refusals.clear();
}

/** The state as plain JSON, for a file that keeps it across restarts. */
export function saveSignInState(state: SignInState): SavedSignInState {
  return {
    signingKey: {
      id: state.signingKey.id,
      privateKey: state.signingKey.privateKey.export({ format: 'jwk' }),
    },
    codes: [...state.codes],
    refreshTokens: [...state.refreshTokens],
    sessions: [...state.sessions],
    apps: [...state.apps],
    settings: [...state.settings],
    accessGenerations: [...state.accessGenerations],
    refusals: [...state.refusals],
  };
}

/** The reverse of `saveSignInState`. Throws when the key in it is not a private key. */
export function restoreSignInState(saved: SavedSignInState): SignInState {
  const privateKey = createPrivateKey({ key: saved.signingKey.privateKey, format: 'jwk' });
  return {
    signingKey: { id: saved.signingKey.id, privateKey, publicKey: createPublicKey(privateKey) },
    codes: new Map(saved.codes),
    refreshTokens: new Map(saved.refreshTokens),
    sessions: new Map(saved.sessions),
    apps: new Map(saved.apps),
    settings: new Map(saved.settings),
    accessGenerations: new Map(saved.accessGenerations),
    refusals: new Map(saved.refusals),
  };
}

/** The settings of a tenant, set or default. */
export function settingsOf(state: SignInState, tenantId: string): SignInSettings {
  return state.settings.get(tenantId) ?? DEFAULT_SETTINGS;
}

/** The settings of an app, set or default. */
export function appSettingsOf(state: SignInState, appId: string): AppSettings {
  return state.apps.get(appId) ?? UNDESCRIBED;
}

/** Keeps a code, and drops those that expired more than their own lifetime ago. `now` in milliseconds since 1970. */
export function rememberCode(state: SignInState, code: string, grant: AuthorizationCode, now: number): void {
  const graceMilliseconds = 10 * 60 * 1_000; // long enough to answer "used" or "expired" instead of "unknown"
  for (const [known, { expiresAt }] of state.codes) {
    if (expiresAt + graceMilliseconds < now) state.codes.delete(known);
  }
  rememberBounded(state.codes, code, grant, MAX_CODES);
}

/** Keeps a refresh token, and drops the oldest of the same sign-in when it has had too many. */
export function rememberRefreshToken(state: SignInState, token: string, grant: RefreshToken): void {
  rememberBounded(state.refreshTokens, token, grant, MAX_REFRESH_TOKENS);
  const family = [...state.refreshTokens].filter(([, { signInId }]) => signInId === grant.signInId);
  for (const [old] of family.slice(0, -MAX_REFRESH_TOKENS_PER_SIGN_IN)) state.refreshTokens.delete(old);
}

/** Keeps a browser session. */
export function rememberSession(
  state: SignInState,
  cookie: string,
  who: { tenantId: string; userId: string },
): void {
  rememberBounded(state.sessions, cookie, who, MAX_SESSIONS);
}

/** Revokes what a user's apps hold: refresh tokens always, access tokens as well when asked. Returns how many refresh tokens. */
export function revokeTokensOf(state: SignInState, userId: string, accessTokensToo: boolean): number {
  let revoked = 0;
  for (const token of state.refreshTokens.values()) {
    if (token.userId !== userId || token.revoked) continue;
    token.revoked = true;
    revoked += 1;
  }
  for (const [cookie, session] of state.sessions) {
    if (session.userId === userId) state.sessions.delete(cookie);
  }
  if (accessTokensToo) refuseAccessTokensOf(state, userId);
  return revoked;
}

/** The access tokens of a user are refused from now on; refresh tokens stay good. */
export function refuseAccessTokensOf(state: SignInState, userId: string): void {
  state.accessGenerations.set(userId, (state.accessGenerations.get(userId) ?? 0) + 1);
}

/** Maps keep the order of insertion, so the first key is the oldest. */
function rememberBounded<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= limit) return;
    map.delete(oldest);
  }
}

import { type Clock, SECOND } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { digest, equalSecrets, randomToken, type SecretBox } from '../platform/secrets.ts';
import { type EndpointOverrides, loginUrlOf } from './endpoints.ts';
import { getIntegration, openRegistration } from './integrations.ts';
import { createMsal, graphScopes } from './msal.ts';
import { openSecrets, redirectUriOf, SIGN_IN_MILLISECONDS, type SignInSecrets } from './sign-in.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';
import { SignInError } from './sign-in-error.ts';

export interface OpenSignInDeps {
  database: Database;
  secretBox: SecretBox;
  clock: Clock;
  logger: Logger;
  overrides: EndpointOverrides;
  publicUrl: string;
}

/** What binds a sign-in to a browser. */
export interface SignInCookie {
  name: string;
  value: string;
  /** As long as the sign-in may last. */
  maxAgeSeconds: number;
}

/** Where a browser that opened a link goes, and with which cookie. */
export interface OpenedSignIn {
  /** Microsoft's page. */
  location: string;
  cookie: SignInCookie;
}

/** Reads a cookie of the request by its name; null when there is none. */
export type ReadCookie = (name: string) => string | null;

/**
 * The cookie that a sign-in is bound by. Each has its own, so that several may be under way in one browser; the name tells
 * nothing that the browser does not know. `__Host-` keeps neighbouring hosts from setting it (RFC 6265bis, 4.1.3).
 */
export function signInCookieName(state: string, publicUrl: string): string {
  const name = `deskgraph-sign-in-${digest(state).toString('hex').slice(0, 16)}`;
  return publicUrl.startsWith('https:') ? `__Host-${name}` : name;
}

/**
 * Answers the link of a sign-in: binds it to this browser, the first that opens it, and gives the page of Microsoft. The
 * same browser may come again. Throws {@link SignInError}.
 */
export async function openSignIn(
  deps: OpenSignInDeps,
  link: string,
  readCookie: ReadCookie,
): Promise<OpenedSignIn> {
  const { database, secretBox, clock, publicUrl } = deps;
  const found = await findByLink(database, link);
  if (found === null) throw new SignInError('INVALID_STATE');
  const em = forkFor(database, found.organizationId);
  const attempt = await em.findOneOrFail(SignInAttempt, { id: found.id });
  if (attempt.usedAt) throw new SignInError('INVALID_STATE');
  if (attempt.expiresAt <= clock.now()) throw new SignInError('SIGN_IN_EXPIRED');
  const secrets = openSecrets(secretBox, attempt);
  const name = signInCookieName(secrets.state, publicUrl);
  // A cookie that came along counts only for what it was given for: nobody chooses the secret of a browser.
  const value = attempt.browserDigest ? readCookie(name) : await bind(deps, attempt);
  if (value === null || !isBoundTo(attempt.browserDigest, value)) throw new SignInError('INVALID_STATE');
  const location = await authorizationPage(deps, attempt, secrets);
  return { location, cookie: { name, value, maxAgeSeconds: SIGN_IN_MILLISECONDS / SECOND } };
}

/** Over all organizations: a browser comes without credentials, and the link, which nobody can guess, tells which it is. */
async function findByLink(
  database: Database,
  link: string,
): Promise<{ id: string; organizationId: string } | null> {
  const [row] = await forkAcrossOrganizations(database).execute<{ id: string; organization_id: string }[]>(
    `select id, organization_id from sign_in_attempt where link_digest = decode(?, 'hex')`,
    [digest(link).toString('hex')],
  );
  return row ? { id: row.id, organizationId: row.organization_id } : null;
}

/** Gives an attempt that no browser has opened to this one. Of two that open it at the same time one gets it. */
async function bind({ database, clock }: OpenSignInDeps, attempt: SignInAttempt): Promise<string> {
  const value = randomToken();
  const em = forkFor(database, attempt.organization.id);
  await em.execute(
    `update sign_in_attempt set browser_digest = decode(?, 'hex'), updated_at = ?
      where organization_id = ? and id = ? and browser_digest is null`,
    [digest(value).toString('hex'), clock.now(), attempt.organization.id, attempt.id],
  );
  const bound = await em.findOneOrFail(SignInAttempt, { id: attempt.id });
  attempt.browserDigest = bound.browserDigest ?? null;
  return value;
}

/** Whether the cookie is the one that the sign-in is bound to, in constant time. */
export function isBoundTo(browserDigest: Buffer | null | undefined, cookie: string | null): boolean {
  if (!browserDigest || cookie === null) return false;
  return equalSecrets(Buffer.from(browserDigest).toString('hex'), digest(cookie).toString('hex'));
}

async function authorizationPage(
  { database, secretBox, overrides, publicUrl, logger }: OpenSignInDeps,
  attempt: SignInAttempt,
  { state, nonce, challenge, permissions, loginHint }: SignInSecrets,
): Promise<string> {
  const integration = await getIntegration(
    forkFor(database, attempt.organization.id),
    attempt.integration.id,
  );
  const msal = createMsal(openRegistration(secretBox, integration), overrides);
  try {
    const url = await msal.getAuthCodeUrl({
      scopes: graphScopes(integration.cloud, permissions),
      redirectUri: redirectUriOf(publicUrl),
      state,
      nonce,
      codeChallenge: challenge,
      codeChallengeMethod: 'S256',
      prompt: 'select_account',
      responseMode: 'query',
      // MSAL leaves its own `loginHint` out beside this prompt; Microsoft's page takes both.
      ...(loginHint === null ? {} : { extraQueryParameters: { login_hint: loginHint } }),
    });
    return loginUrlOf(overrides, url) ?? url;
  } catch (cause) {
    // It asks Microsoft about hosts that it does not know.
    logger.warn({ integrationId: integration.id, err: cause }, 'no page to sign in at');
    throw new SignInError('SIGN_IN_UNAVAILABLE', { cause });
  }
}

import type { AuthenticationResult, ConfidentialClientApplication } from '@azure/msal-node';
import { LockMode, ref } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { ApiKey } from '../access/api-key.entity.ts';
import { grants } from '../access/permissions.ts';
import { User } from '../access/user.entity.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, type EntityManager, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { Problem } from '../platform/problem.ts';
import { digest, type SecretBox } from '../platform/secrets.ts';
import { recordEvents } from '../realtime/record.ts';
import type { AccessTokens } from './access-token.ts';
import { Account } from './account.entity.ts';
import type { EndpointOverrides } from './endpoints.ts';
import { aadstsNumber, classifyEntraError } from './entra-error.ts';
import type { GraphTransport } from './graph-transport.ts';
import { Integration } from './integration.entity.ts';
import { getIntegration, openRegistration } from './integrations.ts';
import { createMsal, graphScopes, readMsalFailure } from './msal.ts';
import { isBoundTo } from './open-sign-in.ts';
import { type Profile, readProfile } from './profile.ts';
import { openSecrets, redirectUriOf } from './sign-in.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';
import { SignInError, signInErrorCode } from './sign-in-error.ts';
import { grantedPermissions, sealTokenCache } from './token-cache.ts';
import { lockTokens } from './token-lock.ts';
import { announceTokensVoid } from './token-watch.ts';

/** What Microsoft sends the browser back with, as it stands in the query of the redirect URI; absent is null. */
export interface SignInAnswer {
  state: string | null;
  code: string | null;
  error: string | null;
  errorDescription: string | null;
  /** The cookie that `open-sign-in.ts` gave the browser under the name of this state. */
  cookie: string | null;
}

/** A sign-in that came about. */
export interface CompletedSignIn {
  account: Account;
  organizationId: string;
  /** Where the browser goes now: a path on this server. */
  returnTo: string | null;
}

/** Runs in the transaction that connects an account: what it writes exists exactly if the account is connected. */
export type OnConnected = (em: EntityManager, account: Account) => Promise<unknown>;

export interface CompleteSignInDeps {
  database: Database;
  secretBox: SecretBox;
  clock: Clock;
  logger: Logger;
  overrides: EndpointOverrides;
  publicUrl: string;
  transport: GraphTransport;
  tokens: AccessTokens;
  onConnected: OnConnected;
}

/**
 * Completes what `startSignIn` or `reauthenticate` began: exchanges the code, reads who signed in, and connects the account.
 * The same account signing in again keeps its row and everything that belongs to it. What came of it is written down with
 * the attempt, for the program that waits for it. Throws {@link SignInError}.
 */
export async function completeSignIn(
  deps: CompleteSignInDeps,
  answer: SignInAnswer,
): Promise<CompletedSignIn> {
  const { organizationId, attemptId } = await takeAttempt(deps, answer);
  try {
    const { account, returnTo } = await signIn(deps, organizationId, attemptId, answer);
    deps.tokens.forget({ organizationId, accountId: account.id });
    deps.logger.info({ organizationId, accountId: account.id }, 'account connected');
    return { account, organizationId, returnTo };
  } catch (error) {
    const { returnTo } = await noteFailure(deps, organizationId, attemptId, error);
    if (error instanceof SignInError) error.returnTo = returnTo;
    throw error;
  }
}

async function signIn(
  deps: CompleteSignInDeps,
  organizationId: string,
  attemptId: string,
  answer: SignInAnswer,
): Promise<Pick<CompletedSignIn, 'account' | 'returnTo'>> {
  const em = forkFor(deps.database, organizationId);
  const attempt = await em.findOneOrFail(SignInAttempt, { id: attemptId });
  await checkStarter(em, attempt);
  if (answer.error !== null || !answer.code) throw refusalOf(answer);
  const integration = await getIntegration(em, attempt.integration.id);
  const msal = createMsal(openRegistration(deps.secretBox, integration), deps.overrides);
  const result = await exchangeCode(deps, msal, integration, attempt, answer.code);
  const profile = await fetchProfile(deps, integration, result.accessToken);
  const expected = attempt.account && (await attempt.account.loadOrFail());
  if (expected) assertSameAccount(expected, result, profile);
  const grantedScopes = await confirmScopes(em, msal, integration, result);
  const account = await connectAccount(deps, organizationId, attempt, msal, {
    result,
    profile,
    grantedScopes,
  });
  return { account, returnTo: attempt.returnTo ?? null };
}

/**
 * Takes the attempt that a state belongs to, once: of several answers with the same state one gets a row. This looks over
 * all organizations because the browser comes back without credentials, and the state is what tells the organization; it
 * has 256 random bits, so nobody can find somebody else's. An answer from another browser than the one that opened the link
 * changes nothing: whoever holds the right one can still complete.
 */
async function takeAttempt(
  { database, clock }: CompleteSignInDeps,
  { state, cookie }: SignInAnswer,
): Promise<{ organizationId: string; attemptId: string }> {
  if (!state) throw new SignInError('INVALID_STATE');
  const across = forkAcrossOrganizations(database);
  const now = clock.now();
  const [found] = await across.execute<
    { id: string; organization_id: string; browser_digest: Buffer | null }[]
  >(`select id, organization_id, browser_digest from sign_in_attempt where state_digest = decode(?, 'hex')`, [
    digest(state).toString('hex'),
  ]);
  if (found === undefined || !isBoundTo(found.browser_digest, cookie)) throw new SignInError('INVALID_STATE');
  const [row] = await across.execute<{ expired: boolean }[]>(
    `update sign_in_attempt set used_at = ?, updated_at = ?
       where organization_id = ? and id = ? and used_at is null returning expires_at <= ? as expired`,
    [now, now, found.organization_id, found.id, now],
  );
  if (row === undefined) throw new SignInError('INVALID_STATE');
  if (row.expired) throw new SignInError('SIGN_IN_EXPIRED');
  return { organizationId: found.organization_id, attemptId: found.id };
}

/** Ten minutes are long enough to lose a right: who could not start a sign-in now does not complete one. */
async function checkStarter(em: EntityManager, { user: { id }, apiKeyId }: SignInAttempt): Promise<void> {
  const user = await em.findOne(User, { id });
  const isGood = apiKeyId == null || (await em.count(ApiKey, { id: apiKeyId, revokedAt: null })) > 0;
  if (!isGood || !user || user.disabledAt || !grants(user.role, 'integration:manage')) {
    throw new SignInError('INVALID_STATE');
  }
}

/** Whoever waits for the sign-in learns why it did not come about. */
async function noteFailure(
  { database, clock }: CompleteSignInDeps,
  organizationId: string,
  attemptId: string,
  thrown: unknown,
): Promise<{ returnTo: string | null }> {
  const now = clock.now();
  const problem: Problem =
    thrown instanceof SignInError
      ? thrown.toProblem(now)
      : {
          code: 'INTERNAL_SERVER_ERROR',
          message: 'Something unexpected.',
          remedy: 'Start the sign-in again. If it fails again, the log of the server has the reason.',
          since: now.toISOString(),
        };
  return await forkFor(database, organizationId).transactional(async (em) => {
    const attempt = await em.findOne(SignInAttempt, { id: attemptId });
    if (!attempt) return { returnTo: null };
    attempt.problem = problem;
    await em.flush();
    await recordEvents(em, organizationId, [{ type: 'sign-in.ended', signInAttemptId: attemptId }]);
    return { returnTo: attempt.returnTo ?? null };
  });
}

/** Throws `USER_MISMATCH`, which names both. What the other account has granted is dropped, and stays at Microsoft. */
function assertSameAccount(
  expected: Account,
  { account, tenantId }: AuthenticationResult,
  { emailAddress }: Profile,
): void {
  const isSame = account?.homeAccountId === expected.homeAccountId;
  if (isSame && tenantId === expected.microsoftTenantId) return;
  const where = isSame ? ` of the tenant ${tenantId}` : '';
  const whose = isSame ? ` of the tenant ${expected.microsoftTenantId}` : '';
  throw new SignInError('USER_MISMATCH', {
    message: `${emailAddress}${where} signed in, but the account that has to sign in is ${expected.emailAddress}${whose}.`,
  });
}

/**
 * The permissions that the account has from now on. Microsoft lists with a token what was granted before as well, mostly;
 * what it has left out and we had is asked for once with the new tokens, so that nothing is lost and nothing is only assumed.
 */
async function confirmScopes(
  em: EntityManager,
  msal: ConfidentialClientApplication,
  { id, cloud }: Integration,
  result: AuthenticationResult,
): Promise<string[]> {
  const confirmed = grantedPermissions(result);
  const homeAccountId = result.account?.homeAccountId;
  const known = homeAccountId ? await em.findOne(Account, { integration: id, homeAccountId }) : null;
  const missing = (known?.grantedScopes ?? []).filter((name) => !confirmed.includes(name));
  if (missing.length === 0 || !result.account) return confirmed;
  try {
    const scopes = graphScopes(cloud, [...confirmed, ...missing]);
    const all = await msal.acquireTokenSilent({ account: result.account, scopes, forceRefresh: true });
    return [...new Set([...confirmed, ...grantedPermissions(all)])].sort();
  } catch {
    // Taken back at Microsoft meanwhile, or not to be had now: what this sign-in brought is good all the same.
    return confirmed;
  }
}

/** The error that Microsoft sent back instead of a code. */
function refusalOf({ error, errorDescription }: SignInAnswer): SignInError {
  if (error === null) return new SignInError('TOKEN_EXCHANGE_FAILED');
  const number = aadstsNumber(errorDescription);
  return new SignInError(signInErrorCode(classifyEntraError(error, errorDescription)), {
    // The query came from a browser: only words of a known form are repeated.
    microsoftCode: number !== null ? `AADSTS${number}` : /^[a-z_]{1,40}$/.test(error) ? error : null,
  });
}

async function exchangeCode(
  { secretBox, publicUrl, logger }: CompleteSignInDeps,
  msal: ConfidentialClientApplication,
  integration: Integration,
  attempt: SignInAttempt,
  code: string,
): Promise<AuthenticationResult> {
  const { verifier, nonce, permissions } = openSecrets(secretBox, attempt);
  try {
    // MSAL compares the nonce of the id token and throws when it differs.
    return await msal.acquireTokenByCode({
      code,
      codeVerifier: verifier,
      nonce,
      scopes: graphScopes(integration.cloud, permissions),
      redirectUri: redirectUriOf(publicUrl),
    });
  } catch (error) {
    const { outcome, microsoftCode, correlationId } = readMsalFailure(error);
    logger.warn({ integrationId: integration.id, microsoftCode, correlationId }, 'sign-in refused');
    throw new SignInError(signInErrorCode(outcome), {
      microsoftCode,
      requestId: correlationId,
      cause: error,
    });
  }
}

async function fetchProfile(
  { transport }: CompleteSignInDeps,
  { cloud }: Integration,
  accessToken: string,
): Promise<Profile> {
  try {
    return await readProfile(transport, cloud, accessToken);
  } catch (cause) {
    throw new SignInError('PROFILE_FETCH_FAILED', { cause });
  }
}

async function connectAccount(
  { database, secretBox, clock, onConnected }: CompleteSignInDeps,
  organizationId: string,
  { id: attemptId, integration: { id: integrationId } }: SignInAttempt,
  msal: ConfidentialClientApplication,
  signedIn: { result: AuthenticationResult; profile: Profile; grantedScopes: string[] },
): Promise<Account> {
  const { result, profile, grantedScopes } = signedIn;
  const homeAccountId = result.account?.homeAccountId;
  if (!homeAccountId) throw new SignInError('TOKEN_EXCHANGE_FAILED');
  return await forkFor(database, organizationId).transactional(async (em) => {
    // A refresh under way ends first: it would put its older cache in the place of the new one.
    const before = await em.findOne(Account, { integration: integrationId, homeAccountId });
    if (before) await lockTokens(em, before.id);
    // Two sign-ins of one account at the same time: the second waits here and finds the row of the first.
    const integration = await em.findOneOrFail(
      Integration,
      { id: integrationId },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    const known = await em.findOne(
      Account,
      { integration: integrationId, homeAccountId },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    const id = known?.id ?? uuidv7();
    const fields = {
      microsoftUserId: profile.microsoftUserId,
      microsoftTenantId: result.tenantId,
      emailAddress: profile.emailAddress,
      displayName: profile.displayName,
      status: 'ACTIVE' as const,
      problem: null,
      grantedScopes,
      sealedTokenCache: sealTokenCache(secretBox, id, msal),
    };
    const account = known
      ? em.assign(known, fields)
      : em.create(Account, {
          id,
          organization: integration.organization,
          integration,
          homeAccountId,
          ...fields,
        });
    // Without it Microsoft would have given no tokens for the code.
    integration.credentialAcceptedAt = clock.now();
    await em.flush();
    await announceTokensVoid(em, { organizationId, accountId: account.id });
    await onConnected(em, account);
    await em.flush();
    const attempt = await em.findOneOrFail(SignInAttempt, { id: attemptId });
    attempt.connectedAccount = ref(account);
    await em.flush();
    await recordEvents(em, organizationId, [
      { type: 'account-status.changed', accountId: account.id },
      { type: 'sign-in.ended', signInAttemptId: attemptId },
    ]);
    return account;
  });
}

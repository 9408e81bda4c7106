import type { AuthenticationResult, ConfidentialClientApplication } from '@azure/msal-node';
import { LockMode } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { grants } from '../access/permissions.ts';
import { User } from '../access/user.entity.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, type EntityManager, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
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
import { type Profile, readProfile } from './profile.ts';
import { openSecrets, redirectUriOf } from './sign-in.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';
import { SignInError, signInErrorCode } from './sign-in-error.ts';
import { grantedPermissions, sealTokenCache } from './token-cache.ts';
import { lockTokens } from './token-lock.ts';

/** What Microsoft sends the browser back with, as it stands in the query of the redirect URI; absent is null. */
export interface SignInAnswer {
  state: string | null;
  code: string | null;
  error: string | null;
  errorDescription: string | null;
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
 * Completes what `startSignIn` began: exchanges the code, reads who signed in, and connects the account. The same
 * account signing in again keeps its row and everything that belongs to it. Throws {@link SignInError}.
 */
export async function completeSignIn(
  deps: CompleteSignInDeps,
  answer: SignInAnswer,
): Promise<CompletedSignIn> {
  const { organizationId, attemptId } = await takeAttempt(deps, answer.state);
  const em = forkFor(deps.database, organizationId);
  const attempt = await em.findOneOrFail(SignInAttempt, { id: attemptId });
  await checkStarter(em, attempt.user.id);
  if (answer.error !== null || !answer.code) throw refusalOf(answer);

  const integration = await getIntegration(em, attempt.integration.id);
  const msal = createMsal(openRegistration(deps.secretBox, integration), deps.overrides);
  const result = await exchangeCode(deps, msal, integration, attempt, answer.code);
  const profile = await fetchProfile(deps, integration, result.accessToken);
  const account = await connectAccount(deps, organizationId, integration.id, msal, result, profile);
  deps.tokens.forget({ organizationId, accountId: account.id });
  deps.logger.info({ organizationId, accountId: account.id }, 'account connected');
  return { account, organizationId, returnTo: attempt.returnTo ?? null };
}

/**
 * Takes the attempt that a state belongs to, once: of several answers with the same state one gets a row. This looks over
 * all organizations because the browser comes back without credentials, and the state is what tells the organization; it
 * has 256 random bits, so nobody can find somebody else's.
 */
async function takeAttempt(
  { database, clock }: CompleteSignInDeps,
  state: string | null,
): Promise<{ organizationId: string; attemptId: string }> {
  if (!state) throw new SignInError('INVALID_STATE');
  const now = clock.now();
  const rows = await forkAcrossOrganizations(database).execute<
    { id: string; organization_id: string; expired: boolean }[]
  >(
    `update sign_in_attempt set used_at = ?, updated_at = ?
       where state_digest = decode(?, 'hex') and used_at is null
       returning id, organization_id, expires_at <= ? as expired`,
    [now, now, digest(state).toString('hex'), now],
  );
  const [row] = rows;
  if (row === undefined) throw new SignInError('INVALID_STATE');
  if (row.expired) throw new SignInError('SIGN_IN_EXPIRED');
  return { organizationId: row.organization_id, attemptId: row.id };
}

/** Ten minutes are long enough to lose a right: who could not start a sign-in now does not complete one. */
async function checkStarter(em: EntityManager, userId: string): Promise<void> {
  const user = await em.findOne(User, { id: userId });
  if (!user || user.disabledAt || !grants(user.role, 'integration:manage')) {
    throw new SignInError('INVALID_STATE');
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
    throw new SignInError(signInErrorCode(outcome), { microsoftCode, cause: error });
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
  { database, secretBox, onConnected }: CompleteSignInDeps,
  organizationId: string,
  integrationId: string,
  msal: ConfidentialClientApplication,
  result: AuthenticationResult,
  profile: Profile,
): Promise<Account> {
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
      grantedScopes: grantedPermissions(result),
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
    await em.flush();
    await onConnected(em, account);
    await em.flush();
    await recordEvents(em, organizationId, [{ type: 'account-status.changed', accountId: account.id }]);
    return account;
  });
}

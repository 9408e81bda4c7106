import { v7 as uuidv7 } from 'uuid';
import { grants } from '../access/permissions.ts';
import { User } from '../access/user.entity.ts';
import { InvalidInputError } from '../errors.ts';
import { DAY, SECOND } from '../platform/clock.ts';
import { type Database, type EntityManager, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import type { AccessTokens } from './access-token.ts';
import { Account } from './account.entity.ts';
import { AdminConsent } from './admin-consent.entity.ts';
import { createTenantAccount, findTenantAccount } from './application-account.ts';
import { CLOUDS } from './clouds.ts';
import type { OnConnected } from './complete-sign-in.ts';
import { loginUrlOf } from './endpoints.ts';
import { aadstsNumber, classifyEntraError } from './entra-error.ts';
import { GraphError } from './graph-error.ts';
import { healAccounts } from './heal-accounts.ts';
import { Integration } from './integration.entity.ts';
import { getIntegration, type IntegrationDeps, openRegistration } from './integrations.ts';
import { createMsal, graphScopes } from './msal.ts';
import { checkReturnTo } from './return-to.ts';
import { redirectUriOf, SIGN_IN_MILLISECONDS } from './sign-in.ts';
import { SignInError, signInErrorCode } from './sign-in-error.ts';
import { permissionsFor } from './sign-in-purpose.ts';
import { lockTokens } from './token-lock.ts';

/** Tells the answers to an admin consent from those to a sign-in, which come back to the same redirect URI. */
const STATE_PREFIX = 'admin-consent.';
/** What was started is kept this long after it is void, so that a late answer learns that it is late. */
const KEEP_MILLISECONDS = DAY;
/** How long the browser waits for a token; who takes longer heals at the next use. */
const TOKEN_MILLISECONDS = 30 * SECOND;

export interface AdminConsentDeps extends IntegrationDeps {
  database: Database;
  publicUrl: string;
  tokens: AccessTokens;
  /** Runs in a transaction of its own once an account can act that could not before. */
  onHealed?: OnConnected;
}

/** What `startAdminConsent` is told. */
export interface AdminConsentRequest {
  integrationId: string;
  /** Who starts it; it can be completed as long as this user may manage integrations. */
  userId: string;
  /** Where the browser goes afterwards: a path on this server. */
  returnTo: string | null;
}

/** What Microsoft sends the browser back with. What it says of the tenant proves nothing and is not read. */
export interface AdminConsentAnswer {
  state: string | null;
  error: string | null;
  errorDescription: string | null;
}

/** A consent that was given. */
export interface CompletedAdminConsent {
  organizationId: string;
  integration: Integration;
  /** The tenant, in application mode; null where people sign in. */
  account: Account | null;
  /** Where the browser goes now: a path on this server. */
  returnTo: string | null;
}

/** Whether an answer at the redirect URI belongs to an admin consent. */
export function isAdminConsentState(state: string | null): boolean {
  return state?.startsWith(STATE_PREFIX) ?? false;
}

/**
 * Gives the page where an administrator of the tenant grants what the integration needs, for everybody: in application
 * mode the application permissions, otherwise those that sign-ins ask for. The administrator may be somebody else than
 * who asks, in another browser: the page may be handed on, and what protects it is the state, known to the caller alone,
 * good once and for ten minutes. Throws `NotFoundError`, and `InvalidInputError` for `returnTo` and for an integration
 * of personal accounts.
 * https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
 */
export async function startAdminConsent(
  em: EntityManager,
  { clock, overrides, publicUrl }: Pick<AdminConsentDeps, 'clock' | 'overrides' | 'publicUrl'>,
  request: AdminConsentRequest,
): Promise<{ authorizationUrl: string }> {
  const integration = await getIntegration(em, request.integrationId);
  const returnTo = checkReturnTo(request.returnTo, publicUrl);
  const { cloud, tenantId, clientId, authorizationMode } = integration;
  if (tenantId === 'consumers') {
    throw new InvalidInputError(
      'integrationId',
      'Personal accounts have no administrator.',
      'Let each person sign in with startSignIn and accept.',
    );
  }
  const state = `${STATE_PREFIX}${randomToken()}`;
  const now = clock.now();
  await em.nativeDelete(AdminConsent, { expiresAt: { $lt: new Date(now.getTime() - KEEP_MILLISECONDS) } });
  em.create(AdminConsent, {
    id: uuidv7(),
    organization: integration.organization,
    integration,
    user: em.getReference(User, request.userId, { wrapped: true }),
    stateDigest: digest(state),
    returnTo,
    expiresAt: new Date(now.getTime() + SIGN_IN_MILLISECONDS),
  });
  await em.flush();
  const scopes =
    authorizationMode === 'APPLICATION'
      ? [`${CLOUDS[cloud].graphUrl}/.default`]
      : graphScopes(cloud, permissionsFor('SHARED_MAILBOXES'));
  // The page does not take `common`: an administrator is one of an organization.
  const segment = tenantId === 'common' ? 'organizations' : tenantId;
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUriOf(publicUrl),
    state,
    scope: scopes.join(' '),
  });
  const url = `${CLOUDS[cloud].loginUrl}/${segment}/v2.0/adminconsent?${query}`;
  return { authorizationUrl: loginUrlOf(overrides, url) ?? url };
}

/**
 * Completes what {@link startAdminConsent} began. What was granted, a fresh token shows and not the answer of the browser;
 * in application mode the account is `ACTIVE` then, or `NEEDS_CONSENT` with what is missing. Throws `SignInError`.
 */
export async function completeAdminConsent(
  deps: AdminConsentDeps,
  answer: AdminConsentAnswer,
): Promise<CompletedAdminConsent> {
  const { organizationId, id } = await takeConsent(deps, answer.state);
  const em = forkFor(deps.database, organizationId);
  const consent = await em.findOneOrFail(AdminConsent, { id });
  const user = await em.findOne(User, { id: consent.user.id });
  // Ten minutes are long enough to lose a right.
  if (!user || user.disabledAt || !grants(user.role, 'integration:manage')) {
    throw new SignInError('INVALID_STATE');
  }
  if (answer.error !== null) throw refusalOf(answer.error, answer.errorDescription);
  const integration = await getIntegration(em, consent.integration.id);
  deps.logger.info({ organizationId, integrationId: integration.id }, 'an administrator has consented');
  const isApplication = integration.authorizationMode === 'APPLICATION';
  const account = isApplication ? await connect(deps, integration) : null;
  if (!isApplication) await healAccounts(deps, integration, 'NEEDS_CONSENT');
  return { organizationId, integration, account, returnTo: consent.returnTo ?? null };
}

/** As `takeAttempt` in `complete-sign-in.ts`: over all organizations, by a state that nobody can guess, once. */
async function takeConsent(
  { database, clock }: AdminConsentDeps,
  state: string | null,
): Promise<{ organizationId: string; id: string }> {
  if (!state) throw new SignInError('INVALID_STATE');
  const now = clock.now();
  const [row] = await forkAcrossOrganizations(database).execute<
    { id: string; organization_id: string; expired: boolean }[]
  >(
    `update admin_consent set used_at = ?, updated_at = ?
       where state_digest = decode(?, 'hex') and used_at is null
       returning id, organization_id, expires_at <= ? as expired`,
    [now, now, digest(state).toString('hex'), now],
  );
  if (row === undefined) throw new SignInError('INVALID_STATE');
  if (row.expired) throw new SignInError('SIGN_IN_EXPIRED');
  return { organizationId: row.organization_id, id: row.id };
}

function refusalOf(error: string, description: string | null): SignInError {
  const number = aadstsNumber(description);
  return new SignInError(signInErrorCode(classifyEntraError(error, description)), {
    // The query came from a browser: only words of a known form are repeated.
    microsoftCode: number !== null ? `AADSTS${number}` : /^[a-z_]{1,40}$/.test(error) ? error : null,
  });
}

/** Brings the tenant's account back, whatever it was, and lets a new token tell what it may do. */
async function connect(deps: AdminConsentDeps, integration: Integration): Promise<Account> {
  const { database, tokens, onHealed } = deps;
  const organizationId = integration.organization.id;
  const { id: accountId } = await reviveTenantAccount(deps, integration);
  const reference = { organizationId, accountId };
  tokens.forget(reference);
  const signal = AbortSignal.timeout(TOKEN_MILLISECONDS);
  try {
    await tokens.get(reference, signal);
  } catch (error) {
    // The account says what is wrong; the consent itself was given.
    if (!(error instanceof GraphError) && !signal.aborted) throw error;
  }
  return await forkFor(database, organizationId).transactional(async (em) => {
    const account = await em.findOneOrFail(Account, { id: accountId });
    if (account.status === 'ACTIVE') await onHealed?.(em, account);
    return account;
  });
}

async function reviveTenantAccount(
  { database, secretBox, clock, overrides }: AdminConsentDeps,
  integration: Integration,
): Promise<Account> {
  const now = clock.now();
  return await forkFor(database, integration.organization.id).transactional(async (em) => {
    const known = await findTenantAccount(em, integration.id);
    const msal = createMsal(openRegistration(secretBox, integration), overrides);
    if (known === null) {
      const own = await em.findOneOrFail(Integration, { id: integration.id });
      const created = createTenantAccount(em, secretBox, own, integration.tenantId, {
        msal,
        token: null,
        now,
      });
      await em.flush();
      return created;
    }
    await lockTokens(em, known.id);
    // A disconnected account gets no token, and a kept token does not show what was granted since: this state gets a new one.
    known.status = 'NEEDS_CONSENT';
    await em.flush();
    return known;
  });
}

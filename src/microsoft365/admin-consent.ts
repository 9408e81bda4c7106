import { v7 as uuidv7 } from 'uuid';
import { ApiKey } from '../access/api-key.entity.ts';
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
import { isBoundTo } from './open-sign-in.ts';
import { checkReturnTo } from './return-to.ts';
import { redirectUriOf, SIGN_IN_MILLISECONDS } from './sign-in.ts';
import { SignInError, signInErrorCode } from './sign-in-error.ts';
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
  /** The delegated permissions to ask for; in application mode all application permissions are asked for instead. */
  permissions: readonly string[];
  /** Who starts it; it can be completed as long as this user may manage integrations, by a key that is good. */
  userId: string;
  /** Null for the machine itself. */
  apiKeyId: string | null;
  /** Where the browser goes afterwards: a path on this server. */
  returnTo: string | null;
}

/** What Microsoft sends the browser back with. What it says of the tenant proves nothing and is not read. */
export interface AdminConsentAnswer {
  state: string | null;
  error: string | null;
  errorDescription: string | null;
  /** The cookie that `open-admin-consent.ts` gave the browser under the name of this state. */
  cookie: string | null;
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
 * mode the application permissions, otherwise the delegated ones that the caller names. It is a link of ours, which
 * `open-admin-consent.ts` answers. The administrator may be somebody else than who asks: the link may be handed on until a
 * browser opens it, and is bound to that one from then on, good once and for ten minutes, see `sign-in.ts`. Throws `NotFoundError`, and `InvalidInputError` for `returnTo` and for an integration
 * of personal accounts.
 * https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
 */
export async function startAdminConsent(
  em: EntityManager,
  { clock, publicUrl }: Pick<AdminConsentDeps, 'clock' | 'publicUrl'>,
  request: AdminConsentRequest,
): Promise<{ authorizationUrl: string }> {
  const integration = await getIntegration(em, request.integrationId);
  const returnTo = checkReturnTo(request.returnTo, publicUrl);
  if (integration.tenantId === 'consumers') {
    throw new InvalidInputError(
      'integrationId',
      'Personal accounts have no administrator.',
      'Let each person sign in with startSignIn and accept.',
    );
  }
  const link = randomToken();
  const now = clock.now();
  await em.nativeDelete(AdminConsent, { expiresAt: { $lt: new Date(now.getTime() - KEEP_MILLISECONDS) } });
  em.create(AdminConsent, {
    id: uuidv7(),
    organization: integration.organization,
    integration,
    user: em.getReference(User, request.userId, { wrapped: true }),
    apiKeyId: request.apiKeyId,
    linkDigest: digest(link),
    stateDigest: digest(stateOfLink(link)),
    permissions: integration.authorizationMode === 'APPLICATION' ? null : [...request.permissions],
    returnTo,
    expiresAt: new Date(now.getTime() + SIGN_IN_MILLISECONDS),
  });
  await em.flush();
  return { authorizationUrl: `${publicUrl}/api/integrations/microsoft365/admin-consent/${link}` };
}

/** The state of the consent that a link belongs to: nothing else has to be kept for it. */
export function stateOfLink(link: string): string {
  return `${STATE_PREFIX}${digest(`admin-consent:${link}`).toString('base64url')}`;
}

/** The page of Microsoft on which an administrator of the tenant consents. */
export function adminConsentPage(
  { cloud, clientId, authorizationMode }: Pick<Integration, 'cloud' | 'clientId' | 'authorizationMode'>,
  permissions: readonly string[],
  tenantId: string,
  { overrides, publicUrl }: Pick<AdminConsentDeps, 'overrides' | 'publicUrl'>,
  state: string,
): string {
  const scopes =
    authorizationMode === 'APPLICATION'
      ? [`${CLOUDS[cloud].graphUrl}/.default`]
      : graphScopes(cloud, permissions);
  // The page does not take `common`: an administrator is one of an organization.
  const segment = tenantId === 'common' ? 'organizations' : tenantId;
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUriOf(publicUrl),
    state,
    scope: scopes.join(' '),
  });
  const url = `${CLOUDS[cloud].loginUrl}/${segment}/v2.0/adminconsent?${query}`;
  return loginUrlOf(overrides, url) ?? url;
}

/**
 * Completes what {@link startAdminConsent} began. What was granted, a fresh token shows and not the answer of the browser;
 * in application mode the account is `ACTIVE` then, or `NEEDS_CONSENT` with what is missing. Throws `SignInError`.
 */
export async function completeAdminConsent(
  deps: AdminConsentDeps,
  answer: AdminConsentAnswer,
): Promise<CompletedAdminConsent> {
  const { organizationId, id } = await takeConsent(deps, answer);
  const em = forkFor(deps.database, organizationId);
  const consent = await em.findOneOrFail(AdminConsent, { id });
  const user = await em.findOne(User, { id: consent.user.id });
  // Ten minutes are long enough to lose a right.
  const { apiKeyId } = consent;
  const isGood = apiKeyId == null || (await em.count(ApiKey, { id: apiKeyId, revokedAt: null })) > 0;
  if (!isGood || !user || user.disabledAt || !grants(user.role, 'integration:manage')) {
    throw new SignInError('INVALID_STATE');
  }
  if (answer.error !== null) throw refusalOf(answer.error, answer.errorDescription, consent.returnTo ?? null);
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
  { state, cookie }: AdminConsentAnswer,
): Promise<{ organizationId: string; id: string }> {
  if (!state) throw new SignInError('INVALID_STATE');
  const across = forkAcrossOrganizations(database);
  const now = clock.now();
  const [found] = await across.execute<
    { id: string; organization_id: string; browser_digest: Buffer | null }[]
  >(`select id, organization_id, browser_digest from admin_consent where state_digest = decode(?, 'hex')`, [
    digest(state).toString('hex'),
  ]);
  if (found === undefined || !isBoundTo(found.browser_digest, cookie)) throw new SignInError('INVALID_STATE');
  const [row] = await across.execute<{ expired: boolean }[]>(
    `update admin_consent set used_at = ?, updated_at = ?
       where organization_id = ? and id = ? and used_at is null returning expires_at <= ? as expired`,
    [now, now, found.organization_id, found.id, now],
  );
  if (row === undefined) throw new SignInError('INVALID_STATE');
  if (row.expired) throw new SignInError('SIGN_IN_EXPIRED');
  return { organizationId: found.organization_id, id: found.id };
}

function refusalOf(error: string, description: string | null, returnTo: string | null): SignInError {
  const number = aadstsNumber(description);
  const refusal = new SignInError(signInErrorCode(classifyEntraError(error, description)), {
    // The query came from a browser: only words of a known form are repeated.
    microsoftCode: number !== null ? `AADSTS${number}` : /^[a-z_]{1,40}$/.test(error) ? error : null,
  });
  refusal.returnTo = returnTo;
  return refusal;
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
    // A disconnected account gets no token, and a kept token does not show what was granted since: so it gets a new one.
    // What stood in the way before says nothing any more, whatever comes of that.
    known.status = 'NEEDS_CONSENT';
    known.problem = null;
    known.sealedTokenCache = '';
    await em.flush();
    return known;
  });
}

import type { AccountInfo, AuthenticationResult, ConfidentialClientApplication } from '@azure/msal-node';
import { type Clock, MINUTE, monotonicMilliseconds } from '../platform/clock.ts';
import { type Database, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { SecretBox } from '../platform/secrets.ts';
import type { AccessToken, AccessTokens, AccountReference } from './access-token.ts';
import { Account, type AccountKind, type AccountStatus } from './account.entity.ts';
import { ACCOUNT_REFUSALS, mayPassByItself, TENANT_REMEDIES } from './account-refusals.ts';
import { setAccountStatus, stateOf } from './account-status.ts';
import { loginQuietUntil, mayAskForToken, needsPerson, retryAfterRefusal } from './account-status-plan.ts';
import { isNotInTenant, notInTenantProblem, takeRoles } from './application-account.ts';
import type { EndpointOverrides } from './endpoints.ts';
import { refreshRefusal } from './entra-error.ts';
import { GraphError, type GraphErrorCode, type GraphErrorDetails } from './graph-error.ts';
import { createGraphGate } from './graph-gate.ts';
import type { Integration } from './integration.entity.ts';
import { getIntegration, openRegistration } from './integrations.ts';
import { applicationScopes, createMsal, graphScopes, readMsalFailure } from './msal.ts';
import { fewerPermissions } from './sign-in-purpose.ts';
import { openTokenCache, sealTokenCache } from './token-cache.ts';
import { lockTokens } from './token-lock.ts';

/** A token that lasts no longer than this is replaced before it is used. */
const RENEW_BEFORE_MILLISECONDS = 5 * MINUTE;

/** How exactly it is known when Microsoft last took a credential. */
const NOTE_ACCEPTED_MILLISECONDS = 15 * MINUTE;

/** The longest that a visit waits for its turn. */
const VISIT_MILLISECONDS = 2 * MINUTE;

export interface TokenDeps {
  database: Database;
  secretBox: SecretBox;
  clock: Clock;
  logger: Logger;
  overrides: EndpointOverrides;
}

/** Why the stored cache is visited. */
interface Occasion {
  /** A token that Graph refused. */
  rejected?: string | undefined;
  /** Asks Microsoft whatever is stored, and also where nobody expects an answer. */
  isForced?: boolean;
}

/** What a visit to the stored cache came to. An error is returned, not thrown: the status that goes with it must commit. */
type Visit = { token: AccessToken } | { error: GraphError };

const MESSAGES: Partial<Record<GraphErrorCode, string>> = {
  SIGN_IN_REQUIRED: 'Microsoft asks the account to sign in again.',
  TOKEN_REVOKED: 'Somebody revoked the sign-in of the account at Microsoft, or reset its password.',
  MFA_REQUIRED: ACCOUNT_REFUSALS.MFA_REQUIRED[0],
  ACCOUNT_NOT_FOUND: ACCOUNT_REFUSALS.ACCOUNT_NOT_FOUND[0],
  ACCOUNT_DISABLED: ACCOUNT_REFUSALS.ACCOUNT_DISABLED[0],
  APP_NOT_ASSIGNED: ACCOUNT_REFUSALS.APP_NOT_ASSIGNED[0],
  APP_DISABLED: ACCOUNT_REFUSALS.APP_DISABLED[0],
  CONDITIONAL_ACCESS: ACCOUNT_REFUSALS.CONDITIONAL_ACCESS[0],
  CONSENT_REQUIRED: 'The account or its organization no longer grants the permissions that are needed.',
  CREDENTIAL_REFUSED: 'Microsoft does not accept the app registration or its client secret.',
  ACCOUNT_DISCONNECTED: 'The account was disconnected.',
  LOGIN_UNAVAILABLE: 'The sign-in service of Microsoft could not be reached, or did not answer as expected.',
};

/**
 * The access tokens of the accounts: from memory while they last, else from the stored cache, else from Microsoft.
 *
 * Refresh tokens rotate, so of all processes only one refreshes an account at a time: under a lock, with the
 * new cache committed before the new token is used. Who waited for the lock finds the fresh token in the cache. Should
 * the process die between Microsoft's answer and the commit, the old refresh token is still good: Microsoft does not
 * revoke it on use.
 */
export function createAccessTokens(deps: TokenDeps): AccessTokens {
  const { database, clock, logger } = deps;
  const inMemory = new Map<string, AccessToken>();
  const visits = new Map<string, Promise<Visit>>();
  const gate = createGraphGate();
  /** How often something was forgotten. */
  let forgotten = 0;

  /** Callers that want the same at the same time share one visit, and one database connection. */
  function visitOnce(account: AccountReference, occasion: Occasion): Promise<Visit> {
    const key = `${keyOf(account)}${occasion.isForced ? ' forced' : ''}`;
    const underWay = visits.get(key);
    if (underWay !== undefined) return underWay;
    const visit = visitInTurn(account, occasion).finally(() => visits.delete(key));
    visits.set(key, visit);
    return visit;
  }

  /** A visit holds a connection while Microsoft answers, so only a few are made at a time: the pool is for everybody. */
  async function visitInTurn(account: AccountReference, occasion: Occasion): Promise<Visit> {
    let leave: () => void;
    try {
      leave = await gate.enter('visits', { slots: 1 }, AbortSignal.timeout(VISIT_MILLISECONDS));
    } catch (cause) {
      return { error: failure('USER', 'LOGIN_UNAVAILABLE', { cause }) };
    }
    try {
      return await visitAccount(deps, account, occasion);
    } finally {
      leave();
    }
  }

  return {
    async get(account, signal, rejected) {
      const key = keyOf(account);
      const known = inMemory.get(key);
      if (known !== undefined && known.value !== rejected && lasts(known.expiresAt, clock)) return known;
      inMemory.delete(key);
      // The visit does not end with one caller's signal: others may wait for it, and a rotated token must be stored.
      const started = forgotten;
      let visit = await raceSignal(visitOnce(account, { rejected }), signal);
      // A visit under way may have been made by somebody who did not know yet that the token is refused.
      if ('token' in visit && visit.token.value === rejected) {
        visit = await raceSignal(visitOnce(account, { rejected }), signal);
      }
      if ('error' in visit) throw visit.error;
      // What was forgotten meanwhile is not to come back.
      if (forgotten === started) inMemory.set(key, visit.token);
      return visit.token;
    },
    async recheck(account, signal) {
      const key = keyOf(account);
      inMemory.delete(key);
      const started = forgotten;
      const visit = await raceSignal(visitOnce(account, { isForced: true }), signal);
      if ('error' in visit) throw visit.error;
      if (forgotten === started) inMemory.set(key, visit.token);
      return visit.token;
    },
    forget(account) {
      forgotten += 1;
      if (account) inMemory.delete(keyOf(account));
      else inMemory.clear();
    },
    async giveUp(reference, refused, requestId) {
      const { organizationId, accountId } = reference;
      // Somebody signed in meanwhile: what was refused is no longer what is used.
      if (inMemory.get(keyOf(reference))?.value !== refused) return;
      inMemory.delete(keyOf(reference));
      await forkFor(database, organizationId).transactional(async (em) => {
        await lockTokens(em, accountId);
        const account = await em.findOne(Account, { id: accountId });
        if (!account) return;
        const { status, code } = refusalFor(account, { status: 'NEEDS_SIGN_IN', code: 'SIGN_IN_REQUIRED' });
        const problem = failure(account.kind, code, { requestId }).toProblem(clock.now());
        const retryAt = retryAfterRefusal(stateOf(account), clock.now()).toISOString();
        await setAccountStatus(
          em,
          account,
          status,
          status === 'NEEDS_SIGN_IN' ? { ...problem, retryAt } : problem,
        );
      });
      logger.warn({ organizationId, accountId, requestId }, 'Graph refuses the fresh token of an account');
    },
  };
}

async function visitAccount(
  deps: TokenDeps,
  { organizationId, accountId }: AccountReference,
  { rejected, isForced = false }: Occasion,
): Promise<Visit> {
  const { database, secretBox, clock, logger } = deps;
  return await forkFor(database, organizationId).transactional(async (em): Promise<Visit> => {
    await lockTokens(em, accountId);
    const account = await em.findOne(Account, { id: accountId }, { populate: ['sealedTokenCache'] });
    const isDisconnected = account?.status === 'DISCONNECTED';
    if (account === null || isDisconnected || !(isForced || mayAskForToken(stateOf(account), clock.now()))) {
      const code = isDisconnected ? 'ACCOUNT_DISCONNECTED' : signInCodeOf(account);
      const microsoftCode = account?.problem?.microsoftCode ?? null;
      return { error: failure(account?.kind ?? 'USER', code, { microsoftCode }) };
    }
    const integration = await getIntegration(em, account.integration.id);
    const granted = account.grantedScopes;
    let fewerChoices: string[][] | null = null;
    for (;;) {
      const { id, sealedClientSecret, sealedPrivateKey } = integration;
      // Opened outside of the `try`: a key that is missing is the operator's fault, not the account's.
      const registration = openRegistration(secretBox, integration);
      // Never by its domain, which may belong to another tenant by now.
      const tenantId = account.kind === 'TENANT' ? account.microsoftTenantId : registration.tenantId;
      const quietUntil = isForced ? null : loginQuietUntil(stateOf(account));
      const msal = createMsal({ ...registration, tenantId }, deps.overrides, quietUntil);
      const info = await openTokenCache(secretBox, account, msal);
      try {
        if (info === null && account.kind === 'USER') {
          return await refuse('NEEDS_SIGN_IN', failure('USER', 'SIGN_IN_REQUIRED'));
        }
        const ask = asking(msal, integration, account, info);
        let result = await ask(isForced || needsPerson(stateOf(account)));
        // MSAL looks at the machine's clock and knows nothing of tokens that Graph refused.
        const isUseless = result.accessToken === rejected || !lasts(result.expiresOn, clock);
        if (result.fromCache && isUseless) result = await ask(true);
        if (!result.fromCache) {
          account.sealedTokenCache = sealTokenCache(secretBox, account.id, msal);
          noteAccepted(integration, clock);
        }
        if (account.kind === 'TENANT') await takeRoles(em, account, result.accessToken, clock.now());
        else if (!result.fromCache) await setAccountStatus(em, account, 'ACTIVE', null);
        return { token: toToken(result, integration, account, clock) };
      } catch (error) {
        const { outcome, microsoftCode, correlationId, throttledUntil } = readMsalFailure(error);
        const mayDoWithFewer = outcome === 'CONSENT_REQUIRED' && account.kind === 'USER';
        fewerChoices ??= fewerPermissions(granted);
        const fewer = mayDoWithFewer ? fewerChoices.shift() : undefined;
        if (fewer !== undefined) {
          // Something was taken back: what is left may be enough to go on with.
          account.grantedScopes = fewer;
          continue;
        }
        account.grantedScopes = granted;
        const { status, code } = refusalFor(account, refreshRefusal(outcome), microsoftCode);
        if (status === 'CREDENTIAL_EXPIRED') {
          // Replaced while Microsoft was asked with the old one: that says nothing about the new one.
          await em.refresh(integration);
          const isReplaced =
            integration.sealedClientSecret !== sealedClientSecret ||
            integration.sealedPrivateKey !== sealedPrivateKey;
          if (isReplaced) continue;
        }
        logger.warn(
          { organizationId, accountId, integrationId: id, status, microsoftCode, correlationId },
          'no access token for an account',
        );
        if (throttledUntil) return await refuse(status, throttled(throttledUntil, error), throttledUntil);
        const details = { microsoftCode, requestId: correlationId, cause: error };
        return await refuse(status, failure(account.kind, code, details));
      }
    }

    /** Leaves the time for everybody who asks for the account's token, in whatever process. */
    async function refuse(
      status: Account['status'],
      error: GraphError,
      retryAt: Date | null = null,
    ): Promise<Visit> {
      if (!account) return { error };
      const isUnknown = account.kind === 'TENANT' && isNotInTenant(error.microsoftCode);
      const problem = isUnknown
        ? notInTenantProblem(error.microsoftCode, error.requestId, clock.now())
        : error.toProblem(clock.now());
      const told = retryAt ? { ...problem, retryAt: retryAt.toISOString() } : problem;
      await setAccountStatus(em, account, status, told);
      return { error };
    }

    function throttled(until: Date, cause: unknown): GraphError {
      const message = 'The sign-in service of Microsoft asked us to slow down.';
      const retryAfterMilliseconds = Math.max(until.getTime() - clock.now().getTime(), 0);
      return new GraphError('LOGIN_UNAVAILABLE', message, { retryAfterMilliseconds, cause });
    }
  });
}

/** How a token is asked for: with the refresh token of who signed in, or as the app itself. `true`: not from the cache. */
function asking(
  msal: ConfidentialClientApplication,
  { cloud }: Integration,
  account: Account,
  info: AccountInfo | null,
): (isFresh: boolean) => Promise<AuthenticationResult> {
  if (info !== null) {
    const scopes = graphScopes(cloud, account.grantedScopes);
    return (isFresh) => msal.acquireTokenSilent({ account: info, scopes, forceRefresh: isFresh });
  }
  const scopes = applicationScopes(cloud);
  return async (isFresh) => {
    // What an administrator grants appears in new tokens only.
    const skipCache = isFresh || account.status === 'NEEDS_CONSENT';
    const result = await msal.acquireTokenByClientCredential({ scopes, skipCache });
    if (result === null) throw new Error('The sign-in service gave no token for the app.');
    return result;
  };
}

/** Why the account has to sign in, as it was found when Microsoft was asked last. */
function signInCodeOf(account: Account | null): GraphErrorCode {
  const code = account?.problem?.code;
  return code === 'TOKEN_REVOKED' || code === 'MFA_REQUIRED' ? code : 'SIGN_IN_REQUIRED';
}

/**
 * A tenant cannot sign in again: what its app lacks, an administrator grants. What an administrator has forbidden, such as
 * by Conditional Access, keeps its code, for consent would not lift it.
 */
function refusalFor(
  { kind }: Account,
  refusal: { status: AccountStatus; code: GraphErrorCode },
  microsoftCode: string | null = null,
): { status: AccountStatus; code: GraphErrorCode } {
  if (kind === 'USER' || (refusal.status !== 'NEEDS_SIGN_IN' && !isNotInTenant(microsoftCode)))
    return refusal;
  const isForbidden = !isNotInTenant(microsoftCode) && mayPassByItself(refusal.code);
  return { status: 'NEEDS_CONSENT', code: isForbidden ? refusal.code : 'CONSENT_REQUIRED' };
}

/** Not at every token: the row is everybody's who signed in through the integration. */
function noteAccepted(integration: Integration, clock: Clock): void {
  const before = integration.credentialAcceptedAt?.getTime() ?? 0;
  const now = clock.now();
  if (now.getTime() - before > NOTE_ACCEPTED_MILLISECONDS) integration.credentialAcceptedAt = now;
}

/** Memory is sealed off by organization like every query: an account's id alone opens nothing. */
function keyOf({ organizationId, accountId }: AccountReference): string {
  return `${organizationId} ${accountId}`;
}

function toToken(
  { accessToken, expiresOn, fromCache }: AuthenticationResult,
  { cloud, clientId }: Integration,
  { microsoftTenantId: tenantId, status }: Account,
  clock: Clock,
): AccessToken {
  // Without an expiry it is used at once and not kept; nor is one that lacks what an administrator may grant any moment.
  const expiresAt = status === 'NEEDS_CONSENT' ? clock.now() : (expiresOn ?? clock.now());
  const issuedAt = fromCache ? null : monotonicMilliseconds();
  return { value: accessToken, expiresAt, issuedAt, cloud, clientId, tenantId };
}

function lasts(expiresAt: Date | null, clock: Clock): boolean {
  return expiresAt !== null && expiresAt.getTime() - clock.now().getTime() > RENEW_BEFORE_MILLISECONDS;
}

/** Nobody signs in to a tenant: there other things help. */
function failure(kind: AccountKind, code: GraphErrorCode, details: GraphErrorDetails = {}): GraphError {
  const remedy = kind === 'TENANT' ? TENANT_REMEDIES[code] : undefined;
  return new GraphError(code, MESSAGES[code] ?? 'There is no access token for the account.', {
    ...details,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** The promise's outcome, or the signal's reason when it aborts first. The work itself goes on. */
function raceSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

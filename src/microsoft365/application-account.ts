import type { AuthenticationResult, ConfidentialClientApplication } from '@azure/msal-node';
import { v7 as uuidv7 } from 'uuid';
import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import type { SecretBox } from '../platform/secrets.ts';
import { Account, type AccountStatus } from './account.entity.ts';
import { setAccountStatus } from './account-status.ts';
import { missingRoles, rolesOf } from './application-permissions.ts';
import { GraphError } from './graph-error.ts';
import type { Integration } from './integration.entity.ts';
import { sealTokenCache } from './token-cache.ts';

/**
 * The app has no service principal in the tenant: no administrator has consented there yet, or the client id is wrong.
 * Microsoft tells the two apart nowhere. https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const NOT_IN_TENANT: ReadonlySet<string> = new Set(['AADSTS700016', 'AADSTS7000229']);

/** Whether Microsoft's code says that the tenant does not know the app. */
export function isNotInTenant(microsoftCode: string | null): boolean {
  return microsoftCode !== null && NOT_IN_TENANT.has(microsoftCode);
}

/** What an account is told that acts for a tenant which does not know the app. */
export function notInTenantProblem(
  microsoftCode: string | null,
  requestId: string | null,
  now: Date,
): Problem {
  const error = new GraphError(
    'CONSENT_REQUIRED',
    'The tenant does not know the app: no administrator of it has consented yet, or the client id is wrong.',
    { microsoftCode, requestId },
  );
  return {
    ...error.toProblem(now),
    remedy:
      'Check the client id, then open the page of startAdminConsent as an administrator of the tenant and accept: that makes the app known there, and its credential is tried then.',
  };
}

/** In place of MSAL's key: an integration in application mode has one account, its tenant. */
const HOME_ACCOUNT_ID = 'tenant';

/** The account of an integration in application mode; null before it was made. */
export function findTenantAccount(em: EntityManager, integrationId: string): Promise<Account | null> {
  return em.findOne(Account, { integration: integrationId, homeAccountId: HOME_ACCOUNT_ID });
}

/**
 * The tenant whose sign-in service an integration asks: in application mode the id that was verified when it was made, since
 * a domain may move to another tenant, whose mailboxes are none of ours; otherwise as it was given.
 */
export async function tenantOf(em: EntityManager, integration: Integration): Promise<string> {
  const account = await findTenantAccount(em, integration.id);
  return account?.microsoftTenantId ?? integration.tenantId;
}

/**
 * Makes the account that an integration in application mode acts as, from the token that proved its credential. It is
 * written with the next flush.
 */
export function createTenantAccount(
  em: EntityManager,
  secretBox: SecretBox,
  integration: Integration,
  microsoftTenantId: string,
  {
    msal,
    token,
    refusedAs = null,
    now,
  }: {
    msal: ConfidentialClientApplication;
    token: AuthenticationResult | null;
    /** Microsoft's code in place of a token, where the tenant does not know the app yet. */
    refusedAs?: string | null;
    now: Date;
  },
): Account {
  const id = uuidv7();
  const roles = (token && rolesOf(token.accessToken)) ?? [];
  const account = em.create(Account, {
    id,
    organization: integration.organization,
    integration,
    kind: 'TENANT',
    homeAccountId: HOME_ACCOUNT_ID,
    microsoftUserId: '',
    microsoftTenantId,
    emailAddress: '',
    displayName: integration.tenantId,
    grantedScopes: roles,
    sealedTokenCache: sealTokenCache(secretBox, id, msal),
    ...(refusedAs === null
      ? consentState(roles, false, now)
      : { status: 'NEEDS_CONSENT' as const, problem: notInTenantProblem(refusedAs, null, now) }),
  });
  return account;
}

/**
 * Takes over what a fresh token shows: the application permissions that it carries, and so whether the account can act.
 * Call it inside a transaction.
 */
export async function takeRoles(
  em: EntityManager,
  account: Account,
  accessToken: string,
  now: Date,
): Promise<void> {
  const roles = rolesOf(accessToken);
  // What cannot be read says nothing: Graph decides.
  if (roles !== null && roles.join() !== account.grantedScopes.join()) account.grantedScopes = roles;
  const isProven = roles === null || account.accessProvenAt != null;
  const { status, problem } = consentState(account.grantedScopes, isProven, now);
  await setAccountStatus(em, account, status, problem);
}

/**
 * Notes that a mailbox was reached through the tenant. Where Entra has granted no permission for mail, Exchange has
 * (RBAC for Applications): the account is `ACTIVE` all the same from now on. Call it inside a transaction; accounts that
 * people signed in with are left alone. Throws `NotFoundError`.
 */
export async function confirmMailAccess(em: EntityManager, accountId: string, now: Date): Promise<void> {
  const account = await em.findOne(Account, { id: accountId });
  if (!account) throw new NotFoundError('The account');
  if (account.kind !== 'TENANT' || missingRoles(account.grantedScopes).length === 0) return;
  account.accessProvenAt = now;
  if (account.status === 'NEEDS_CONSENT') await setAccountStatus(em, account, 'ACTIVE', null);
  else await em.flush();
}

function consentState(
  roles: readonly string[],
  isProven: boolean,
  now: Date,
): { status: AccountStatus; problem: Problem | null } {
  const missing = missingRoles(roles);
  if (missing.length === 0 || isProven) return { status: 'ACTIVE', problem: null };
  const error = new GraphError(
    'CONSENT_REQUIRED',
    `An administrator of the tenant has not granted the application permission ${missing.join(', ')}.`,
  );
  // Signing in again would change nothing: only an administrator grants these.
  return { status: 'NEEDS_CONSENT', problem: { ...error.toProblem(now), remedy: CONSENT_REMEDY } };
}

const CONSENT_REMEDY =
  'Open the page of startAdminConsent as an administrator of the tenant and accept. Where Exchange grants access to single mailboxes instead (RBAC for Applications), add such a mailbox: once it is reached, nothing is missing.';

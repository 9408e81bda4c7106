import { randomBytes, randomUUID } from 'node:crypto';
import { consentNeed, grantForOrganization, grantForUser, permissionsOf } from './consent.ts';
import type { DirectoryUser, Tenant } from './directory-user.ts';
import { OAuthFault } from './oauth-fault.ts';
import { PERSONAL_TENANT_ID } from './personal-accounts.ts';
import { refusalFault } from './refusals.ts';
import { type Audience, type AuthorizeRequest, admits, type SignInChoice } from './sign-in-request.ts';
import { appSettingsOf, rememberCode } from './sign-in-state.ts';
import { type EmulatorState, findUser } from './state.ts';
import { clientInfo } from './tokens.ts';

/** "Codes live about one minute", says the page on the authorization code flow. */
const CODE_MILLISECONDS = 60 * 1_000;

/** A person and the tenant whose account they sign in with. */
export interface Account {
  tenant: Tenant;
  user: DirectoryUser;
}

/** What an authorize request comes to: a page to show, or an answer to take back to the app. */
export type AuthorizeOutcome =
  | { kind: 'pick-account'; accounts: readonly Account[] }
  | { kind: 'ask-consent'; account: Account; permissions: readonly string[] }
  | { kind: 'need-approval'; account: Account; permissions: readonly string[] }
  | { kind: 'refused'; fault: OAuthFault; tells: 'page' | 'app' }
  | { kind: 'redirect'; account: Account; answer: Readonly<Record<string, string>> };

/**
 * Takes one step of a sign-in: picks the account, asks for consent where that is due, and hands out a code.
 *
 * There are no passwords: whoever reaches the emulator may sign in as anybody. `session` is who this browser signed
 * in as before; it serves `prompt=none`, which must not show a page.
 *
 * An account that its tenant refuses is told so on a page, and the app hears nothing, or is told itself.
 *
 * @throws OAuthFault 65004 when the person declined, 90094 when an administrator has to approve and the person gave
 * an answer anyway, 50058 and 65001 when `prompt=none` would need a page. These go back to the app. 50034, 50020 and
 * 50057 (`isAccountFault`) are shown to the person instead.
 */
export function authorize(
  state: EmulatorState,
  request: AuthorizeRequest,
  choice: SignInChoice,
  session: Account | null,
): AuthorizeOutcome {
  const silent = request.prompt === 'none' && choice.account === null;
  const account = silent ? sessionAccount(request, session) : chosenAccount(state, request, choice);
  if (account === null) {
    if (choice.decision === 'deny') throw declined();
    return { kind: 'pick-account', accounts: accountsOf(state, request) };
  }
  const permissions = permissionsOf(state, request.appId, request.scopes);
  const { tenant, user } = account;
  if (tenant.id === PERSONAL_TENANT_ID && !appSettingsOf(state.signIn, request.appId).personalAccounts) {
    const fault = new OAuthFault(
      700016,
      'The client does not exist or is not enabled for consumers: the app registration takes no personal Microsoft accounts.',
    );
    return { kind: 'refused', fault, tells: 'page' };
  }
  const refusal = state.signIn.refusals.get(user.id);
  if (refusal !== undefined) {
    return { kind: 'refused', fault: refusalFault(refusal.code), tells: refusal.answer };
  }
  const asked = request.prompt === 'consent';
  const need = consentNeed(state, tenant, user, request.appId, permissions, asked);
  if (silent && need !== 'nothing') {
    throw new OAuthFault(
      65001,
      `The user or administrator has not consented to use the application with ID '${request.appId}'. Send an interactive authorization request for this user and resource.`,
    );
  }
  if (need === 'admin-approval') {
    if (choice.decision !== null) throw approvalNeeded(request.appId);
    return { kind: 'need-approval', account, permissions };
  }
  if (choice.decision === 'deny') throw declined();
  if (need === 'user-consent') {
    if (choice.decision === null) return { kind: 'ask-consent', account, permissions };
    if (choice.forOrganization && user.isAdmin) grantForOrganization(tenant, request.appId, permissions);
    else grantForUser(tenant, request.appId, user.id, permissions);
  }
  return { kind: 'redirect', account, answer: codeAnswer(state, request, account) };
}

/**
 * The accounts that a request may choose from, the one it hints at first. Accounts whose sign-in is blocked are in
 * the list, so that the page can say why they cannot be used.
 */
export function accountsOf(
  state: EmulatorState,
  request: Pick<AuthorizeRequest, 'audience' | 'loginHint' | 'domainHint'>,
): readonly Account[] {
  const domain = request.domainHint?.toLowerCase() ?? '';
  const hinted = [...state.tenants.values()].filter((tenant) => tenant.domain === domain);
  const tenants =
    hinted.length > 0 && request.audience.kind === 'any' ? hinted : tenantsOf(state, request.audience);
  const accounts = tenants.flatMap((tenant) =>
    [...tenant.users.values()].map((user): Account => ({ tenant, user })),
  );
  const hint = request.loginHint?.toLowerCase() ?? '';
  const rank = ({ user }: Account) =>
    user.userPrincipalName.toLowerCase() === hint || user.id === hint ? 0 : user.accountEnabled ? 1 : 2;
  return accounts.sort((one, other) => rank(one) - rank(other));
}

/** Why an account cannot sign in, in a few words; `null` when it can. */
export function blockedReason(user: DirectoryUser): string | null {
  if (user.accountEnabled) return null;
  return user.mailbox === 'shared' ? 'Shared mailbox: sign-in is blocked' : 'Sign-in is blocked';
}

/**
 * Finds the account that was typed or picked.
 *
 * @throws OAuthFault 50034 when there is none, 50020 when it is of another tenant than the path's, 50057 when its
 * sign-in is blocked.
 */
export function findAccount(state: EmulatorState, audience: Audience, wanted: string): Account {
  const account = lookUp(state, wanted);
  if (account === null || (audience.kind === 'personal' && !admits(audience, account.tenant.id))) {
    throw new OAuthFault(
      50034,
      `The user account ${wanted} does not exist in the directory. To sign into this application, the account must be added to the directory.`,
    );
  }
  if (!admits(audience, account.tenant.id)) {
    throw new OAuthFault(
      50020,
      `User account '${wanted}' from identity provider 'https://sts.windows.net/${account.tenant.id}/' does not exist in tenant '${audience.kind === 'tenant' ? audience.tenant.displayName : 'organizations'}' and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first.`,
    );
  }
  if (!account.user.accountEnabled) {
    throw new OAuthFault(50057, 'The user account is disabled.');
  }
  return account;
}

/** Faults about the account itself are told to the person, who can pick another; the app does not hear of them. */
export function isAccountFault(fault: OAuthFault): boolean {
  return fault.code === 50034 || fault.code === 50020 || fault.code === 50057;
}

/** The fault for a person who pressed Cancel. */
export function declined(): OAuthFault {
  return new OAuthFault(65004, 'User declined to consent to access the app.');
}

/** The fault for a person who may not grant what the app asks for. */
export function approvalNeeded(appId: string): OAuthFault {
  return new OAuthFault(
    90094,
    `The grant requires admin permission: an administrator has to consent to the application '${appId}' for this organization.`,
  );
}

function chosenAccount(
  state: EmulatorState,
  request: AuthorizeRequest,
  choice: SignInChoice,
): Account | null {
  return choice.account === null ? null : findAccount(state, request.audience, choice.account);
}

function sessionAccount(request: AuthorizeRequest, session: Account | null): Account {
  const { audience } = request;
  const admitted = session?.user.accountEnabled === true && admits(audience, session.tenant.id);
  if (admitted) return session;
  throw new OAuthFault(
    50058,
    'A silent sign-in request was sent but no user is signed in. The cookies used to represent the user session were not sent in the request.',
  );
}

function codeAnswer(
  state: EmulatorState,
  request: AuthorizeRequest,
  account: Account,
): Record<string, string> {
  const now = state.clock.now();
  const code = `1.${randomBytes(64).toString('base64url')}`;
  const { tenant, user } = account;
  rememberCode(
    state.signIn,
    code,
    {
      tenantId: tenant.id,
      userId: user.id,
      appId: request.appId,
      redirectUri: request.replyTo.redirectUri,
      scopes: request.scopes.map(({ written }) => written),
      nonce: request.nonce,
      codeChallenge: request.codeChallenge,
      expiresAt: now + CODE_MILLISECONDS,
      used: false,
    },
    now,
  );
  return {
    code,
    ...(request.wantsClientInfo ? { client_info: clientInfo(tenant.id, user.id) } : {}),
    session_state: randomUUID(),
  };
}

function tenantsOf(state: EmulatorState, audience: Audience): readonly Tenant[] {
  return [...state.tenants.values()].filter(({ id }) => admits(audience, id));
}

function lookUp(state: EmulatorState, wanted: string): Account | null {
  for (const tenant of state.tenants.values()) {
    const user = findUser(state, tenant.id, wanted) ?? null;
    if (user !== null) return { tenant, user };
  }
  return null;
}

import { CLOUD_HOSTS } from './cloud-hosts.ts';
import { type RequestedScope, readScopes } from './consent-permissions.ts';
import type { Tenant } from './directory-user.ts';
import { OAuthFault } from './oauth-fault.ts';
import { PERSONAL_TENANT_ID } from './personal-accounts.ts';
import { appSettingsOf } from './sign-in-state.ts';
import { type EmulatorState, findTenant } from './state.ts';

/** Parameters by name, from a query string or a form; the first of each name counts. */
export type Parameters = ReadonlyMap<string, string>;

/** Which accounts a sign-in path admits; see `admits`. */
export type Audience =
  | { kind: 'tenant'; tenant: Tenant }
  /** `organizations`, or `common`, which lets personal accounts in as well. */
  | { kind: 'any'; withPersonal: boolean }
  /** `consumers`: personal accounts. */
  | { kind: 'personal' };

/** Where and how an authorize request wants its answer. Only a request that has this can be answered by a redirect. */
export interface ReplyTo {
  redirectUri: string;
  mode: 'query' | 'form_post';
  state: string | null;
}

/** An authorize request that holds all it needs. */
export interface AuthorizeRequest {
  audience: Audience;
  appId: string;
  replyTo: ReplyTo;
  scopes: readonly RequestedScope[];
  nonce: string | null;
  codeChallenge: { method: 'S256' | 'plain'; value: string } | null;
  prompt: 'none' | 'login' | 'consent' | 'select_account' | null;
  loginHint: string | null;
  domainHint: string | null;
  wantsClientInfo: boolean;
}

/** What the person at the sign-in page chose so far. */
export interface SignInChoice {
  /** An address, principal name or user id; `null` while no account has been picked. */
  account: string | null;
  decision: 'accept' | 'deny' | null;
  /** "Consent on behalf of your organization". */
  forOrganization: boolean;
}

/**
 * Reads a tenant segment of a sign-in path: a tenant id, a domain, `common`, `organizations` or `consumers`. Of the tenants
 * only those of the host's cloud exist there; for their metadata the global host knows the American ones too.
 *
 * @throws OAuthFault 90002 when there is no such tenant.
 */
export function readAudience(
  state: EmulatorState,
  segment: string,
  host: string = CLOUD_HOSTS.GLOBAL.login,
  purpose: 'metadata' | 'tokens' = 'tokens',
): Audience {
  const wanted = segment.toLowerCase();
  if (wanted === 'common' || wanted === 'organizations') {
    return { kind: 'any', withPersonal: wanted === 'common' };
  }
  if (wanted === 'consumers' || wanted === PERSONAL_TENANT_ID) return { kind: 'personal' };
  const tenant = findTenant(state, wanted);
  const home = tenant && CLOUD_HOSTS[tenant.cloud].login;
  const isShown =
    purpose === 'metadata' && host === CLOUD_HOSTS.GLOBAL.login && tenant?.cloud.startsWith('US_') === true;
  if (tenant !== undefined && (home === host || isShown)) return { kind: 'tenant', tenant };
  throw new OAuthFault(
    90002,
    `Tenant '${segment}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
  );
}

/** Whether a sign-in path lets the accounts of a tenant in: `organizations` all but personal ones, `consumers` those alone. */
export function admits(audience: Audience, tenantId: string): boolean {
  const isPersonal = tenantId === PERSONAL_TENANT_ID;
  switch (audience.kind) {
    case 'tenant':
      return audience.tenant.id === tenantId;
    case 'personal':
      return isPersonal;
    case 'any':
      return audience.withPersonal || !isPersonal;
  }
}

/**
 * Reads who asks and where the answer may go. A fault here must be shown to the person, never sent by redirect: the
 * address is not trusted yet (RFC 6749, section 4.1.2.1).
 *
 * @throws OAuthFault 900144 when a parameter is missing, 50011 when the redirect URI is no absolute http(s) URL or is
 * not one of those the app is registered with, 9002313 when the response mode is unknown.
 */
export function readReplyTo(
  state: EmulatorState,
  parameters: Parameters,
): { appId: string; replyTo: ReplyTo } {
  const appId = required(parameters, 'client_id').toLowerCase();
  const redirectUri = required(parameters, 'redirect_uri');
  const registered = appSettingsOf(state.signIn, appId).redirectUris;
  if (!isWebAddress(redirectUri) || (registered !== null && !registered.includes(redirectUri))) {
    throw new OAuthFault(
      50011,
      `The redirect URI '${redirectUri}' specified in the request does not match the redirect URIs configured for the application '${appId}'. Make sure the redirect URI sent in the request matches one added to your application. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to troubleshoot this error.`,
    );
  }
  const mode = parameters.get('response_mode') ?? 'query';
  if (mode !== 'query' && mode !== 'form_post') {
    throw new OAuthFault(
      9002313,
      `Invalid request. Request is malformed or invalid: response_mode '${mode}'.`,
    );
  }
  return { appId, replyTo: { redirectUri, mode, state: parameters.get('state') ?? null } };
}

/**
 * Reads the rest of an authorize request.
 *
 * @throws OAuthFault 700051 for any response type but `code`, 901002 for an unknown prompt, 9002313 for an unknown challenge method, and
 * what `readScopes` throws.
 */
export function readAuthorizeRequest(
  audience: Audience,
  { appId, replyTo }: { appId: string; replyTo: ReplyTo },
  parameters: Parameters,
): AuthorizeRequest {
  const responseType = required(parameters, 'response_type');
  if (responseType !== 'code') {
    throw new OAuthFault(
      700051,
      `response_type '${responseType}' is not enabled for the application. The emulator answers 'code' only.`,
    );
  }
  return {
    audience,
    appId,
    replyTo,
    scopes: readScopes(parameters.get('scope')),
    nonce: parameters.get('nonce') ?? null,
    codeChallenge: readCodeChallenge(parameters),
    prompt: readPrompt(parameters),
    loginHint: parameters.get('login_hint') ?? null,
    domainHint: parameters.get('domain_hint') ?? null,
    wantsClientInfo: parameters.get('client_info') === '1',
  };
}

/**
 * Reads what was chosen on a page (`account`, `decision`, `for_organization`) or, for those who sign in without a
 * page, in the URL (`_account`, `_decision`, `_for_organization`). An unknown decision counts as none.
 */
export function readChoice(parameters: Parameters): SignInChoice {
  const read = (name: string) => parameters.get(name) ?? parameters.get(`_${name}`) ?? null;
  const decision = read('decision');
  const account = read('account')?.trim() ?? '';
  return {
    account: account === '' ? null : account,
    decision: decision === 'accept' || decision === 'deny' ? decision : null,
    forOrganization: ['true', 'on', '1'].includes(read('for_organization') ?? ''),
  };
}

/**
 * The value of a parameter that a request cannot do without.
 *
 * @throws OAuthFault 900144 when it is missing or empty.
 */
export function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value !== undefined && value !== '') return value;
  throw new OAuthFault(900144, `The request body must contain the following parameter: '${name}'.`);
}

function readPrompt(parameters: Parameters): AuthorizeRequest['prompt'] {
  const prompt = parameters.get('prompt') ?? '';
  switch (prompt) {
    case '':
      return null;
    case 'none':
    case 'login':
    case 'consent':
    case 'select_account':
      return prompt;
    default:
      throw new OAuthFault(
        901002,
        `The 'prompt' request parameter is not supported with the value '${prompt}'.`,
      );
  }
}

function readCodeChallenge(parameters: Parameters): AuthorizeRequest['codeChallenge'] {
  const value = parameters.get('code_challenge');
  if (value === undefined) return null;
  const method = parameters.get('code_challenge_method') ?? 'plain';
  // RFC 7636, section 4.2: 43 to 128 characters of the unreserved set.
  if ((method !== 'S256' && method !== 'plain') || !/^[A-Za-z0-9._~-]{43,128}$/.test(value)) {
    throw new OAuthFault(
      9002313,
      'Invalid request. Request is malformed or invalid: code_challenge or code_challenge_method.',
    );
  }
  return { method, value };
}

/** Whether this is an absolute http(s) URL without a fragment, the only kind that answers are sent to. */
export function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hash === '';
}

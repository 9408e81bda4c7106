import { X509Certificate } from 'node:crypto';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { grantForOrganization, revokeConsent } from './consent.ts';
import { ControlFault, readControlBody } from './control-answer.ts';
import type { Push } from './push.ts';
import { REFUSAL_CODES } from './refusals.ts';
import { appSettingsOf, refuseAccessTokensOf, revokeTokensOf, settingsOf } from './sign-in-state.ts';
import { addressesOf, type EmulatorState, findTenant, findUserByAddress } from './state.ts';

const LONGEST_TOKEN_SECONDS = 28 * 60 * 60;

const revocation = z.strictObject({
  address: z.string().min(1),
  accessTokensToo: z.boolean().default(false),
});
const expiry = z.strictObject({ address: z.string().min(1) });
const adminGrant = z.strictObject({
  clientId: z.string().min(1),
  /** Id or domain. */
  tenant: z.string().min(1),
  /** Delegated permissions, granted for everybody in the tenant. */
  scopes: z.array(z.string().min(1)).min(1).max(100),
});
const consentRevocation = z.strictObject({
  clientId: z.string().min(1),
  /** Without it the whole organization's consent is taken back. */
  address: z.string().min(1).optional(),
  /** Id or domain; needed when there is no address. */
  tenant: z.string().min(1).optional(),
  /** Only these permissions. */
  scopes: z.array(z.string().min(1)).max(100).optional(),
});
const refusal = z.strictObject({
  address: z.string().min(1),
  code: z.literal(REFUSAL_CODES).nullable(),
  /** Who the authorize endpoint tells. */
  answer: z.enum(['page', 'app']).default('page'),
});
const renaming = z.strictObject({
  address: z.string().min(1),
  newAddress: z.email(),
  displayName: z.string().min(1).max(200).optional(),
});
const tenantSettings = z.strictObject({
  userConsentAllowed: z.union([z.boolean(), z.literal('microsoft-managed')]).optional(),
  accessTokenSeconds: z.int().min(1).max(LONGEST_TOKEN_SECONDS).nullable().optional(),
  refreshTokenReuse: z.enum(['allow', 'reject']).optional(),
  knownAppsOnly: z.boolean().optional(),
  rolesNeedConsent: z.boolean().optional(),
});
const certificate = z.string().refine((pem) => {
  try {
    return new X509Certificate(pem).publicKey.asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}, 'must be a certificate in PEM with an RSA key');
const app = z.strictObject({
  clientId: z.string().min(1).max(100),
  personalAccounts: z.boolean().optional(),
  /** The tenant it was made in, by id or domain: any other knows it once somebody there has consented. */
  homeTenant: z.string().min(1).nullable().optional(),
  secret: z.string().min(1).nullable().optional(),
  redirectUris: z.array(z.url()).max(100).nullable().optional(),
  displayName: z.string().min(1).max(200).nullable().optional(),
  roles: z.array(z.string().min(1)).max(100).nullable().optional(),
  /** In PEM. */
  certificates: z.array(certificate).max(20).nullable().optional(),
  otherSecrets: z.array(z.string().min(1)).max(20).optional(),
});

const smallBody = bodyLimit({
  maxSize: 64 * 1_024,
  onError: () => {
    throw new ControlFault(413, 'payloadTooLarge', 'The body is larger than 64 KB.');
  },
});

/**
 * The part of the control API that is about signing in, to be mounted under `/_emulator`. Every route takes JSON and
 * answers JSON; it throws `ControlFault` 400 for what it cannot use and 404 for what it does not know.
 */
export function controlSignInRoutes(state: EmulatorState, push: Push): Hono {
  const routes = new Hono();

  /** As when an administrator revokes a user's sessions: refresh tokens answer AADSTS50173 from now on. */
  routes.post('/tokens/revoke', smallBody, async (c) => {
    const input = await readControlBody(c, revocation);
    const user = findUserByAddress(state, input.address);
    if (user === undefined) throw unknown(`Nobody here has the address ${input.address}.`);
    const { accessTokensToo } = input;
    const refreshTokens = revokeTokensOf(state.signIn, user.id, accessTokensToo);
    push.userRevoked(user.id);
    return c.json({ userId: user.id, revokedRefreshTokens: refreshTokens, accessTokensToo });
  });

  /** Access tokens alone, before their time, as continuous access evaluation does it; a refresh brings a good one. */
  routes.post('/tokens/expire', smallBody, async (c) => {
    const { address } = await readControlBody(c, expiry);
    const user = findUserByAddress(state, address);
    if (user === undefined) throw unknown(`Nobody here has the address ${address}.`);
    refuseAccessTokensOf(state.signIn, user.id);
    return c.json({ userId: user.id });
  });

  /** As when an administrator grants permissions in the Entra admin center. */
  routes.post('/consents', smallBody, async (c) => {
    const { clientId, tenant: wanted, scopes } = await readControlBody(c, adminGrant);
    const tenant = findTenant(state, wanted);
    if (tenant === undefined) throw unknown(`There is no tenant ${wanted}.`);
    grantForOrganization(tenant, clientId.toLowerCase(), scopes);
    return c.json({ clientId, tenant: tenant.id, scopes });
  });

  /**
   * Refuses an account from now on, at the sign-in page and at every refresh, with an AADSTS number: a Conditional Access
   * policy (53003), an app that is assigned to others (50105), a second factor (50076), … `code: null` lets it in again.
   */
  routes.post('/accounts/refuse', smallBody, async (c) => {
    const { address, code, answer } = await readControlBody(c, refusal);
    const user = findUserByAddress(state, address);
    if (user === undefined) throw unknown(`Nobody here has the address ${address}.`);
    if (code === null) state.signIn.refusals.delete(user.id);
    else state.signIn.refusals.set(user.id, { code, answer });
    return c.json({ userId: user.id, code, answer });
  });

  /** As when somebody gets another name: the old address stays as an alias. */
  routes.post('/accounts/rename', smallBody, async (c) => {
    const { address, newAddress, displayName } = await readControlBody(c, renaming);
    const user = findUserByAddress(state, address);
    const owner = state.addresses.get(address.toLowerCase());
    if (user === undefined || owner === undefined) throw unknown(`Nobody here has the address ${address}.`);
    const taken = findUserByAddress(state, newAddress);
    if (taken !== undefined && taken !== user) {
      throw new ControlFault(409, 'conflict', `Somebody has the address ${newAddress} already.`);
    }
    const aliases = addressesOf(user).filter((one) => one !== newAddress.toLowerCase());
    user.mail = newAddress;
    user.userPrincipalName = newAddress;
    user.proxyAddresses = [`SMTP:${newAddress}`, ...aliases.map((one) => `smtp:${one}`)];
    if (displayName !== undefined) user.displayName = displayName;
    for (const one of addressesOf(user)) state.addresses.set(one, owner);
    return c.json({ userId: user.id, mail: user.mail, displayName: user.displayName });
  });

  /** As when a user, or the administrator, removes an app: tokens for it answer AADSTS65001 from now on. */
  routes.post('/consents/revoke', smallBody, async (c) => {
    const input = await readControlBody(c, consentRevocation);
    const { address, tenant: wanted } = input;
    const appId = input.clientId.toLowerCase();
    const owner = state.addresses.get(address?.toLowerCase() ?? '');
    const tenant = owner === undefined ? findTenant(state, wanted ?? '') : state.tenants.get(owner.tenantId);
    if (tenant === undefined || (address !== undefined && owner === undefined)) {
      throw unknown('Name an address, or a tenant by id or domain, that exists here.');
    }
    revokeConsent(tenant, appId, owner?.userId ?? null, input.scopes ?? null);
    push.consentRevoked(tenant, appId);
    return c.json({ tenantId: tenant.id, userId: owner?.userId ?? null, clientId: appId });
  });

  /** What is left out stays as it was; `accessTokenSeconds: null` goes back to Entra's 60 to 90 minutes. */
  routes.post('/tenants/:id/settings', smallBody, async (c) => {
    const tenant = findTenant(state, c.req.param('id'));
    if (tenant === undefined) throw unknown(`There is no tenant ${c.req.param('id')}.`);
    const input = await readControlBody(c, tenantSettings);
    const before = settingsOf(state.signIn, tenant.id);
    const { userConsentAllowed, accessTokenSeconds, refreshTokenReuse, knownAppsOnly, rolesNeedConsent } =
      input;
    const settings = {
      userConsentAllowed: userConsentAllowed ?? before.userConsentAllowed,
      accessTokenSeconds: accessTokenSeconds === undefined ? before.accessTokenSeconds : accessTokenSeconds,
      refreshTokenReuse: refreshTokenReuse ?? before.refreshTokenReuse,
      knownAppsOnly: knownAppsOnly ?? before.knownAppsOnly,
      rolesNeedConsent: rolesNeedConsent ?? before.rolesNeedConsent,
    };
    state.signIn.settings.set(tenant.id, settings);
    return c.json({ tenantId: tenant.id, ...settings });
  });

  /** Describes an app registration. What is left out stays as it was, `null` takes it away; the secret is not shown. */
  routes.post('/apps', smallBody, async (c) => {
    const input = await readControlBody(c, app);
    const appId = input.clientId.toLowerCase();
    const {
      secret,
      redirectUris,
      displayName,
      roles,
      certificates,
      otherSecrets,
      homeTenant,
      personalAccounts,
    } = input;
    const home = homeTenant == null ? homeTenant : findTenant(state, homeTenant)?.id;
    if (homeTenant != null && home === undefined) throw unknown(`There is no tenant ${homeTenant}.`);
    const before = appSettingsOf(state.signIn, appId);
    const settings = {
      displayName: displayName === undefined ? before.displayName : displayName,
      redirectUris: redirectUris === undefined ? before.redirectUris : redirectUris,
      roles: roles === undefined ? before.roles : roles,
      certificates: certificates === undefined ? before.certificates : certificates,
      personalAccounts: personalAccounts ?? before.personalAccounts,
      homeTenantId: home === undefined ? before.homeTenantId : home,
      otherSecrets: otherSecrets ?? before.otherSecrets,
    };
    state.signIn.apps.set(appId, settings);
    if (secret === null) state.appSecrets.delete(appId);
    else if (secret !== undefined) state.appSecrets.set(appId, secret);
    const { otherSecrets: _, ...shown } = settings;
    return c.json({ clientId: appId, ...shown, hasSecret: state.appSecrets.has(appId) });
  });

  return routes;
}

function unknown(message: string): ControlFault {
  return new ControlFault(404, 'notFound', message);
}

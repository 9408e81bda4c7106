import { type Clock, SECOND } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { digest, randomToken } from '../platform/secrets.ts';
import { AdminConsent } from './admin-consent.entity.ts';
import { adminConsentPage, stateOfLink } from './admin-consent.ts';
import { tenantOf } from './application-account.ts';
import type { EndpointOverrides } from './endpoints.ts';
import { getIntegration } from './integrations.ts';
import { isBoundTo, type OpenedSignIn, type ReadCookie, signInCookieName } from './open-sign-in.ts';
import { SIGN_IN_MILLISECONDS } from './sign-in.ts';
import { SignInError } from './sign-in-error.ts';
import { permissionsFor } from './sign-in-purpose.ts';

export interface OpenAdminConsentDeps {
  database: Database;
  clock: Clock;
  overrides: EndpointOverrides;
  publicUrl: string;
}

/**
 * Answers the link of `startAdminConsent` as `open-sign-in.ts` answers that of a sign-in: binds it to the first browser that
 * opens it, and gives the page of Microsoft. Throws `SignInError`.
 */
export async function openAdminConsent(
  { database, clock, overrides, publicUrl }: OpenAdminConsentDeps,
  link: string,
  readCookie: ReadCookie,
): Promise<OpenedSignIn> {
  // Over all organizations: a browser comes without credentials, and the link tells which it is.
  const [found] = await forkAcrossOrganizations(database).execute<{ id: string; organization_id: string }[]>(
    `select id, organization_id from admin_consent where link_digest = decode(?, 'hex')`,
    [digest(link).toString('hex')],
  );
  if (found === undefined) throw new SignInError('INVALID_STATE');
  const em = forkFor(database, found.organization_id);
  const consent = await em.findOneOrFail(AdminConsent, { id: found.id });
  if (consent.usedAt) throw new SignInError('INVALID_STATE');
  if (consent.expiresAt <= clock.now()) throw new SignInError('SIGN_IN_EXPIRED');
  const state = stateOfLink(link);
  const name = signInCookieName(state, publicUrl);
  const isOpened = consent.browserDigest != null;
  const value = isOpened ? readCookie(name) : randomToken();
  if (value !== null && !isOpened) {
    await em.execute(
      `update admin_consent set browser_digest = decode(?, 'hex'), updated_at = ?
        where organization_id = ? and id = ? and browser_digest is null`,
      [digest(value).toString('hex'), clock.now(), found.organization_id, found.id],
    );
  }
  const { browserDigest, integration, permissions } = await em.findOneOrFail(
    AdminConsent,
    { id: found.id },
    { refresh: true },
  );
  if (value === null || !isBoundTo(browserDigest, value)) throw new SignInError('INVALID_STATE');
  const asked = await getIntegration(em, integration.id);
  const location = adminConsentPage(
    asked,
    permissions ?? permissionsFor('MAIL'),
    await tenantOf(em, asked),
    { overrides, publicUrl },
    state,
  );
  return { location, cookie: { name, value, maxAgeSeconds: SIGN_IN_MILLISECONDS / SECOND } };
}

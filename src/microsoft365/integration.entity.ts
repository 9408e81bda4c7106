/*
 * Words of this folder: an *integration* is one Microsoft Entra app registration of an organization; an *account* is who
 * the integration acts as, the signed-in Microsoft account; a *cloud* is one of Microsoft's separate worlds.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { CloudName } from './clouds.ts';

/** `DELEGATED`: a person signs in. `APPLICATION`: the app acts as itself, for the whole tenant (client credentials). */
export const AUTHORIZATION_MODES = ['DELEGATED', 'APPLICATION'] as const;
export type AuthorizationMode = (typeof AUTHORIZATION_MODES)[number];

/** One Microsoft Entra app registration of an organization. */
export const IntegrationSchema = defineEntity({
  name: 'Integration',
  tableName: 'integration',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    cloud: p.string().$type<CloudName>(),
    /** A tenant's id or domain, or `common`, `organizations`, `consumers`. */
    tenantId: p.string(),
    clientId: p.string(),
    authorizationMode: p.string().$type<AuthorizationMode>(),
    /** The client secret, sealed for `integration:<id>`; null when a certificate takes its place. */
    sealedClientSecret: p.text().hidden().nullable(),
    /** The private key of the certificate (PKCS #8, PEM), sealed for `integration:<id>`; null for a client secret. */
    sealedPrivateKey: p.text().hidden().nullable(),
    /** The certificate in PEM, which is no secret; null for a client secret. */
    certificate: p.text().nullable(),
    credentialExpiresAt: p.datetime().nullable(),
    /** When Microsoft last took the credential; null when it was never tried. */
    credentialAcceptedAt: p.datetime().nullable(),
    /** The smallest threshold of `credential-expiry.ts` that was warned of, in days; null before the first. */
    credentialWarnedDays: p.integer().nullable(),
  },
});

export class Integration extends IntegrationSchema.class {}
IntegrationSchema.setClass(Integration);

/*
 * Words of this folder: an *integration* is one Microsoft Entra app registration of an organization; an *account* is who
 * the integration acts as, the signed-in Microsoft account; a *cloud* is one of Microsoft's separate worlds.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { CloudName } from './clouds.ts';

/** `DELEGATED`: a person signs in. `APPLICATION` (client credentials) is not offered yet. */
export const AUTHORIZATION_MODES = ['DELEGATED'] as const;
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
    /** The client secret, sealed for `integration:<id>`. */
    sealedClientSecret: p.text().hidden(),
    credentialExpiresAt: p.datetime().nullable(),
  },
});

export class Integration extends IntegrationSchema.class {}
IntegrationSchema.setClass(Integration);

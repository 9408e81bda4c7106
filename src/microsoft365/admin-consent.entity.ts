import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { Integration } from './integration.entity.ts';

/** A request for an administrator's consent that waits for Microsoft's answer. */
export const AdminConsentSchema = defineEntity({
  name: 'AdminConsent',
  tableName: 'admin_consent',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    integration: () => p.manyToOne(Integration).ref(),
    /** Who started it. */
    user: () => p.manyToOne(User).ref(),
    /** SHA-256 of the state that comes back. */
    stateDigest: p.blob().$type<Buffer>(),
    /** The key that it was started with. */
    apiKeyId: p.uuid().nullable(),
    /** SHA-256 of the token in the link that the caller is given. */
    linkDigest: p.blob().$type<Buffer>().nullable(),
    /** SHA-256 of the cookie of the browser that opened the link; null until one has. */
    browserDigest: p.blob().$type<Buffer>().nullable(),
    /** The delegated permissions that are asked for; null in application mode, which asks for all that the app lists. */
    permissions: p.array().nullable(),
    returnTo: p.text().nullable(),
    expiresAt: p.datetime(),
    usedAt: p.datetime().nullable(),
  },
});

export class AdminConsent extends AdminConsentSchema.class {}
AdminConsentSchema.setClass(AdminConsent);

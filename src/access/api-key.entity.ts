import { defineEntity, p } from '@mikro-orm/core';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { organizationProperty } from './organization.entity.ts';
import { User } from './user.entity.ts';

/** A key that acts as a user. Shown once when it is made; only its SHA-256 is kept. */
export const ApiKeySchema = defineEntity({
  name: 'ApiKey',
  tableName: 'api_key',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    user: () => p.manyToOne(User).ref(),
    name: p.string(),
    /** The first characters of the key, to tell keys apart; worthless without the rest. */
    prefix: p.string(),
    secretDigest: p.blob().hidden(),
    lastUsedAt: p.datetime().nullable(),
    revokedAt: p.datetime().nullable(),
  },
});

export class ApiKey extends ApiKeySchema.class {}
ApiKeySchema.setClass(ApiKey);

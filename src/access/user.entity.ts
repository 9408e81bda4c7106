import { defineEntity, p } from '@mikro-orm/core';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { organizationProperty } from './organization.entity.ts';
import type { Role } from './permissions.ts';

/** A person or a service of an organization. */
export const UserSchema = defineEntity({
  name: 'User',
  tableName: 'app_user',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    name: p.string(),
    emailAddress: p.string().nullable(),
    role: p.string().$type<Role>(),
    /** Set when the user may no longer do anything; the row stays, since tickets name it. */
    disabledAt: p.datetime().nullable(),
  },
});

export class User extends UserSchema.class {}
UserSchema.setClass(User);

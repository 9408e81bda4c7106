import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';

/** The team that a ticket goes to. `group` is a word of SQL, hence the name of the table. */
export const GroupSchema = defineEntity({
  name: 'Group',
  tableName: 'ticket_group',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** Unique in the organization, whatever the case. */
    name: p.string(),
    description: p.text().nullable(),
    /** Since when nothing new is given to it; what it has, it keeps. */
    archivedAt: p.datetime().nullable(),
  },
});

export class Group extends GroupSchema.class {}
GroupSchema.setClass(Group);

import { defineEntity, p } from '@mikro-orm/core';
import { baseProperties } from '../platform/base-properties.ts';

/**
 * The organization: the tenant of Deskgraph that owns everything else. Nothing is ever visible across organizations.
 */
export const OrganizationSchema = defineEntity({
  name: 'Organization',
  tableName: 'organization',
  properties: {
    ...baseProperties,
    name: p.string(),
    /** The number that the next ticket gets; raised by an atomic update, see ticketing/ticket-number.ts. */
    nextTicketNumber: p.integer().default(1),
  },
});

export class Organization extends OrganizationSchema.class {}
OrganizationSchema.setClass(Organization);

/** The column that ties a row to its organization. */
export const organizationProperty = () => p.manyToOne(Organization).ref();

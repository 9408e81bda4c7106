import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';

/** A person outside who wrote to the organization; one per address. */
export const ContactSchema = defineEntity({
  name: 'Contact',
  tableName: 'contact',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    name: p.string(),
    /** In lower case. Local parts are case-sensitive on paper (RFC 5321, 2.4) and nowhere in practice. */
    emailAddress: p.string(),
  },
});

export class Contact extends ContactSchema.class {}
ContactSchema.setClass(Contact);

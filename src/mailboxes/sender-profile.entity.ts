import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';

/** The name, reply address and signature that identities are sent with. */
export const SenderProfileSchema = defineEntity({
  name: 'SenderProfile',
  tableName: 'sender_profile',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** What administrators call it; unique in the organization, whatever the case. */
    name: p.text(),
    /** The name that recipients see; null: that of the mailbox. */
    fromName: p.text().nullable(),
    /** Where answers go; null: to the address that the mail came from. */
    replyTo: p.text().nullable(),
    signatureText: p.text().nullable(),
    /** Sanitised. */
    signatureHtml: p.text().nullable(),
  },
});

export class SenderProfile extends SenderProfileSchema.class {}
SenderProfileSchema.setClass(SenderProfile);

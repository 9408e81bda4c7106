import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { NotificationKind } from './notification.entity.ts';

/** What an organization writes in its notifications of a kind, in Liquid. Kinds without one have ours. */
export const MailTemplateSchema = defineEntity({
  name: 'MailTemplate',
  tableName: 'mail_template',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    kind: p.string().$type<NotificationKind>(),
    subject: p.text(),
    /** Null: the text, as HTML. */
    html: p.text().nullable(),
    text: p.text(),
  },
});

export class MailTemplate extends MailTemplateSchema.class {}
MailTemplateSchema.setClass(MailTemplate);

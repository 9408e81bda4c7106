import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { Group } from './group.entity.ts';
import type { MailRuleCondition } from './mail-rule-match.ts';
import type { TicketPriority } from './ticket.entity.ts';

/** Whether all conditions of a rule must hold, or one of them. */
export const MAIL_RULE_MATCHES = ['ALL', 'ANY'] as const;
export type MailRuleMatch = (typeof MAIL_RULE_MATCHES)[number];

/** What an organization wants done with mail that would open a ticket. */
export const MailRuleSchema = defineEntity({
  name: 'MailRule',
  tableName: 'mail_rule',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** Unique in the organization, whatever the case: the ledger names rules by it. */
    name: p.string(),
    /** From 1, without gaps; changed under the lock of the organization only, see mail-rules.ts. */
    position: p.integer(),
    enabled: p.boolean(),
    match: p.string().$type<MailRuleMatch>(),
    conditions: p.json<MailRuleCondition[]>(),
    group: () => p.manyToOne(Group).ref().nullable(),
    priority: p.string().$type<TicketPriority>().nullable(),
    tags: p.array().default([]),
    assignee: () => p.manyToOne(User).ref().nullable(),
    ignore: p.boolean(),
    stop: p.boolean(),
  },
});

export class MailRule extends MailRuleSchema.class {}
MailRuleSchema.setClass(MailRule);

import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { OutboundMessage } from './outbound-message.entity.ts';

/** What people are told of: `RECEIVED` and `CLOSED` go to who asked, `ASSIGNED` and `REPLIED` to who works on it. */
export const NOTIFICATION_KINDS = ['RECEIVED', 'ASSIGNED', 'REPLIED', 'CLOSED'] as const;
export type NotificationKind = (typeof NOTIFICATION_KINDS)[number];

export const NOTIFICATION_OUTCOMES = ['QUEUED', 'SKIPPED'] as const;
export type NotificationOutcome = (typeof NOTIFICATION_OUTCOMES)[number];

/** Why somebody is not told. */
export const SKIP_REASONS = [
  'TOO_OLD',
  'IMPORTED',
  'AUTOMATIC',
  'NO_REPLY_ADDRESS',
  'OWN_ADDRESS',
  'OWN_DOING',
  'NO_RECIPIENT',
  'OUTDATED',
  'RECENTLY_TOLD',
  'LIMIT_REACHED',
  'TEMPLATE_FAILED',
  'CANNOT_SEND',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** The decision about one event of a ticket whose kind is switched on: a mail was queued, or why none was. */
export const NotificationSchema = defineEntity({
  name: 'Notification',
  tableName: 'notification',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** The number of the event in the log: one event is answered once. */
    eventPosition: p.bigint().$type<string>(),
    kind: p.string().$type<NotificationKind>(),
    ticket: () => p.manyToOne(Ticket).ref(),
    /** That of the ticket; null for a ticket that a person made. */
    mailbox: () => p.manyToOne(Mailbox).ref().nullable(),
    /** In lower case; null when it came to none. */
    recipient: p.text().nullable(),
    outcome: p.string().$type<NotificationOutcome>(),
    /** Null when it was queued. */
    reason: p.string().$type<SkipReason>().nullable(),
    /** The decision in a sentence that an administrator can read. */
    explanation: p.text(),
    outboundMessage: () => p.manyToOne(OutboundMessage).ref().nullable(),
  },
});

export class Notification extends NotificationSchema.class {}
NotificationSchema.setClass(Notification);

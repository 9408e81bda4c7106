/*
 * Words of this folder: a *ticket* is a conversation with one contact; a *message* is one mail, note or reply in it; a
 * *contact* is the person who wrote; an *inbound message* is the ledger row of one message seen in a mailbox, and says
 * what became of it; a *thread* is the choice of the ticket that a message belongs to.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { Contact } from './contact.entity.ts';
import { Group } from './group.entity.ts';

export const TICKET_STATUSES = ['OPEN', 'PENDING', 'CLOSED'] as const;
export type TicketStatus = (typeof TICKET_STATUSES)[number];

export const TICKET_PRIORITIES = ['LOW', 'NORMAL', 'HIGH', 'URGENT'] as const;
export type TicketPriority = (typeof TICKET_PRIORITIES)[number];

/** A conversation with one contact. */
export const TicketSchema = defineEntity({
  name: 'Ticket',
  tableName: 'ticket',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** Counts up from 1 within the organization; what people quote, and the token in mail subjects: `[#123]`. */
    number: p.integer(),
    subject: p.text(),
    status: p.string().$type<TicketStatus>().default('OPEN'),
    priority: p.string().$type<TicketPriority>().default('NORMAL'),
    requester: () => p.manyToOne(Contact).ref(),
    assignee: () => p.manyToOne(User).ref().nullable(),
    /** The team that it goes to; null when it belongs to none. */
    group: () => p.manyToOne(Group).ref().nullable(),
    /** The mailbox whose mail opened it; null for a ticket that a person made. */
    mailbox: () => p.manyToOne(Mailbox).ref().nullable(),
    tags: p.array().default([]),
    lastMessageAt: p.datetime(),
    closedAt: p.datetime().nullable(),
    /** The ticket that it goes on from, which was closed long ago; an id, since an entity cannot name itself here. */
    followUpOfId: p.uuid().nullable(),
    /** The ticket of the same mail in another mailbox, where each mailbox has its own. */
    copyOfId: p.uuid().nullable(),
    /** Whether it is history: it was opened by mail that was imported, and its dates are those of the mail. */
    isImported: p.boolean().default(false),
    version: p.integer().version(),
  },
});

export class Ticket extends TicketSchema.class {}
TicketSchema.setClass(Ticket);

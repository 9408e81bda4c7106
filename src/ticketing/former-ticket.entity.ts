import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { Ticket } from './ticket.entity.ts';

/** A ticket that is no more; it keeps the id that the ticket had. Numbers are never given again. */
export const FormerTicketSchema = defineEntity({
  name: 'FormerTicket',
  tableName: 'former_ticket',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    number: p.integer(),
    /** Where its messages are now; null when it was deleted with them. */
    mergedInto: () => p.manyToOne(Ticket).ref().nullable(),
    removedBy: () => p.manyToOne(User).ref().nullable(),
  },
});

export class FormerTicket extends FormerTicketSchema.class {}
FormerTicketSchema.setClass(FormerTicket);

import type { FilterQuery } from '@mikro-orm/core';
import { builder } from '../graphql/builder.ts';
import { decodeId, encodeGlobalId } from '../graphql/global-id.ts';
import type { EntityManager } from '../platform/database.ts';
import { FormerTicket } from './former-ticket.entity.ts';
import { Message } from './message.entity.ts';
import { relatedTicket } from './related-tickets.ts';
import { Ticket } from './ticket.entity.ts';
import { ticketConditions } from './ticket-list.ts';
import { type MessageEvent, streamMessages, streamTickets, type TicketEvent } from './ticket-stream.ts';
import { TicketFilterInput, ticketFilter } from './tickets.graphql.ts';
import { getTicket } from './tickets.ts';

const CURSOR = 'Resume after this event with it.';
const AFTER = 'Resume after the event with this cursor: what was missed comes first, in order.';
const FILTER = 'Only tickets that it fits at the moment of delivery.';

// The scopes on these types are asked again for every event: see graphql/execution.ts.
const RemovedTicketType = builder.objectRef<FormerTicket>('RemovedTicket').implement({
  description: 'A ticket that is no more: it was deleted, or merged into another one.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    ticketId: t.id({
      description: 'The id that it had.',
      resolve: ({ id }) => encodeGlobalId('Ticket', id),
    }),
    number: t.exposeInt('number', { description: 'The number that it had; it is never given again.' }),
    mergedInto: t.field({
      type: Ticket,
      nullable: true,
      description: 'The ticket that has its messages now; null when it was deleted.',
      resolve: ({ mergedInto }, _args, { em }) => relatedTicket(em, mergedInto?.id),
    }),
    removedAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was deleted or merged.' }),
  }),
});

const TicketEventType = builder.objectRef<TicketEvent>('TicketEvent').implement({
  description: 'A ticket was opened or changed, or is no more.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: CURSOR }),
    ticket: t.expose('ticket', {
      type: Ticket,
      nullable: true,
      description:
        'The ticket as it is now; null when it is no more: see `removed`. Never null for `ticketCreated`.',
    }),
    removed: t.expose('removed', {
      type: RemovedTicketType,
      nullable: true,
      description: 'What was deleted or merged; null when the ticket exists. Only for `ticketUpdated`.',
    }),
  }),
});

const MessageEventType = builder.objectRef<MessageEvent>('MessageEvent').implement({
  description: 'A message was added to a ticket.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: CURSOR }),
    message: t.expose('message', { type: Message, description: 'The message.' }),
    ticket: t.field({
      type: Ticket,
      description: 'The ticket as it is now.',
      resolve: ({ message }) => message.ticket.loadOrFail(),
    }),
  }),
});

builder.subscriptionFields((t) => ({
  ticketCreated: t.field({
    type: TicketEventType,
    description: 'Every ticket that is opened, by mail or by hand.',
    authScopes: { permission: 'ticket:read' },
    args: {
      filter: t.arg({ type: TicketFilterInput, description: FILTER }),
      after: t.arg.string({ description: AFTER }),
    },
    subscribe: (_root, { filter, after }, { actor, services, signal }) =>
      streamTickets(services.events, {
        organizationId: actor.organizationId,
        type: 'ticket.created',
        where: conditions(filter),
        after,
        signal,
      }),
    resolve: (event) => event,
  }),
  ticketUpdated: t.field({
    type: TicketEventType,
    description:
      'Every ticket whose status, priority, assignee, group, tags, requester or subject change; and every ticket that is deleted or merged into another one, whatever the filter: `removed` says which.',
    authScopes: { permission: 'ticket:read' },
    args: {
      ticketId: t.arg.id({ description: 'Only this ticket.' }),
      filter: t.arg({ type: TicketFilterInput, description: FILTER }),
      after: t.arg.string({ description: AFTER }),
    },
    subscribe: async (_root, { ticketId, filter, after }, { em, actor, services, signal }) =>
      streamTickets(services.events, {
        organizationId: actor.organizationId,
        type: 'ticket.updated',
        ticketId: await existing(em, ticketId, typeof after === 'string'),
        where: conditions(filter),
        after,
        signal,
      }),
    resolve: (event) => event,
  }),
  messageAdded: t.field({
    type: MessageEventType,
    description: 'Every message that is added to a ticket, notes included.',
    authScopes: { permission: 'ticket:read' },
    args: {
      ticketId: t.arg.id({ description: 'Only messages of this ticket.' }),
      after: t.arg.string({ description: AFTER }),
    },
    subscribe: async (_root, { ticketId, after }, { em, actor, services, signal }) =>
      streamMessages(services.events, {
        organizationId: actor.organizationId,
        ticketId: await existing(em, ticketId),
        after,
        signal,
      }),
    resolve: (event) => event,
  }),
}));

function conditions(filter: typeof TicketFilterInput.$inferInput | null | undefined): FilterQuery<Ticket> {
  return filter ? ticketConditions(ticketFilter(filter)) : {};
}

/**
 * The UUID of the ticket, if one was named. Throws NotFoundError: silence for ever would be no answer. Who resumes may
 * name one that is no more: that it went is what was missed.
 */
async function existing(
  em: EntityManager,
  ticketId: string | null | undefined,
  isResumed = false,
): Promise<string | null> {
  if (!ticketId) return null;
  const id = decodeId('Ticket', ticketId);
  if (isResumed && (await em.count(FormerTicket, { id })) > 0) return id;
  return (await getTicket(em, id)).id;
}

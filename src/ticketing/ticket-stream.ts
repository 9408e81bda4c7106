import { type FilterQuery, LoadStrategy } from '@mikro-orm/core';
import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { streamEvents } from '../realtime/stream.ts';
import { FormerTicket } from './former-ticket.entity.ts';
import { Message } from './message.entity.ts';
import { Ticket } from './ticket.entity.ts';

/** A ticket that was opened or changed, or one that is no more. One of the two is null. */
export interface TicketEvent {
  cursor: string;
  ticket: Ticket | null;
  removed: FormerTicket | null;
}

/** A message that was added to a ticket. */
export interface MessageEvent {
  cursor: string;
  message: Message;
}

interface StreamOptions {
  organizationId: string;
  /** Only what concerns this ticket. */
  ticketId?: string | null | undefined;
  after?: string | null | undefined;
  signal: AbortSignal;
}

/** Which tickets to follow. */
export interface TicketStreamOptions extends StreamOptions {
  type: 'ticket.created' | 'ticket.updated';
  /** Only tickets that satisfy this when they are delivered. */
  where?: FilterQuery<Ticket>;
}

/**
 * The tickets of one organization that are opened, or changed. Each is read when it is delivered, through an entity
 * manager of its own, and so is the filter: a ticket that was closed meanwhile is not delivered as an open one. One that
 * is gone by then is left out: that it went is an event of its own, which comes to everybody who follows changes, since
 * no filter can be asked about a row that is gone. Throws as streamEvents does.
 */
export function streamTickets(
  bus: EventBus,
  { organizationId, ticketId, type, where = {}, after, signal }: TicketStreamOptions,
): AsyncIterableIterator<TicketEvent, undefined> {
  const types = type === 'ticket.updated' ? ([type, 'ticket.removed'] as const) : ([type] as const);
  const events = streamEvents(bus, { organizationId, types, after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    if (ticketId && event.ticketId !== ticketId) return null;
    const em = forkFor(bus.database, organizationId);
    if (event.type === 'ticket.removed') {
      const removed = await em.findOne(FormerTicket, { id: event.ticketId });
      return removed && { cursor, ticket: null, removed };
    }
    // The requester comes along: nearly everybody asks for them, and a join is cheaper than another statement.
    const ticket = await em.findOne(
      Ticket,
      { $and: [{ id: event.ticketId }, where] },
      { populate: ['requester'], strategy: LoadStrategy.JOINED },
    );
    return ticket && { cursor, ticket, removed: null };
  });
}

/** The messages that are added to one organization's tickets, or to one ticket; otherwise as {@link streamTickets}. */
export function streamMessages(
  bus: EventBus,
  { organizationId, ticketId, after, signal }: StreamOptions,
): AsyncIterableIterator<MessageEvent, undefined> {
  const events = streamEvents(bus, { organizationId, types: ['message.added'], after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    if (ticketId && event.ticketId !== ticketId) return null;
    const message = await forkFor(bus.database, organizationId).findOne(Message, event.messageId);
    return message && { cursor, message };
  });
}

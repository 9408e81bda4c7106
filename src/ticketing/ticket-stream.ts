import { type FilterQuery, LoadStrategy } from '@mikro-orm/core';
import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { streamEvents } from '../realtime/stream.ts';
import { Message } from './message.entity.ts';
import { Ticket } from './ticket.entity.ts';

/** A ticket that was opened or changed. */
export interface TicketEvent {
  cursor: string;
  ticket: Ticket;
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
 * is gone by then is left out. Throws as streamEvents does.
 */
export function streamTickets(
  bus: EventBus,
  { organizationId, ticketId, type, where = {}, after, signal }: TicketStreamOptions,
): AsyncIterableIterator<TicketEvent, undefined> {
  const events = streamEvents(bus, { organizationId, types: [type], after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    if (ticketId && event.ticketId !== ticketId) return null;
    const em = forkFor(bus.database, organizationId);
    // The requester comes along: nearly everybody asks for them, and a join is cheaper than another statement.
    const ticket = await em.findOne(
      Ticket,
      { $and: [{ id: event.ticketId }, where] },
      { populate: ['requester'], strategy: LoadStrategy.JOINED },
    );
    return ticket && { cursor, ticket };
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

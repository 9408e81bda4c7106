import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { streamEvents } from '../realtime/stream.ts';
import { OutboundMessage } from './outbound-message.entity.ts';

/** A mail of the outbox that has changed. */
export interface OutboundMessageEvent {
  cursor: string;
  outboundMessage: OutboundMessage;
}

/**
 * The mails of one organization, or of one ticket, whenever one is queued, taken, put off, sent, or ends otherwise. Each is
 * read when it is delivered: of changes that follow each other quickly every event shows the last. Throws as streamEvents.
 */
export function streamOutboundMessages(
  bus: EventBus,
  options: {
    organizationId: string;
    ticketId?: string | null | undefined;
    after?: string | null | undefined;
    signal: AbortSignal;
  },
): AsyncIterableIterator<OutboundMessageEvent, undefined> {
  const { organizationId, ticketId, after, signal } = options;
  const types = ['outbound-message.changed'] as const;
  const events = streamEvents(bus, { organizationId, types, after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    if (ticketId && event.ticketId !== ticketId) return null;
    const em = forkFor(bus.database, organizationId);
    const outboundMessage = await em.findOne(OutboundMessage, { id: event.outboundMessageId });
    return outboundMessage && { cursor, outboundMessage };
  });
}

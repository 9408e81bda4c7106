import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { ChosenEvent, EventConsumer } from '../realtime/consumer.ts';
import type { ConsumedEvent } from '../realtime/consumer-cursor.ts';
import { organizationsToNotify } from './notification-settings.ts';
import { notify } from './notify.ts';
import { markOutboundBounced } from './outbound-messages.ts';

const TYPES = [
  'ticket.created',
  'message.added',
  'ticket.assigned',
  'ticket.closed',
  'message.bounced',
  'outbound-message.bounced',
] as const;

/**
 * What follows from events of tickets without anybody asking: notifications, and mails that came back. Each event has its effect exactly once, see
 * realtime/consumer.ts. Mail that is taken in never waits for it.
 */
export function createReactions({ clock }: { clock: Clock }): EventConsumer<(typeof TYPES)[number]> {
  return {
    name: 'reactions',
    types: TYPES,
    async choose<Event extends ChosenEvent>(em: EntityManager, events: readonly Event[]): Promise<Event[]> {
      const ids = events.map(({ organizationId }) => organizationId);
      const wanting = await organizationsToNotify(em, ids);
      return events.filter(
        ({ organizationId, event }) =>
          event.type === 'message.bounced' ||
          event.type === 'outbound-message.bounced' ||
          wanting.has(organizationId),
      );
    },
    handle: (em, event) => react(em, event, clock.now()),
  };
}

async function react(
  em: EntityManager,
  { at, organizationId, recordedAt, event }: ConsumedEvent<(typeof TYPES)[number]>,
  now: Date,
): Promise<void> {
  if (event.type === 'outbound-message.bounced') {
    await markOutboundBounced(em, organizationId, { outboundMessageId: event.outboundMessageId }, now);
    return;
  }
  const about = { organizationId, ticketId: event.ticketId, position: at.position, recordedAt };
  switch (event.type) {
    case 'ticket.created':
      return notify(em, { ...about, kind: 'RECEIVED', messageId: null }, now);
    case 'message.added':
      return notify(em, { ...about, kind: 'REPLIED', messageId: event.messageId }, now);
    case 'ticket.assigned': {
      if (event.assigneeId === null) return;
      const { assigneeId, byUserId } = event;
      return notify(em, { ...about, kind: 'ASSIGNED', messageId: null, assigneeId, byUserId }, now);
    }
    case 'ticket.closed':
      return notify(em, { ...about, kind: 'CLOSED', messageId: null }, now);
    case 'message.bounced':
      await markOutboundBounced(em, organizationId, { messageId: event.messageId }, now);
      return;
  }
}

import { builder } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { getTicket } from '../ticketing/tickets.ts';
import { OutboundMessage } from './outbound-message.entity.ts';
import { type OutboundMessageEvent, streamOutboundMessages } from './outbound-stream.ts';

// The scopes on this type are asked again for every event: see graphql/execution.ts.
const OutboundMessageEventType = builder.objectRef<OutboundMessageEvent>('OutboundMessageEvent').implement({
  description: 'A mail of the outbox was queued, taken, put off or sent, or has ended otherwise.',
  authScopes: { permission: 'outbound-message:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    outboundMessage: t.expose('outboundMessage', {
      type: OutboundMessage,
      description: 'The mail as it is now.',
    }),
  }),
});

builder.subscriptionField('outboundMessageChanged', (t) =>
  t.field({
    type: OutboundMessageEventType,
    description: 'Every mail of the outbox whenever it changes.',
    authScopes: { permission: 'outbound-message:read' },
    args: {
      ticketId: t.arg.id({ description: 'Only mails of this ticket.' }),
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first, in order.',
      }),
    },
    subscribe: async (_root, { ticketId, after }, { em, actor, services, signal }) =>
      streamOutboundMessages(services.events, {
        organizationId: actor.organizationId,
        // Silence for ever would be no answer to an id that does not exist.
        ticketId: ticketId ? (await getTicket(em, decodeId('Ticket', ticketId))).id : null,
        after,
        signal,
      }),
    resolve: (event) => event,
  }),
);

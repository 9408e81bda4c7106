import { NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { Message } from './message.entity.ts';
import { moveMessageToTicket } from './move-message.ts';
import { Ticket } from './ticket.entity.ts';

mutation('moveMessageToTicket', {
  description:
    'Puts one message into another ticket, or into a new one; replies to it follow. Both tickets get a note. A message that is there already, or that is alone in its ticket and is asked to get its own, stays where it is.',
  permission: 'ticket:update',
  input: (t) => ({
    messageId: t.id({ required: true, description: 'Which message.' }),
    ticketId: t.id({ description: 'Into which ticket. Left out or null: a new one, of who wrote it.' }),
  }),
  payload: {
    message: { type: Message, description: 'The message.' },
    ticket: { type: Ticket, description: 'The ticket that it belongs to now.' },
  },
  errors: [NotFoundError],
  resolve: ({ messageId, ticketId }, { em, actor, services }) =>
    moveMessageToTicket(
      em,
      {
        messageId: decodeId('Message', messageId),
        ticketId: ticketId == null ? null : decodeId('Ticket', ticketId),
      },
      { actor, now: services.clock.now() },
    ),
});

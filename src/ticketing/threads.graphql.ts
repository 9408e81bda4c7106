import { InvalidInputError, NotFoundError } from '../errors.ts';
import { decodeId, encodeGlobalId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { deleteTicket } from './delete-ticket.ts';
import { mergeTickets } from './merge-tickets.ts';
import { Message } from './message.entity.ts';
import { moveMessageToTicket } from './move-message.ts';
import { Ticket } from './ticket.entity.ts';
import { TicketChangedError } from './ticketing-errors.ts';

mutation('mergeTickets', {
  description:
    'Merges a ticket into another one: its messages go there, later replies follow, and its number leads there. It cannot be undone, but single messages can be moved out again.',
  permission: 'ticket:update',
  input: (t) => ({
    ticketId: t.id({ required: true, description: 'The ticket that is no more afterwards.' }),
    intoTicketId: t.id({
      required: true,
      description: 'The ticket that gets its messages, its tags and a note.',
    }),
  }),
  payload: { ticket: { type: Ticket, description: 'The ticket that has all messages now.' } },
  errors: [InvalidInputError, NotFoundError],
  resolve: async ({ ticketId, intoTicketId }, { em, actor, services }) => ({
    ticket: await mergeTickets(
      em,
      { ticketId: decodeId('Ticket', ticketId), intoTicketId: decodeId('Ticket', intoTicketId) },
      { actor, now: services.clock.now() },
    ),
  }),
});

mutation('deleteTicket', {
  description:
    'Deletes a ticket with its messages and files, for good. Its mail stays in the mailbox and never comes back as a ticket; a later reply opens a new one. What is deleted already stays deleted.',
  permission: 'ticket:delete',
  input: (t) => ({
    ticketId: t.id({ required: true, description: 'Which ticket.' }),
    expectedVersion: t.int({
      description: 'The version that the caller has seen. Another one is refused; left out: whatever it is.',
    }),
  }),
  payload: { deletedTicketId: { type: 'ID', description: 'The id that it had.' } },
  errors: [NotFoundError, TicketChangedError],
  resolve: async ({ ticketId, expectedVersion }, { em, actor, services }) => {
    const id = decodeId('Ticket', ticketId);
    await deleteTicket(em, { ticketId: id, expectedVersion }, { actor, now: services.clock.now() });
    return { deletedTicketId: encodeGlobalId('Ticket', id) };
  },
});

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

import { InvalidInputError, NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { Ticket } from './ticket.entity.ts';
import { setTicketRequester } from './ticket-requester.ts';
import { TicketChangedError } from './ticketing-errors.ts';

mutation('setTicketRequester', {
  description:
    'Says who asked, in exactly one of three ways; a note keeps who it was before. With `forwardedMessageId` it takes the offer of `Message.forwardedFrom`. Who it is already changes nothing.',
  permission: 'ticket:update',
  input: (t) => ({
    ticketId: t.id({ required: true, description: 'Which ticket.' }),
    contactId: t.id({ description: 'A contact.' }),
    emailAddress: t.string({ description: 'An address; becomes a contact if it is none yet.' }),
    name: t.string({
      description: 'The name of a new contact, with `emailAddress`; at most 200 characters.',
    }),
    forwardedMessageId: t.id({
      description: 'A message of the ticket that forwards a mail: whoever wrote the original.',
    }),
    expectedVersion: t.int({
      description: 'The version that the caller has seen. Another one is refused; left out: whatever it is.',
    }),
  }),
  payload: { ticket: { type: Ticket, description: 'The ticket as it is now.' } },
  errors: [InvalidInputError, NotFoundError, TicketChangedError],
  resolve: async ({ ticketId, contactId, forwardedMessageId, ...choice }, { em, actor, services }) => ({
    ticket: await setTicketRequester(
      em,
      {
        ...choice,
        ticketId: decodeId('Ticket', ticketId),
        contactId: contactId == null ? null : decodeId('Contact', contactId),
        forwardedMessageId: forwardedMessageId == null ? null : decodeId('Message', forwardedMessageId),
      },
      { actor, now: services.clock.now(), storages: services.storages },
    ),
  }),
});

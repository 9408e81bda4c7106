import { builder } from '../graphql/builder.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { Ticket } from './ticket.entity.ts';
import { ticketMailboxes } from './ticket-mailboxes.ts';

builder.objectField(Ticket, 'mailboxes', (t) =>
  t.field({
    type: [Mailbox],
    description:
      'All mailboxes that its mail came to, also as a copy: `mailbox` first, then the others in the order of their first mail. At most 100; empty for a ticket that a person made and nobody has answered by mail.',
    complexity: 5,
    resolve: (ticket, _args, { em }) => ticketMailboxes(em, ticket),
  }),
);

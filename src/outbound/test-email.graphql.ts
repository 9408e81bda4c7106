import { InvalidInputError, NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { CannotSendError } from '../mailboxes/sending-errors.ts';
import { OutboundMessage } from './outbound-message.entity.ts';
import { sendTestEmail } from './test-email.ts';

mutation('sendTestEmail', {
  description:
    'Sends a test message. When it is SENT, `shownFrom` of the outbound message tells the name and address that Exchange really shows, as read from its copy in Sent Items.',
  permission: 'mailbox:manage',
  input: (t) => ({
    mailboxId: t.id({
      description: 'The mailbox to send from, as its default identity. This or `identityId`.',
    }),
    identityId: t.id({ description: 'The identity to send as. This or `mailboxId`.' }),
    to: t.string({ required: true, description: 'The address that it goes to.' }),
  }),
  payload: {
    outboundMessage: { type: OutboundMessage, description: 'The test message, and where it stands.' },
  },
  errors: [InvalidInputError, NotFoundError, CannotSendError],
  resolve: async ({ mailboxId, identityId, to }, { em, actor, services }) => ({
    outboundMessage: await sendTestEmail(
      em,
      {
        mailboxId: mailboxId ? decodeId('Mailbox', mailboxId) : null,
        identityId: identityId ? decodeId('Identity', identityId) : null,
        to: { emailAddress: to },
      },
      { actor, now: services.clock.now() },
    ),
  }),
});

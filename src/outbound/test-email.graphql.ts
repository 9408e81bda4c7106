import { grants } from '../access/permissions.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { ForbiddenError } from '../graphql/authorization-errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { CannotSendError } from '../mailboxes/sending-errors.ts';
import { OutboundMessage } from './outbound-message.entity.ts';
import { isFromOwnMailbox, sendTestEmail } from './test-email.ts';

mutation('sendTestEmail', {
  description:
    'Sends a test message. When it is SENT, `shownFrom` of the outbound message tells the name and address that Exchange really shows, as read from its copy in Sent Items, and `shownSender` who is shown beside it (“A on behalf of B”). Without the permission mailbox:manage only from the caller’s own mailbox; from somebody’s own mailbox that person alone.',
  permission: 'ticket:reply',
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
  resolve: async ({ mailboxId, identityId, to }, { em, actor, services }) => {
    const from = {
      mailboxId: mailboxId ? decodeId('Mailbox', mailboxId) : null,
      identityId: identityId ? decodeId('Identity', identityId) : null,
    };
    if (!grants(actor.role, 'mailbox:manage') && !(await isFromOwnMailbox(em, from, actor.userId))) {
      throw new ForbiddenError('mailbox:manage');
    }
    const input = { ...from, to: { emailAddress: to } };
    return { outboundMessage: await sendTestEmail(em, input, { actor, now: services.clock.now() }) };
  },
});

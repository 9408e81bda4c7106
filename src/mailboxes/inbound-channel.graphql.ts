import { Organization } from '../access/organization.entity.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { mutation } from '../graphql/mutation.ts';
import { type InboundChannelChange, setInboundChannel } from './inbound-channel.ts';
import { MailboxReceivesError } from './mailbox-errors.ts';

errorType(MailboxReceivesError, 'A mailbox takes mail in, so no other channel can.');

const InboundChannelEnum = enumType(
  'InboundChannel',
  "Where an organization's mail comes from: one channel at a time, so that no message becomes two tickets.",
  {
    PLATFORM:
      'The channel of the platform that runs Deskgraph, such as an address that mail is forwarded to.',
    MICROSOFT_365: 'The mailboxes that are connected here.',
    NONE: 'Nowhere: no channel takes mail in.',
  },
);

/** What `updateIncomingSettings` says when it switched the channel. */
export const InboundChannelChangeType = builder
  .objectRef<InboundChannelChange>('InboundChannelChange')
  .implement({
    description: 'Enabling a mailbox made Microsoft 365 the channel of the organization.',
    fields: (t) => ({
      from: t.expose('from', { type: InboundChannelEnum, description: 'The channel before, now off.' }),
      to: t.expose('to', { type: InboundChannelEnum, description: 'The channel now.' }),
      message: t.string({
        description: 'For people: what was switched, and why.',
        resolve: ({ from }) =>
          from === 'PLATFORM'
            ? 'The channel of the platform was turned off, since this mailbox takes mail in now: two channels would make two tickets of one message.'
            : 'The mail of the organization comes from Microsoft 365 now.',
      }),
    }),
  });

builder.objectField(Organization, 'inboundChannel', (t) =>
  t.expose('inboundChannel', {
    type: InboundChannelEnum,
    description:
      'Where its mail comes from. A platform asks this before it takes a message in; `organizationChanged` tells of a change.',
  }),
);

mutation('setInboundChannel', {
  description:
    'Sets where the mail of the organization comes from. Enabling a mailbox sets it to MICROSOFT_365 by itself, in the same transaction; anything else is refused while a mailbox takes mail in.',
  permission: 'organization:manage',
  input: (t) => ({
    channel: t.field({ type: InboundChannelEnum, required: true, description: 'The channel from now on.' }),
  }),
  payload: { organization: { type: Organization, description: 'The organization as it is now.' } },
  errors: [MailboxReceivesError],
  resolve: async ({ channel }, { em, actor }) => ({
    organization: await setInboundChannel(em, actor.organizationId, channel),
  }),
});

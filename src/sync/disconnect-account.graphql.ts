import { NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { disconnectAccount } from './disconnect-account.ts';

mutation('disconnectAccount', {
  description:
    'Disconnects an account: its tokens are removed, nothing is read or sent through it any more, incoming and outgoing mail of its mailboxes is switched off, and subscriptions at Microsoft are ended as far as it answers. Tickets stay, and so do the other settings of its mailboxes: after reauthenticate, updateIncomingSettings and updateOutgoingSettings switch them on again. A second time it changes nothing.',
  permission: 'integration:manage',
  input: (t) => ({ accountId: t.id({ required: true, description: 'Which account.' }) }),
  payload: { account: { type: Account, description: 'The account, DISCONNECTED.' } },
  errors: [NotFoundError],
  resolve: async ({ accountId }, { em, actor, services }) => ({
    account: await disconnectAccount(em, services, actor.organizationId, decodeId('Account', accountId)),
  }),
});

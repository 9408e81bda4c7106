import { NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { deleteIntegration } from './delete-integration.ts';

mutation('deleteIntegration', {
  description:
    'Deletes an integration for good: its credential, its accounts and their tokens. Their mailboxes are removed as removeMailbox does it: tickets, messages, files and the ledger stay, and connecting one again takes no mail in twice. Subscriptions at Microsoft are ended as far as it answers; what an administrator granted there stays until it is taken back there.',
  permission: 'integration:manage',
  input: (t) => ({ integrationId: t.id({ required: true, description: 'Which integration.' }) }),
  payload: { deletedIntegrationId: { type: 'ID', description: 'The id that it had.' } },
  errors: [NotFoundError],
  resolve: async ({ integrationId }, { em, actor, services }) => {
    await deleteIntegration(em, services, actor.organizationId, decodeId('Integration', integrationId));
    return { deletedIntegrationId: integrationId };
  },
});

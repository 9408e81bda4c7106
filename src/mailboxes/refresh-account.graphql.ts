import { NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { refreshAccount } from './refresh-account.ts';

mutation('refreshAccount', {
  description:
    'Checks whether an account works: asks Microsoft for a new token, for the profile, whose name and address are taken over, for the Inbox of its own mailbox, and for the addresses of its mailboxes, which become their identities. The account says afterwards how it is; one that works again catches up at once. Changes nothing else, as often as it is asked.',
  permission: 'integration:manage',
  input: (t) => ({ accountId: t.id({ required: true, description: 'Which account.' }) }),
  payload: {
    account: { type: Account, description: 'The account as it is now.' },
    problem: {
      type: ProblemType,
      nullable: true,
      description: 'What stands in the way; null when token, profile and mailbox are fine.',
    },
  },
  errors: [NotFoundError, GraphError],
  resolve: ({ accountId }, { em, actor, services }) =>
    refreshAccount(em, services, actor.organizationId, decodeId('Account', accountId)),
});

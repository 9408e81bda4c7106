import { builder } from '../graphql/builder.ts';
import { Account } from './account.entity.ts';
import { type AccountEvent, streamAccounts } from './account-stream.ts';

const AccountEventType = builder.objectRef<AccountEvent>('AccountEvent').implement({
  description: 'The status of an account has changed.',
  // Asked again for every event: see graphql/execution.ts.
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    account: t.expose('account', { type: Account, description: 'The account as it is now.' }),
  }),
});

builder.subscriptionField('accountStatusChanged', (t) =>
  t.field({
    type: AccountEventType,
    description: 'Every account whose status changes: it needs a sign-in, has lost its consent, works again.',
    authScopes: { permission: 'integration:read' },
    args: {
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first, in order.',
      }),
    },
    subscribe: (_root, { after }, { actor, services, signal }) =>
      streamAccounts(services.events, { organizationId: actor.organizationId, after, signal }),
    resolve: (event) => event,
  }),
);

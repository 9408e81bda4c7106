import { builder } from '../graphql/builder.ts';
import { type CredentialEvent, streamCredentialWarnings } from './credential-stream.ts';
import { Integration } from './integration.entity.ts';

const CredentialEventType = builder.objectRef<CredentialEvent>('CredentialEvent').implement({
  description: 'The credential of an integration expires soon, or has expired.',
  // Asked again for every event: see graphql/execution.ts.
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    integration: t.expose('integration', {
      type: Integration,
      description: 'The integration as it is now; `credential { warning }` tells how soon.',
    }),
  }),
});

builder.subscriptionField('credentialExpiring', (t) =>
  t.field({
    type: CredentialEventType,
    description:
      'Every integration whose credential reaches a threshold: 30, 7 and 1 days before it expires, and the moment itself. Once for each.',
    authScopes: { permission: 'integration:read' },
    args: {
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first, in order.',
      }),
    },
    subscribe: (_root, { after }, { actor, services, signal }) =>
      streamCredentialWarnings(services.events, { organizationId: actor.organizationId, after, signal }),
    resolve: (event) => event,
  }),
);

import { builder } from '../graphql/builder.ts';
import { Organization } from './organization.entity.ts';
import { type OrganizationEvent, streamOrganization } from './organization-stream.ts';

// The scope on this type is asked again for every event: see graphql/execution.ts.
const OrganizationEventType = builder.objectRef<OrganizationEvent>('OrganizationEvent').implement({
  description: 'The settings of the organization were changed.',
  authScopes: { permission: 'organization:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    organization: t.expose('organization', {
      type: Organization,
      description: 'The organization as it is now.',
    }),
  }),
});

builder.subscriptionField('organizationChanged', (t) =>
  t.field({
    type: OrganizationEventType,
    description:
      'Every change of the settings of the organization, also one that another change brought about, such as its inbound channel.',
    authScopes: { permission: 'organization:read' },
    args: {
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first, in order.',
      }),
    },
    subscribe: (_root, { after }, { actor, services, signal }) =>
      streamOrganization(services.events, { organizationId: actor.organizationId, after, signal }),
    resolve: (event) => event,
  }),
);

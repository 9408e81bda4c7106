import { builder } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { Contact } from './contact.entity.ts';
import { listContacts } from './contact-list.ts';

builder.node(Contact, {
  name: 'Contact',
  description: 'A person outside who wrote to the organization; one for each address.',
  authScopes: { permission: 'ticket:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Contact),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name to show; the address when none is known.' }),
    emailAddress: t.exposeString('emailAddress', { description: 'The address, in lower case.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the contact was made.' }),
  }),
});

builder.queryField('contacts', (t) =>
  t.connection(
    {
      type: Contact,
      description: 'The contacts of the organization, the newest first.',
      authScopes: { permission: 'ticket:read' },
      resolve: (_root, args, { em }) => listContacts(em, args),
    },
    connectionType(Contact, 'Contact'),
  ),
);

import '../../src/graphql/errors.graphql.ts';
import { ExpectedError, InvalidInputError, NotFoundError } from '../../src/errors.ts';
import { builder } from '../../src/graphql/builder.ts';
import { connectionType } from '../../src/graphql/connection.ts';
import type { GraphQLContext } from '../../src/graphql/context.ts';
import { decodeId } from '../../src/graphql/global-id.ts';
import { loadByIds } from '../../src/graphql/load-by-ids.ts';
import { mutation } from '../../src/graphql/mutation.ts';
import { findPage } from '../../src/platform/keyset.ts';
import { streamEvents } from '../../src/realtime/stream.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';

/* A small schema made with the real builder, for what engine and server promise whatever the domains offer. */

/** How many `waiting` queries have begun, and have learnt that their caller has gone. */
export const waiters = { started: 0, ended: 0 };

interface Probe {
  depth: number;
}

const ProbeType = builder.objectRef<Probe>('Probe');
ProbeType.implement({
  description: 'Itself again, as deep as one likes.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    depth: t.exposeInt('depth', { description: 'How deep.' }),
    deeper: t.field({
      type: ProbeType,
      description: 'One deeper.',
      resolve: ({ depth }) => ({ depth: depth + 1 }),
    }),
  }),
});

builder.node(Contact, {
  name: 'Contact',
  description: 'A row of an organization.',
  authScopes: { permission: 'ticket:read' },
  id: { resolve: (contact) => contact.id },
  loadMany: loadByIds(Contact),
  fields: (t) => ({ name: t.exposeString('name', { description: 'Its name.' }) }),
});

const ContactConnection = connectionType(Contact, 'Contact');

builder.queryFields((t) => ({
  probe: t.field({
    type: ProbeType,
    description: 'The first of them.',
    resolve: () => ({ depth: 1 }),
  }),
  contacts: t.connection(
    {
      type: Contact,
      description: 'A list.',
      authScopes: { permission: 'ticket:read' },
      resolve: (_root, args, { em }) =>
        findPage(em, Contact, {}, { key: 'createdAt', direction: 'asc' }, args),
    },
    ContactConnection,
  ),
  secret: t.string({
    description: 'For administrators.',
    authScopes: { permission: 'integration:manage' },
    resolve: () => 'secret',
  }),
  unexpected: t.string({
    description: 'Fails.',
    resolve: () => {
      throw new Error('password is hunter2');
    },
  }),
  expected: t.string({
    description: 'Fails as one may expect.',
    resolve: () => {
      throw new ExpectedError('NOT_FOUND', 'It is not here.', 'Look elsewhere.');
    },
  }),
  waiting: t.string({
    description: 'Reads from the database once nobody waits for it any more.',
    resolve: (_root, _args, { signal, em }) => {
      waiters.started += 1;
      return new Promise<string>((resolve, reject) =>
        signal.addEventListener('abort', () => {
          waiters.ended += 1;
          em.count(Contact).then(String).then(resolve, reject);
        }),
      );
    },
  }),
  instant: t.field({
    type: 'DateTime',
    description: 'What was sent.',
    args: { at: t.arg({ type: 'DateTime', required: true, description: 'An instant.' }) },
    resolve: (_root, { at }) => at,
  }),
}));

mutation('renameContact', {
  description: 'Renames.',
  permission: 'ticket:update',
  input: (t) => ({
    contactId: t.id({ required: true, description: 'Which.' }),
    name: t.string({ required: true, description: 'How.' }),
  }),
  payload: { contact: { type: Contact, description: 'The contact.' } },
  errors: [NotFoundError, InvalidInputError],
  resolve: async ({ contactId, name }, { em }) => {
    const contact = await em.findOne(Contact, decodeId('Contact', contactId));
    if (!contact) throw new NotFoundError('The contact');
    if (name === '') throw new InvalidInputError('name', 'The name is empty.', 'Give one.');
    if (name === 'unlisted') throw new ExpectedError('LAST_OWNER', 'Not listed.', 'Nothing.');
    contact.name = name;
    await em.flush();
    return { contact };
  },
});

interface Tick {
  cursor: string;
  ticketId: string;
}

const Tick = builder.objectRef<Tick>('Tick').implement({
  description: 'An event with a scope on its type.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Where it stands.' }),
    ticketId: t.exposeString('ticketId', { description: 'What it is about.' }),
    contactCount: t.int({
      description: 'Read through the context of the event.',
      resolve: (_tick, _args, { em }) => em.count(Contact),
    }),
  }),
});

const UnguardedTick = builder.objectRef<Tick>('UnguardedTick').implement({
  description: 'An event without a scope on its type.',
  fields: (t) => ({ ticketId: t.exposeString('ticketId', { description: 'What it is about.' }) }),
});

async function* ticks(after: string | null | undefined, { actor, services, signal }: GraphQLContext) {
  const { organizationId } = actor;
  const types = ['ticket.created'] as const;
  const events = streamEvents(services.events, { organizationId, types, after, signal });
  for await (const { cursor, event } of events) yield { cursor, ticketId: event.ticketId };
}

builder.subscriptionFields((t) => ({
  ticks: t.field({
    type: Tick,
    description: 'Events.',
    authScopes: { permission: 'integration:read' },
    args: { after: t.arg.string({ description: 'Resume after this cursor.' }) },
    subscribe: (_root, { after }, context) => ticks(after, context),
    resolve: (tick) => tick,
  }),
  unguardedTicks: t.field({
    type: UnguardedTick,
    description: 'Events whose scope is on the field alone.',
    authScopes: { permission: 'integration:read' },
    subscribe: (_root, _args, context) => ticks(null, context),
    resolve: (tick) => tick,
  }),
}));

/** The schema of the probes. */
export const probeSchema = builder.toSchema();

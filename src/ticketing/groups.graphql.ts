import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId, encodeGlobalId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { Group } from './group.entity.ts';
import {
  GroupInUseError,
  GroupNameTakenError,
  GroupNotAvailableError,
  TooManyGroupsError,
} from './group-errors.ts';
import { createGroup, deleteGroup, listGroups, MAX_GROUPS, updateGroup } from './groups.ts';

errorType(GroupNameTakenError, 'Another group of the organization has this name.');
errorType(GroupInUseError, 'Tickets, mailboxes or mail rules use the group.');
errorType(GroupNotAvailableError, 'The group is not an active group of this organization.');
errorType(TooManyGroupsError, 'The organization has as many groups as it may.');

builder.node(Group, {
  name: 'Group',
  description: 'The team that a ticket goes to.',
  authScopes: { permission: 'group:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Group),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, unique in the organization in any case.' }),
    description: t.string({
      nullable: true,
      description: 'What it is for; null when nobody has said.',
      resolve: ({ description }) => description ?? null,
    }),
    archived: t.boolean({
      description:
        'Whether nothing new is given to it: it keeps its tickets, and mailboxes and mail rules that name it pass it over.',
      resolve: ({ archivedAt }) => archivedAt != null,
    }),
    archivedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was archived; null unless it is.',
      resolve: ({ archivedAt }) => archivedAt ?? null,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

builder.queryField('groups', (t) =>
  t.connection(
    {
      type: Group,
      description: 'The groups of the organization by name.',
      authScopes: { permission: 'group:read' },
      args: {
        archived: t.arg.boolean({
          description: 'True: archived ones only. False: none of them. Left out: all.',
        }),
      },
      resolve: (_root, args, { em }) => listGroups(em, args),
    },
    connectionType(Group, 'Group'),
  ),
);

mutation('createGroup', {
  description: `Makes a group; an organization has at most ${MAX_GROUPS}.`,
  permission: 'group:manage',
  input: (t) => ({
    name: t.string({
      required: true,
      description: '1 to 100 characters on one line, used by no other group.',
    }),
    description: t.string({ description: 'What it is for; at most 1,000 characters on one line.' }),
  }),
  payload: { group: { type: Group, description: 'The new group.' } },
  errors: [InvalidInputError, GroupNameTakenError, TooManyGroupsError],
  resolve: async (input, { em, actor }) => ({ group: await createGroup(em, actor.organizationId, input) }),
});

mutation('updateGroup', {
  description: 'Changes a group, archives it or takes it back. What is left out stays.',
  permission: 'group:manage',
  input: (t) => ({
    groupId: t.id({ required: true, description: 'Which group.' }),
    name: t.string({ description: '1 to 100 characters on one line, used by no other group.' }),
    description: t.string({
      description: 'What it is for; at most 1,000 characters on one line. Null takes it away.',
    }),
    archived: t.boolean({
      description:
        'True: nothing new is given to it; its tickets stay, and mailboxes and mail rules that name it pass it over. False: as before.',
    }),
  }),
  payload: { group: { type: Group, description: 'The group as it is now.' } },
  errors: [InvalidInputError, NotFoundError, GroupNameTakenError],
  resolve: async ({ groupId, ...change }, { em, services }) => ({
    group: await updateGroup(em, { ...change, id: decodeId('Group', groupId) }, services.clock.now()),
  }),
});

mutation('deleteGroup', {
  description:
    'Deletes a group that no ticket, mailbox or mail rule uses. A used one can be archived instead.',
  permission: 'group:manage',
  input: (t) => ({ groupId: t.id({ required: true, description: 'Which group.' }) }),
  payload: { deletedGroupId: { type: 'ID', description: 'The id that it had.' } },
  errors: [NotFoundError, GroupInUseError],
  resolve: async ({ groupId }, { em, actor }) => {
    const id = decodeId('Group', groupId);
    await deleteGroup(em, actor.organizationId, id);
    return { deletedGroupId: encodeGlobalId('Group', id) };
  },
});

import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { LastOwnerError, OwnerRequiredError, UserDisabledError } from './access-errors.ts';
import { ApiKey } from './api-key.entity.ts';
import { createApiKey, listApiKeys, revokeApiKey } from './api-keys.ts';
import { Organization } from './organization.entity.ts';
import { getOrganization, loadOrganizations } from './organizations.ts';
import { permissionsOf } from './permissions.ts';
import type { Session } from './session.ts';
import { User } from './user.entity.ts';
import { createUser, getUser, listUsers, updateUser } from './users.ts';

errorType(OwnerRequiredError, 'Only an OWNER may make, change or issue keys for an OWNER.');
errorType(LastOwnerError, 'The organization would be left without an enabled OWNER.');
errorType(UserDisabledError, 'The user is disabled.');

const RoleEnum = enumType('Role', 'What a user may do, from everything to reading only.', {
  OWNER: 'Everything, including making and changing other owners.',
  ADMIN: 'Everything but making or changing owners.',
  AGENT: 'Works on tickets.',
  VIEWER: 'Reads tickets, and changes nothing.',
});

builder.node(Organization, {
  name: 'Organization',
  description: 'The organization that owns everything the credential can see.',
  authScopes: { permission: 'organization:read' },
  id: { resolve: ({ id }) => id },
  loadMany: (ids, { em, actor }) => loadOrganizations(em, actor, ids),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

builder.node(User, {
  name: 'User',
  description: 'A person or a service of the organization.',
  authScopes: { permission: 'user:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(User),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name to show.' }),
    emailAddress: t.exposeString('emailAddress', {
      nullable: true,
      description: 'The address for people to write to, in lower case; null when none is known.',
    }),
    role: t.expose('role', { type: RoleEnum, description: 'What the user may do.' }),
    disabledAt: t.expose('disabledAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when the user may do nothing; null for an enabled user.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the user was made.' }),
  }),
});

builder.node(ApiKey, {
  name: 'ApiKey',
  description: 'A key that acts as a user. The key itself is shown once, when it is made.',
  authScopes: { permission: 'api-key:manage' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(ApiKey),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What it is for.' }),
    prefix: t.exposeString('prefix', {
      description: 'Its first characters, to tell keys apart; worthless alone.',
    }),
    user: t.field({
      type: User,
      description: 'Whom it acts as.',
      resolve: ({ user }) => user.loadOrFail(),
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute; null when never.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked; null for a key that works.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

const ViewerType = builder.objectRef<Session>('Viewer').implement({
  description: 'Who the credential of this request is.',
  authScopes: { authenticated: true },
  fields: (t) => ({
    user: t.field({
      type: User,
      description: 'The user that the credential acts as.',
      resolve: ({ userId }, _args, { em }) => getUser(em, userId),
    }),
    role: t.expose('role', { type: RoleEnum, description: 'The role of the user.' }),
    permissions: t.stringList({
      description: 'Every permission of the role, such as `ticket:update`, sorted by name.',
      resolve: ({ role }) => permissionsOf(role),
    }),
    organization: t.field({
      type: Organization,
      description: 'The organization that the credential belongs to.',
      resolve: (session, _args, { em }) => getOrganization(em, session),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    description: 'Who this credential is, and what it may do.',
    resolve: (_root, _args, { actor }) => actor,
  }),
);

builder.queryField('organization', (t) =>
  t.field({
    type: Organization,
    description: 'The organization of this credential.',
    authScopes: { permission: 'organization:read' },
    resolve: (_root, _args, { em, actor }) => getOrganization(em, actor),
  }),
);

const UserConnection = connectionType(User, 'User');
builder.queryField('users', (t) =>
  t.connection(
    {
      type: User,
      description: 'The users of the organization, the disabled ones included, the longest-serving first.',
      authScopes: { permission: 'user:read' },
      resolve: (_root, args, { em }) => listUsers(em, args),
    },
    UserConnection,
  ),
);

const ApiKeyConnection = connectionType(ApiKey, 'ApiKey');
builder.queryField('apiKeys', (t) =>
  t.connection(
    {
      type: ApiKey,
      description: 'The API keys of the organization, the revoked ones included, the newest first.',
      authScopes: { permission: 'api-key:manage' },
      resolve: (_root, args, { em }) => listApiKeys(em, args),
    },
    ApiKeyConnection,
  ),
);

mutation('createUser', {
  description: 'Makes a user. A user without an API key cannot do anything yet: see `createApiKey`.',
  permission: 'user:manage',
  input: (t) => ({
    name: t.string({ required: true, description: 'The name to show, 1 to 200 characters.' }),
    emailAddress: t.string({ description: 'The address for people to write to.' }),
    role: t.field({ type: RoleEnum, required: true, description: 'What the user may do.' }),
  }),
  payload: { user: { type: User, description: 'The new user.' } },
  errors: [InvalidInputError, OwnerRequiredError],
  resolve: async (input, { em, actor }) => ({
    user: await createUser(em, { ...input, actor, organizationId: actor.organizationId }),
  }),
});

mutation('updateUser', {
  description:
    'Changes a user; what is left out stays. Another role, or disabling, ends the open streams of the user at once.',
  permission: 'user:manage',
  input: (t) => ({
    userId: t.id({ required: true, description: 'Which user.' }),
    name: t.string({ description: 'The name to show, 1 to 200 characters.' }),
    emailAddress: t.string({ description: 'The address for people to write to; null removes it.' }),
    role: t.field({ type: RoleEnum, description: 'What the user may do.' }),
    disabled: t.boolean({ description: 'Whether the user may do nothing; the keys are refused meanwhile.' }),
  }),
  payload: { user: { type: User, description: 'The user as it is now.' } },
  errors: [NotFoundError, InvalidInputError, OwnerRequiredError, LastOwnerError],
  resolve: async ({ userId, ...changes }, { em, actor }) => ({
    user: await updateUser(em, { ...changes, actor, userId: decodeId('User', userId) }),
  }),
});

mutation('createApiKey', {
  description: 'Makes a key that acts as a user.',
  permission: 'api-key:manage',
  input: (t) => ({
    userId: t.id({ required: true, description: 'Whom the key acts as.' }),
    name: t.string({ required: true, description: 'What it is for, 1 to 100 characters.' }),
  }),
  payload: {
    apiKey: { type: ApiKey, description: 'The new key.' },
    secret: {
      type: 'String',
      description: 'The key itself, for `Authorization: Bearer`. Shown this once and never again.',
    },
  },
  errors: [NotFoundError, InvalidInputError, OwnerRequiredError, UserDisabledError],
  resolve: async ({ userId, name }, { em, actor }) =>
    createApiKey(em, { actor, user: await getUser(em, decodeId('User', userId)), name }),
});

mutation('revokeApiKey', {
  description:
    'Revokes a key for ever and ends its open streams at once. Revoking a revoked key changes nothing.',
  permission: 'api-key:manage',
  input: (t) => ({ apiKeyId: t.id({ required: true, description: 'Which key.' }) }),
  payload: { apiKey: { type: ApiKey, description: 'The key, revoked.' } },
  errors: [NotFoundError, OwnerRequiredError],
  resolve: async ({ apiKeyId }, { em, actor }) => ({
    apiKey: await revokeApiKey(em, { actor, apiKeyId: decodeId('ApiKey', apiKeyId) }),
  }),
});

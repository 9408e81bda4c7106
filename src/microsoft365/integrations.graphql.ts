import { builder, enumType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { microsoftErrorType } from '../graphql/microsoft-error.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Account } from './account.entity.ts';
import { AuthorizationModeEnum, CloudEnum } from './credentials.graphql.ts';
import { GraphError } from './graph-error.ts';
import { Integration } from './integration.entity.ts';
import { listAccounts, listIntegrations } from './integration-lists.ts';
import { type IntegrationPermission, permissionsOfIntegration } from './setup.ts';

microsoftErrorType(
  GraphError,
  'Microsoft 365 did not do what was asked; the code says why, the remedy what to do.',
  (error) => error,
);

const AccountStatusEnum = enumType('AccountStatus', 'Whether an account can act.', {
  ACTIVE: 'It can.',
  NEEDS_SIGN_IN: 'Somebody has to sign in again: start with reauthenticate.',
  NEEDS_CONSENT: 'Permissions are missing: somebody, perhaps an administrator, has to grant them.',
  CREDENTIAL_EXPIRED: 'Microsoft does not accept the app registration or its client secret.',
  THROTTLED: 'Microsoft has asked us to wait for more than a minute. It passes by itself.',
  UNREACHABLE: 'Microsoft could not be reached, several times in a row. It passes by itself.',
  DISCONNECTED: 'It was disconnected, and its tokens are gone; reauthenticate connects it again.',
});

const AccountKindEnum = enumType('AccountKind', 'What an account is.', {
  USER: 'A person who signed in, or somebody who signed in for a team.',
  TENANT: 'The tenant itself, which an integration in application mode acts as.',
});

const IntegrationPermissionType = builder
  .objectRef<IntegrationPermission>('IntegrationPermission')
  .implement({
    description:
      'A permission of Microsoft Graph that the integration asks for, in its name or that of an account, and whether it has it.',
    authScopes: { permission: 'integration:read' },
    fields: (t) => ({
      name: t.exposeString('name', { description: 'Its name, as the app registration lists it.' }),
      purpose: t.exposeString('purpose', { description: 'What it is needed for.' }),
      granted: t.exposeBoolean('granted', {
        description:
          'Whether an account of the integration has it now; in application mode, the tenant. One that was disconnected, or whose consent is gone, does not count.',
      }),
    }),
  });

builder.node(Account, {
  name: 'Account',
  description:
    'Whom an integration acts as: a Microsoft account that signed in, or in application mode the tenant.',
  authScopes: { permission: 'integration:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Account),
  fields: (t) => ({
    kind: t.expose('kind', { type: AccountKindEnum, description: 'What it is.' }),
    emailAddress: t.string({
      nullable: true,
      description: 'Its address, in lower case; null for a tenant.',
      resolve: ({ emailAddress }) => emailAddress || null,
    }),
    displayName: t.exposeString('displayName', {
      description: 'Its name in Microsoft 365; for a tenant its id or domain.',
    }),
    status: t.expose('status', { type: AccountStatusEnum, description: 'Whether it can act.' }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why it cannot act, and what to do; null when it can.',
      resolve: ({ problem }) => problem ?? null,
    }),
    grantedScopes: t.exposeStringList('grantedScopes', {
      description:
        'The permissions of Microsoft Graph that were granted at the last sign-in; for a tenant the application permissions that an administrator granted.',
    }),
    integration: t.field({
      type: Integration,
      description: 'The integration it signed in through.',
      resolve: ({ integration }) => integration.loadOrFail(),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it first signed in.' }),
  }),
});

const AccountConnection = connectionType(Account, 'Account');

builder.node(Integration, {
  name: 'Integration',
  description:
    'An app registration in Microsoft Entra that accounts sign in through. Its secret is never shown.',
  authScopes: { permission: 'integration:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Integration),
  fields: (t) => ({
    cloud: t.expose('cloud', { type: CloudEnum, description: 'Which cloud it belongs to.' }),
    tenantId: t.exposeString('tenantId', {
      description: 'The id or domain of the tenant, or common, organizations or consumers.',
    }),
    clientId: t.exposeString('clientId', { description: 'The id of the app registration.' }),
    authorizationMode: t.expose('authorizationMode', {
      type: AuthorizationModeEnum,
      description: 'In whose name it acts.',
    }),
    permissions: t.field({
      type: [IntegrationPermissionType],
      description: 'The permissions that sign-ins ask for, each with its purpose and whether it is granted.',
      resolve: ({ id, authorizationMode }, _args, { em }) =>
        permissionsOfIntegration(em, id, authorizationMode),
    }),
    accounts: t.connection(
      {
        type: Account,
        description: 'The accounts that signed in through it, the newest first.',
        resolve: ({ id }, args, { em }) => listAccounts(em, id, args),
      },
      AccountConnection,
    ),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

const IntegrationConnection = connectionType(Integration, 'Integration');
builder.queryField('integrations', (t) =>
  t.connection(
    {
      type: Integration,
      description: 'The integrations of the organization, the newest first.',
      authScopes: { permission: 'integration:read' },
      resolve: (_root, args, { em }) => listIntegrations(em, args),
    },
    IntegrationConnection,
  ),
);

import type { User } from '@microsoft/microsoft-graph-types';
import { type Context, Hono } from 'hono';
import type { Caller } from './caller.ts';
import { graphDateTime } from './clock.ts';
import type { DirectoryUser, Tenant } from './directory-user.ts';
import { GraphFault } from './graph-fault.ts';
import { readSelect } from './odata-query.ts';
import { type EmulatorState, findUser } from './state.ts';
import { authenticate } from './tokens.ts';

const CONTEXT = 'https://graph.microsoft.com/v1.0/$metadata';

/** What a user is answered with when nothing is selected; everything else has to be asked for. */
const DEFAULT_PROPERTIES = [
  'businessPhones',
  'displayName',
  'givenName',
  'jobTitle',
  'mail',
  'mobilePhone',
  'officeLocation',
  'preferredLanguage',
  'surname',
  'userPrincipalName',
  'id',
] as const satisfies readonly (keyof User)[];

/** Delegated or application, each of these lets an app read other people's profiles. */
const READ_EVERYBODY = ['User.Read.All', 'User.ReadBasic.All', 'User.ReadWrite.All', 'Directory.Read.All'];
/** These let an app read the profile of the signed-in user. */
const READ_SELF = ['User.Read', 'User.ReadWrite', ...READ_EVERYBODY];
/** These let an app read about the organization; a signed-in user needs no more than `User.Read` for its basics. */
const READ_ORGANIZATION = ['Organization.Read.All', 'Directory.Read.All'];

/**
 * The directory calls of Graph: `GET /v1.0/me`, `/v1.0/users/{id or address}` and `/v1.0/organization`. The faults they
 * throw are for the server's error handler to word.
 */
export function directoryRoutes(state: EmulatorState): Hono {
  const routes = new Hono();

  routes.get('/v1.0/me', (c) => {
    const caller = callerOf(c, state);
    if (caller.userId === null) {
      throw new GraphFault(
        400,
        'BadRequest',
        '/me request is only valid with delegated authentication flow.',
      );
    }
    needOneOf(caller, READ_SELF);
    return answerUser(c, requireUser(state, caller.tenantId, caller.userId));
  });

  routes.get('/v1.0/users/:id', (c) => {
    const caller = callerOf(c, state);
    const wanted = c.req.param('id');
    const self = caller.userId === null ? undefined : findUser(state, caller.tenantId, wanted);
    needOneOf(caller, self !== undefined && self.id === caller.userId ? READ_SELF : READ_EVERYBODY);
    return answerUser(c, requireUser(state, caller.tenantId, wanted));
  });

  routes.get('/v1.0/organization', (c) => {
    const caller = callerOf(c, state);
    needOneOf(caller, caller.userId === null ? READ_ORGANIZATION : [...READ_SELF, ...READ_ORGANIZATION]);
    const tenant = state.tenants.get(caller.tenantId);
    return c.json({
      '@odata.context': `${CONTEXT}#organization`,
      value: tenant === undefined ? [] : [organizationJson(tenant)],
    });
  });

  return routes;
}

function callerOf(c: Context, state: EmulatorState): Caller {
  return authenticate(state, c.req.header('authorization'));
}

function needOneOf(caller: Caller, permissions: readonly string[]): void {
  const held = caller.userId === null ? caller.roles : caller.scopes;
  if (permissions.some((permission) => held.includes(permission))) return;
  throw new GraphFault(
    403,
    'Authorization_RequestDenied',
    'Insufficient privileges to complete the operation.',
  );
}

function requireUser(state: EmulatorState, tenantId: string, idOrAddress: string): DirectoryUser {
  const user = findUser(state, tenantId, idOrAddress);
  if (user !== undefined) return user;
  throw new GraphFault(
    404,
    'Request_ResourceNotFound',
    `Resource '${idOrAddress}' does not exist or one of its queried reference-property objects are not present.`,
  );
}

function answerUser(c: Context, user: DirectoryUser): Response {
  const json = userJson(user);
  const selected = readSelect(c.req.query('$select') ?? null, (name) => Object.hasOwn(json, name));
  const names = new Set<string>(selected ?? DEFAULT_PROPERTIES);
  const fragment = selected === null ? '#users/$entity' : `#users(${selected.join(',')})/$entity`;
  return c.json({
    '@odata.context': `${CONTEXT}${fragment}`,
    ...Object.fromEntries(Object.entries(json).filter(([name]) => names.has(name))),
  });
}

function userJson(user: DirectoryUser) {
  return {
    businessPhones: [],
    displayName: user.displayName,
    givenName: user.givenName,
    jobTitle: null,
    mail: user.mail,
    mobilePhone: null,
    officeLocation: null,
    preferredLanguage: null,
    surname: user.surname,
    userPrincipalName: user.userPrincipalName,
    id: user.id,
    accountEnabled: user.accountEnabled,
    assignedLicenses: [],
    department: null,
    mailNickname: user.userPrincipalName.split('@')[0] ?? null,
    otherMails: [],
    proxyAddresses: user.proxyAddresses,
    userType: user.userType,
  } satisfies User;
}

function organizationJson(tenant: Tenant) {
  return {
    id: tenant.id,
    displayName: tenant.displayName,
    createdDateTime: graphDateTime(0),
    tenantType: 'AAD',
    verifiedDomains: [
      { name: tenant.domain, isDefault: true, isInitial: true, type: 'Managed', capabilities: 'Email' },
    ],
  };
}

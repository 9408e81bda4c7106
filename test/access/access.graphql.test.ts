import { graphql } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { createApiKey } from '../../src/access/api-keys.ts';
import { authenticateApiKey } from '../../src/access/authenticate.ts';
import type { Session } from '../../src/access/session.ts';
import { createSessionWatch } from '../../src/access/session-watch.ts';
import { createContext } from '../../src/graphql/context.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { schema } from '../../src/graphql/schema.ts';
import type { Services } from '../../src/graphql/services.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createNotifications } from '../../src/platform/notifications.ts';
import { createEventBus } from '../../src/realtime/event-bus.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { signIn } from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

interface Answer {
  data: Record<string, unknown> | null;
  errors?: { message: string }[];
}

/** Runs a document as somebody; answers as JSON would. */
async function run(session: Session | null, source: string, variables: Record<string, unknown> = {}) {
  const { database } = own;
  const logger = createLogger('silent');
  const notifications = createNotifications({ databaseUrl: own.url, logger });
  const services: Pick<Services, 'database' | 'clock' | 'logger' | 'publicUrl' | 'events' | 'sessions'> = {
    database,
    clock: systemClock,
    logger,
    publicUrl: 'http://localhost',
    events: createEventBus({ database, notifications, logger }),
    sessions: createSessionWatch({ database, notifications, logger }),
  };
  // Microsoft 365 has no part in access.
  const contextValue = createContext(services as Services, session, new AbortController().signal);
  const result = await graphql({ schema, source, variableValues: variables, contextValue });
  const { data, errors } = JSON.parse(JSON.stringify(result)) as Answer;
  return { data, errors };
}

/** The value at a path of an answer. */
function read<Value>(data: unknown, ...path: string[]): Value {
  return path.reduce((value, key) => (value as Record<string, unknown>)[key], data) as Value;
}

async function newOrganization(name = 'Contoso') {
  const { id } = await createTestOrganization(own.database, name);
  return { id, owner: await signIn(own.database, id, 'OWNER'), em: () => forkFor(own.database, id) };
}

const CREATE_KEY = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  __typename
  ... on CreateApiKeyPayload { secret apiKey { id name prefix user { name } lastUsedAt revokedAt } }
  ... on Error { code remedy }
} }`;
const REVOKE_KEY = `mutation ($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) {
  __typename ... on RevokeApiKeyPayload { apiKey { revokedAt } } ... on Error { code }
} }`;
const CREATE_USER = `mutation ($input: CreateUserInput!) { createUser(input: $input) {
  __typename ... on CreateUserPayload { user { id name emailAddress role disabledAt } } ... on Error { code }
} }`;
const UPDATE_USER = `mutation ($input: UpdateUserInput!) { updateUser(input: $input) {
  __typename ... on UpdateUserPayload { user { name emailAddress role disabledAt } } ... on Error { code }
} }`;
const userId = (id: string) => encodeGlobalId('User', id);

describe('viewer', () => {
  test('says who the credential is', async () => {
    const { id } = await newOrganization();
    const { session } = await signIn(own.database, id, 'VIEWER');
    const { data, errors } = await run(
      session,
      '{ viewer { user { name role } role permissions organization { name } } organization { name } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      viewer: {
        user: { name: 'The VIEWER', role: 'VIEWER' },
        role: 'VIEWER',
        permissions: [
          'group:read',
          'mailbox:read',
          'organization:read',
          'outbound-message:read',
          'ticket:read',
          'user:read',
        ],
        organization: { name: 'Contoso' },
      },
      organization: { name: 'Contoso' },
    });
  });

  test('forbids: without credentials', async () => {
    const { data, errors } = await run(null, '{ viewer { role } }');
    expect(data).toBeNull();
    expect(errors).toHaveLength(1);
  });
});

describe('API keys', () => {
  test('a new key is shown once, works, and is listed without its secret', async () => {
    const { owner } = await newOrganization();
    const input = { userId: userId(owner.user.id), name: 'CI' };
    const { data } = await run(owner.session, CREATE_KEY, { input });
    const created = data?.['createApiKey'] as { secret: string; apiKey: { prefix: string } };
    expect(created).toMatchObject({
      __typename: 'CreateApiKeyPayload',
      apiKey: { name: 'CI', user: { name: 'The OWNER' }, lastUsedAt: null, revokedAt: null },
    });
    expect(await authenticateApiKey(own.database, created.secret)).toMatchObject({ role: 'OWNER' });

    const list = await run(owner.session, '{ apiKeys(first: 10) { edges { node { name prefix } } } }');
    expect(list.data).toMatchObject({ apiKeys: { edges: [{ node: { name: 'CI' } }, {}] } });
    expect(JSON.stringify(list)).not.toContain(created.secret.slice(11));
  });

  test('revoking answers the same twice', async () => {
    const { id, owner } = await newOrganization();
    const { apiKeyId } = await signIn(own.database, id, 'AGENT');
    const input = { apiKeyId: encodeGlobalId('ApiKey', apiKeyId) };
    const first = await run(owner.session, REVOKE_KEY, { input });
    expect(first.data).toMatchObject({ revokeApiKey: { apiKey: { revokedAt: expect.any(String) } } });
    expect((await run(owner.session, REVOKE_KEY, { input })).data).toEqual(first.data);
  });

  test.each(['AGENT', 'VIEWER'] as const)('forbids: %s', async (role) => {
    const { id, owner } = await newOrganization();
    const { session } = await signIn(own.database, id, role);
    const input = { userId: userId(owner.user.id), name: 'x' };
    for (const [source, variables] of [
      [CREATE_KEY, { input }],
      [REVOKE_KEY, { input: { apiKeyId: encodeGlobalId('ApiKey', owner.apiKeyId) } }],
      [CREATE_USER, { input: { name: 'x', role: 'VIEWER' } }],
      [UPDATE_USER, { input: { userId: userId(owner.user.id), name: 'x' } }],
      ['{ apiKeys { edges { node { name } } } }', {}],
    ] as const) {
      const { data, errors } = await run(session, source, variables);
      expect(data, source).toBeNull();
      expect(errors?.[0]?.message).toContain('does not have the permission');
    }
    expect(await authenticateApiKey(own.database, owner.secret)).not.toBeNull();
  });

  test('refuses: an ADMIN making a key for an OWNER', async () => {
    const { id, owner } = await newOrganization();
    const admin = await signIn(own.database, id, 'ADMIN');
    const input = { userId: userId(owner.user.id), name: 'x' };
    const { data } = await run(admin.session, CREATE_KEY, { input });
    expect(data).toMatchObject({ createApiKey: { code: 'OWNER_REQUIRED' } });
  });
});

describe('users', () => {
  test('are made, changed, disabled and listed page by page', async () => {
    const { owner } = await newOrganization();
    const input = { name: 'Grace', emailAddress: 'GRACE@example.com', role: 'AGENT' };
    const made = await run(owner.session, CREATE_USER, { input });
    expect(made.data).toMatchObject({
      createUser: { user: { name: 'Grace', emailAddress: 'grace@example.com', role: 'AGENT' } },
    });
    const change = {
      userId: read<string>(made.data, 'createUser', 'user', 'id'),
      emailAddress: null,
      name: null,
      disabled: true,
    };
    const changed = await run(owner.session, UPDATE_USER, { input: change });
    expect(changed.data).toMatchObject({
      updateUser: { user: { name: 'Grace', emailAddress: null, disabledAt: expect.any(String) } },
    });

    const LIST = `query ($after: String) { users(first: 1, after: $after) {
      edges { node { name } } pageInfo { hasNextPage endCursor } } }`;
    const first = await run(owner.session, LIST);
    expect(first.data).toMatchObject({ users: { edges: [{ node: { name: 'The OWNER' } }] } });
    const after = read<string>(first.data, 'users', 'pageInfo', 'endCursor');
    const second = await run(owner.session, LIST, { after });
    expect(second.data).toMatchObject({
      users: { edges: [{ node: { name: 'Grace' } }], pageInfo: { hasNextPage: false } },
    });
  });

  test('refuses: the last OWNER stepping down', async () => {
    const { owner } = await newOrganization();
    const input = { userId: userId(owner.user.id), role: 'AGENT' };
    const { data } = await run(owner.session, UPDATE_USER, { input });
    expect(data).toMatchObject({ updateUser: { code: 'LAST_OWNER' } });
  });
});

describe('another organization', () => {
  test('sees none of it: every operation answers as if nothing were there', async () => {
    const mine = await newOrganization('Mine');
    const theirs = await newOrganization('Theirs');
    const { apiKey } = await createApiKey(theirs.em(), {
      actor: SYSTEM,
      user: theirs.owner.user,
      name: 'Theirs',
    });
    const me = mine.owner.session;
    const notFound = { code: 'NOT_FOUND' };
    const user = userId(theirs.owner.user.id);
    const key = encodeGlobalId('ApiKey', apiKey.id);

    expect((await run(me, CREATE_KEY, { input: { userId: user, name: 'x' } })).data).toMatchObject({
      createApiKey: notFound,
    });
    expect((await run(me, REVOKE_KEY, { input: { apiKeyId: key } })).data).toMatchObject({
      revokeApiKey: notFound,
    });
    expect((await run(me, UPDATE_USER, { input: { userId: user, name: 'x' } })).data).toMatchObject({
      updateUser: notFound,
    });
    for (const id of [user, key, encodeGlobalId('Organization', theirs.id), 'garbage']) {
      const { data } = await run(me, 'query ($id: ID!) { node(id: $id) { id } }', { id });
      expect(data).toEqual({ node: null });
    }
    const lists = await run(
      me,
      '{ users { edges { node { name } } } apiKeys { edges { node { name } } } organization { name } }',
    );
    expect(lists.data).toMatchObject({
      users: { edges: [{ node: { name: 'The OWNER' } }] },
      apiKeys: { edges: [{ node: { name: 'Test' } }] },
      organization: { name: 'Mine' },
    });
  });
});

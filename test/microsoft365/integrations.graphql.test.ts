import { graphql } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Role } from '../../src/access/permissions.ts';
import type { Session } from '../../src/access/session.ts';
import { createContext } from '../../src/graphql/context.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { schema } from '../../src/graphql/schema.ts';
import type { Services } from '../../src/graphql/services.ts';
import { signIn } from '../access/harness.ts';
import { createTestOrganization } from '../support/database.ts';
import { answerOf, CLIENT_SECRET, PUBLIC_URL, type Stage, startStage } from './harness.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

type Json = { [name: string]: Json } & Json[] & string;

/** Runs a document as somebody; answers as JSON would. */
async function run(session: Session, source: string, variables: Record<string, unknown> = {}) {
  // The parts of the services that this folder's resolvers use.
  const services: Pick<Services, 'database' | 'clock' | 'microsoft365'> = stage;
  const contextValue = createContext(services as Services, session, AbortSignal.timeout(30_000));
  const result = await graphql({ schema, source, variableValues: variables, contextValue });
  return JSON.parse(JSON.stringify(result)) as { data: Json | null; errors?: { message: string }[] };
}

async function actor(role: Role = 'OWNER', organizationId?: string): Promise<Session> {
  const id = organizationId ?? (await createTestOrganization(stage.database)).id;
  return (await signIn(stage.database, id, role)).session;
}

const INPUT = {
  tenantId: 'contoso.example',
  clientId: 'bbbbbbbb-0000-4000-8000-000000000001',
  clientSecret: CLIENT_SECRET,
};
const CREATE = `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) { __typename
  ... on CreateIntegrationPayload { integration { id cloud tenantId clientId authorizationMode credential { kind expiresAt } } }
  ... on Error { code message remedy } } }`;
const START = `mutation ($input: StartSignInInput!) { startSignIn(input: $input) { __typename
  ... on StartSignInPayload { authorizationUrl } ... on Error { code message remedy } } }`;
const ROTATE = `mutation ($input: RotateCredentialInput!) { rotateCredential(input: $input) { __typename
  ... on RotateCredentialPayload { integration { id credential { expiresAt } } } ... on Error { code message } } }`;
const LIST = `{ integrations { edges { node { id accounts { edges { node {
  id emailAddress displayName kind status grantedScopes mailboxes { edges { node { emailAddress } } } problem { code } integration { id } } } } } } } }`;

test('from nothing to a connected account, with the API alone', async () => {
  const session = await actor();
  const setup = await run(
    session,
    '{ microsoft365Setup { redirectUri permissions { name purpose isOptional } } }',
  );
  expect(setup.data?.['microsoft365Setup']).toEqual({
    redirectUri: `${PUBLIC_URL}/api/integrations/microsoft365/callback`,
    permissions: [
      { name: 'User.Read', purpose: expect.any(String), isOptional: false },
      { name: 'Mail.ReadWrite', purpose: expect.any(String), isOptional: false },
    ],
  });
  const created = await run(session, CREATE, {
    input: { ...INPUT, credentialExpiresAt: '2028-01-01T00:00:00Z' },
  });
  expect(created.data?.['createIntegration']?.['integration']).toEqual({
    id: expect.any(String),
    cloud: 'GLOBAL',
    tenantId: 'contoso.example',
    clientId: INPUT.clientId,
    authorizationMode: 'DELEGATED',
    credential: { kind: 'CLIENT_SECRET', expiresAt: '2028-01-01T00:00:00.000Z' },
  });
  const integrationId = created.data?.['createIntegration']?.['integration']?.['id'];
  const started = await run(session, START, { input: { integrationId, returnTo: '/done' } });
  const url = started.data?.['startSignIn']?.['authorizationUrl'] ?? '';
  await stage.microsoft365.completeSignIn(
    answerOf(await stage.answer(await stage.open(url), 'ada@contoso.example')),
  );
  const listed = await run(session, LIST);
  expect(listed.errors).toBeUndefined();
  expect(listed.data?.['integrations']?.['edges']).toEqual([
    {
      node: {
        id: integrationId,
        accounts: {
          edges: [
            {
              node: {
                id: expect.any(String),
                emailAddress: 'ada@contoso.example',
                displayName: 'Ada Admin',
                status: 'ACTIVE',
                kind: 'USER',
                grantedScopes: ['Mail.ReadWrite', 'User.Read'],
                // The harness connects accounts without mailboxes.
                mailboxes: { edges: [] },
                problem: null,
                integration: { id: integrationId },
              },
            },
          ],
        },
      },
    },
  ]);
});

describe('answers with an error that says what to do', () => {
  test('a client id that is none, and an integration that exists', async () => {
    const session = await actor();
    const wrong = await run(session, CREATE, { input: { ...INPUT, clientId: 'my app' } });
    expect(wrong.data?.['createIntegration']).toMatchObject({
      __typename: 'InvalidInputError',
      code: 'INVALID_INPUT',
    });
    await run(session, CREATE, { input: INPUT });
    const again = await run(session, CREATE, { input: INPUT });
    expect(again.data?.['createIntegration']).toMatchObject({
      __typename: 'IntegrationExistsError',
      code: 'INTEGRATION_EXISTS',
    });
  });

  test('an unknown integration, garbage for an id, and a foreign host to return to', async () => {
    const session = await actor();
    for (const integrationId of [encodeGlobalId('Integration', crypto.randomUUID()), 'garbage']) {
      const answer = await run(session, START, { input: { integrationId } });
      expect(answer.data?.['startSignIn']).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
    }
    const created = await run(session, CREATE, { input: INPUT });
    const integrationId = created.data?.['createIntegration']?.['integration']?.['id'];
    const answer = await run(session, START, { input: { integrationId, returnTo: 'https://evil.example' } });
    expect(answer.data?.['startSignIn']).toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('forbids', () => {
  test.each<Role>(['AGENT', 'VIEWER'])('%s everything about integrations', async (role) => {
    const session = await actor(role);
    for (const [source, variables] of [
      [CREATE, { input: INPUT }],
      [START, { input: { integrationId: 'x' } }],
      [ROTATE, { input: { integrationId: 'x', clientSecret: 'y' } }],
      [LIST, {}],
      ['{ microsoft365Setup { redirectUri } }', {}],
    ] as const) {
      const { errors } = await run(session, source, variables);
      expect(errors, source).toHaveLength(1);
    }
  });

  test('another organization: it sees neither integrations nor accounts, by list, by id, or to sign in', async () => {
    const owner = await actor();
    const created = await run(owner, CREATE, { input: INPUT });
    const integrationId = created.data?.['createIntegration']?.['integration']?.['id'];
    const started = await run(owner, START, { input: { integrationId } });
    const url = started.data?.['startSignIn']?.['authorizationUrl'] ?? '';
    const { account } = await stage.microsoft365.completeSignIn(
      answerOf(await stage.answer(await stage.open(url), 'sam@contoso.example')),
    );
    const stranger = await actor();
    expect((await run(stranger, LIST)).data).toEqual({ integrations: { edges: [] } });
    const NODE = 'query ($id: ID!) { node(id: $id) { id } }';
    for (const id of [integrationId, encodeGlobalId('Account', account.id)]) {
      expect((await run(owner, NODE, { id })).data).toEqual({ node: { id } });
      expect((await run(stranger, NODE, { id })).data).toEqual({ node: null });
    }
    const theft = await run(stranger, START, { input: { integrationId } });
    expect(theft.data?.['startSignIn']).toMatchObject({ code: 'NOT_FOUND' });
    const rotation = { input: { integrationId, clientSecret: 'mine now' } };
    expect((await run(stranger, ROTATE, rotation)).data?.['rotateCredential']).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect((await run(owner, ROTATE, rotation)).data?.['rotateCredential']).toEqual({
      __typename: 'RotateCredentialPayload',
      integration: { id: integrationId, credential: { expiresAt: null } },
    });
  });
});

test('no field of the schema gives out what is sealed', () => {
  for (const name of ['Integration', 'Account']) {
    const type = schema.getType(name);
    const fields = type && 'getFields' in type ? Object.keys(type.getFields()) : [];
    expect(fields.length).toBeGreaterThan(4);
    expect(fields.filter((field) => /secret|sealed|cache|token/i.test(field))).toEqual([]);
  }
});

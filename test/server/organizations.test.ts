import { afterAll, beforeAll, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { startTestServer, type TestServer } from './harness.ts';
import { probeSchema } from './probe-schema.ts';

let server: TestServer;
let mine: { secret: string; organizationId: string };
let theirs: { secret: string; organizationId: string };
let id: string;
beforeAll(async () => {
  server = await startTestServer({ schema: probeSchema });
  mine = await server.key('OWNER');
  theirs = await server.key('OWNER');
  const em = forkFor(server.own.database, mine.organizationId);
  const organization = em.getReference(Organization, mine.organizationId);
  const contact = em.create(Contact, { organization, name: 'Ada', emailAddress: 'ada@example.com' });
  await em.flush();
  id = encodeGlobalId('Contact', contact.id);
});
afterAll(() => server?.[Symbol.asyncDispose]());

const node = async (key: string, nodeId: string) =>
  server.graphql('query ($id: ID!) { node(id: $id) { __typename id ... on Contact { name } } }', {
    key,
    variables: { id: nodeId },
  });

test('a node is read by its id', async () => {
  const { data } = await node(mine.secret, id);
  expect(data).toEqual({ node: { __typename: 'Contact', id, name: 'Ada' } });
});

test('a node of another organization, an unknown one and garbage are null alike', async () => {
  const strange = [
    id,
    encodeGlobalId('Contact', crypto.randomUUID()),
    encodeGlobalId('Probe', crypto.randomUUID()),
    encodeGlobalId('Nothing', crypto.randomUUID()),
    encodeGlobalId('__Schema', crypto.randomUUID()),
    encodeGlobalId('constructor', crypto.randomUUID()),
    encodeGlobalId('Contact', "1'; drop table contact; --"),
    'garbage',
    '',
    '\0',
    `${id}=`,
    'x'.repeat(10_000),
  ];
  for (const strangeId of strange) {
    const { status, data, errors } = await node(theirs.secret, strangeId);
    expect({ strangeId, status, data, errors }).toEqual({
      strangeId,
      status: 200,
      data: { node: null },
      errors: [],
    });
  }
});

test('a list shows nothing of another organization', async () => {
  const query = '{ contacts { edges { node { name } } pageInfo { hasNextPage } } }';
  expect((await server.graphql(query, { key: mine.secret })).data).toMatchObject({
    contacts: { edges: [{ node: { name: 'Ada' } }] },
  });
  expect((await server.graphql(query, { key: theirs.secret })).data).toEqual({
    contacts: { edges: [], pageInfo: { hasNextPage: false } },
  });
});

test('a mutation on a row of another organization answers as for an unknown id, and changes nothing', async () => {
  const rename = async (key: string, contactId: string) =>
    server.graphql(
      `mutation ($input: RenameContactInput!) { renameContact(input: $input) {
         __typename ... on RenameContactPayload { contact { name } } ... on Error { code message remedy } } }`,
      { key, variables: { input: { contactId, name: 'Eve' } } },
    );
  const foreign = await rename(theirs.secret, id);
  expect(foreign.data).toMatchObject({ renameContact: { __typename: 'NotFoundError', code: 'NOT_FOUND' } });
  for (const unknown of [
    encodeGlobalId('Contact', crypto.randomUUID()),
    'garbage',
    encodeGlobalId('Ticket', crypto.randomUUID()),
  ]) {
    expect((await rename(theirs.secret, unknown)).data).toEqual(foreign.data);
  }
  expect((await node(mine.secret, id)).data).toMatchObject({ node: { name: 'Ada' } });
});

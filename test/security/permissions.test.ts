import { isObjectType } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROLES } from '../../src/access/permissions.ts';
import { User } from '../../src/access/user.entity.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { schema } from '../../src/graphql/schema.ts';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type Answer, type FilledDesk, fillDesk, send } from './filled-desk.ts';
import { type Ids, OPERATIONS, type Operation } from './operations.ts';
import { openSocket } from './socket.ts';

let app: TestApp;
let filled: FilledDesk;
const keys = new Map<string, string>();
beforeAll(async () => {
  app = await startTestApp();
  filled = await fillDesk(app, 'Ours');
  for (const role of ROLES) {
    keys.set(role, (await signIn(app.database, filled.desk.organizationId, role)).secret);
  }
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** Reading each type by its id has permissions of its own. */
const NODES: Record<string, Operation> = Object.fromEntries(
  Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node'))
    .map(({ name }) => [
      `node(${name})`,
      {
        document: 'query ($id: ID!) { node(id: $id) { id } }',
        variables: (ids: Ids) => ({ id: ids[name as keyof Ids] }),
        takes: [name as keyof Ids],
      },
    ]),
);
// Last what takes away: the others need it.
const { 'Mutation.deleteMailRule': deleteMailRule, ...OTHERS } = OPERATIONS;
const ALL: Record<string, Operation> = {
  ...OTHERS,
  ...NODES,
  ...(deleteMailRule && { 'Mutation.deleteMailRule': deleteMailRule }),
};

/** `allowed`, also when the domain then had an objection of its own; else the code of the refusal. */
function outcomeOf({ status, body: { data, errors } }: Answer): string {
  const code = errors?.[0]?.extensions?.code;
  if (code !== undefined) return code;
  return data && Object.values(data).every((value) => value !== null) ? 'allowed' : `nothing (${status})`;
}

async function attempt(operation: Operation, authorization?: string): Promise<string> {
  return outcomeOf(await send(app.url, operation, operation.variables(filled.ids), authorization));
}

test('every root field of the schema has a row, and every row a field', () => {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const fields = roots.flatMap((root) =>
    Object.keys(root?.getFields() ?? {}).map((field) => `${root?.name}.${field}`),
  );
  expect(Object.keys(OPERATIONS).sort()).toEqual(fields.sort());
});

test('what each role may do is what the table says', async () => {
  const width = Math.max(...Object.keys(ALL).map(({ length }) => length));
  const lines = [['operation'.padEnd(width), ...ROLES.map((role) => role.padEnd(9))].join('  ').trimEnd()];
  for (const [name, operation] of Object.entries(ALL)) {
    const cells: string[] = [];
    // The weakest first: what a refused role left undone is there for the next.
    for (const role of ROLES.toReversed())
      cells.unshift(await attempt(operation, `Bearer ${keys.get(role)}`));
    lines.push([name.padEnd(width), ...cells.map((cell) => cell.padEnd(9))].join('  ').trimEnd());
  }
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('permissions.txt');
});

test('a WebSocket allows and refuses as an event stream does', async () => {
  for (const [name, operation] of Object.entries(ALL)) {
    if (name.startsWith('Mutation.')) continue;
    for (const role of ROLES) {
      const key = keys.get(role) ?? '';
      const variables = operation.variables(filled.ids);
      const { results, close } = openSocket(app.url, key, operation.document, variables);
      const { value } = await results.next();
      close();
      const overHttp = await attempt(operation, `Bearer ${key}`);
      expect([name, role, outcomeOf({ status: 200, body: value })]).toEqual([name, role, overHttp]);
    }
  }
});

const everywhere = async (authorization?: string): Promise<Record<string, string>> => {
  const outcomes: Record<string, string> = {};
  for (const [name, operation] of Object.entries(ALL))
    outcomes[name] = await attempt(operation, authorization);
  return outcomes;
};
const unauthenticated = Object.fromEntries(Object.keys(ALL).map((name) => [name, 'UNAUTHENTICATED']));

test('without credentials nothing answers', async () => {
  expect(await everywhere()).toEqual(unauthenticated);
});

test.each(['Bearer dg_unknown', 'Bearer', 'Basic b3duZXI6b3duZXI=', 'dg_x', "Bearer ' or 1=1 --"])(
  'with credentials that are none nothing answers: %s',
  async (authorization) => {
    expect(await everywhere(authorization)).toEqual(unauthenticated);
  },
);

test('with a revoked key nothing answers', async () => {
  const { secret, apiKeyId } = await signIn(app.database, filled.desk.organizationId, 'OWNER');
  await filled.desk.request(
    `mutation ($id: ID!) { revokeApiKey(input: { apiKeyId: $id }) { ... on RevokeApiKeyPayload { apiKey { id } } } }`,
    { id: encodeGlobalId('ApiKey', apiKeyId) },
  );
  expect(await everywhere(`Bearer ${secret}`)).toEqual(unauthenticated);
});

test('with the key of a disabled user nothing answers', async () => {
  const { secret, user } = await signIn(app.database, filled.desk.organizationId, 'OWNER');
  await filled.desk.request(
    `mutation ($id: ID!) { updateUser(input: { userId: $id, disabled: true }) { ... on UpdateUserPayload { user { id } } } }`,
    { id: encodeGlobalId('User', user.id) },
  );
  expect(await everywhere(`Bearer ${secret}`)).toEqual(unauthenticated);
});

test('an ADMIN becomes no OWNER: neither by role, nor by a key, nor by changing one', async () => {
  const { organizationId } = filled.desk;
  const owner = await signIn(app.database, organizationId, 'OWNER');
  const admin = await signIn(app.database, organizationId, 'ADMIN');
  const ownerId = encodeGlobalId('User', owner.user.id);
  const refused = 'on OwnerRequiredError { code }';
  const attempts = [
    `createUser(input: { name: "Me", role: OWNER }) { ... ${refused} }`,
    `updateUser(input: { userId: "${encodeGlobalId('User', admin.user.id)}", role: OWNER }) { ... ${refused} }`,
    `updateUser(input: { userId: "${ownerId}", disabled: true }) { ... ${refused} }`,
    `createApiKey(input: { userId: "${ownerId}", name: "Mine" }) { ... ${refused} }`,
    `revokeApiKey(input: { apiKeyId: "${encodeGlobalId('ApiKey', owner.apiKeyId)}" }) { ... ${refused} }`,
  ];
  for (const field of attempts) {
    const { body } = await send(
      app.url,
      { document: `mutation { it: ${field} }` },
      {},
      `Bearer ${admin.secret}`,
    );
    expect(body).toEqual({ data: { it: { code: 'OWNER_REQUIRED' } } });
  }
  const after = await forkFor(app.database, organizationId).findOneOrFail(User, owner.user.id);
  expect(after).toMatchObject({ role: 'OWNER', disabledAt: null });
});

import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './harness.ts';
import { probeSchema } from './probe-schema.ts';

let server: TestServer;
let key: string;
beforeAll(async () => {
  server = await startTestServer({ schema: probeSchema });
  key = (await server.key('VIEWER')).secret;
});
afterAll(() => server?.[Symbol.asyncDispose]());

const times = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ');
/** `probe` with fields down to the level `depth`. */
const nested = (depth: number) =>
  `{ probe ${'{ deeper '.repeat(depth - 2)}{ depth }${' }'.repeat(depth - 2)} }`;
/** Introspection down to the level `depth`. */
const introspected = (depth: number) =>
  `{ __schema { types { fields { type ${'{ ofType '.repeat(depth - 5)}{ name }${' }'.repeat(depth - 5)} } } } }`;
/** Contacts with fields, of which each costs as much as there are contacts on the page. */
const page = (first: number, fields: number) =>
  `contacts(first: ${first}) { edges { node { ${times(fields, () => 'name id')
    .split(' ')
    .slice(0, fields)
    .join(' ')} } } }`;

/** Operations of eight tokens each. */
const operations = (count: number) => times(count, (index) => `query Q${index} { probe { depth } }`);

const limits: [what: string, limit: number, allowed: string, refused: string][] = [
  ['levels of fields', 12, nested(12), nested(13)],
  [
    'levels of fields, hidden in fragments',
    12,
    `${nested(2).replace('depth', '...A')} fragment A on Probe ${nested(10).slice(8, -2)}`,
    `${nested(2).replace('depth', '...A')} fragment A on Probe ${nested(13).slice(8, -2)}`,
  ],
  ['levels of introspection', 20, introspected(20), introspected(21)],
  [
    'aliases',
    30,
    `{ probe { ${times(30, (index) => `a${index}: depth`)} } }`,
    `{ probe { ${times(31, (index) => `a${index}: depth`)} } }`,
  ],
  [
    'aliases, hidden in fragments',
    30,
    `{ probe { ...A deeper { ...A } } } fragment A on Probe { ${times(15, (index) => `a${index}: depth`)} }`,
    `{ probe { ...A deeper { ...A } } } fragment A on Probe { ${times(16, (index) => `a${index}: depth`)} }`,
  ],
  [
    'root fields',
    20,
    `{ ${times(20, () => 'probe { depth }')} }`,
    `{ ${times(21, () => 'probe { depth }')} }`,
  ],
  [
    'tokens',
    2_000,
    `{ probe { depth depth depth } } ${operations(249)}`,
    `{ probe { depth depth depth depth } } ${operations(249)}`,
  ],
  // A page of 100 costs 1 + 100 × (edges 1 + node 1 + fields): with 98 fields 10,001.
  ['points of complexity', 10_000, `{ ${page(100, 97)} }`, `{ ${page(100, 98)} }`],
];

test.each(limits)(
  '%s: %i are allowed, one more is refused with a clear error',
  async (what, limit, allowed, refused) => {
    const within = await server.graphql(allowed, { key });
    expect(within.errors.filter(({ extensions }) => extensions['code'] === 'LIMIT_EXCEEDED')).toEqual([]);
    const { status, errors } = await server.graphql(refused, { key });
    expect(status).toBe(400);
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining(String(limit)),
        extensions: { code: 'LIMIT_EXCEEDED', remedy: expect.any(String) },
      },
    ]);
    expect(errors[0]?.message).toContain(what.split(',')[0]);
  },
);

test('the standard introspection query fits', async () => {
  const { data, errors } = await server.graphql(
    getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }),
  );
  expect(errors).toEqual([]);
  expect(data).toHaveProperty('__schema');
});

describe('the cost of a page cannot be talked down', () => {
  test.each(['first: -100', 'last: -100', 'first: 0'])('%s', async (args) => {
    const sub = `contacts(${args}) { edges { node { name } } }`;
    const { status } = await server.graphql(`{ ${sub} }`, { key });
    expect(status).toBeLessThan(500);
  });

  test('by a variable', async () => {
    const query = `query ($n: Int) { ${page(100, 98).replace('100', '$n')} }`;
    expect((await server.graphql(query, { key, variables: { n: 100 } })).errors).toMatchObject([
      { extensions: { code: 'LIMIT_EXCEEDED' } },
    ]);
    expect((await server.graphql(query, { key, variables: { n: 1 } })).errors).toEqual([]);
  });

  test('by a second, cheaper operation in the document', async () => {
    const query = `query Cheap { probe { depth } } query Dear { ${page(100, 98)} }`;
    const response = await server.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query, operationName: 'Dear' }),
    });
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] });
  });
});

test('a document that repeats a field too often to be checked is refused with a clear error', async () => {
  const { status, errors } = await server.graphql(`{ probe { ${times(1_900, () => 'depth')} } }`, { key });
  expect(status).toBe(400);
  expect(errors).toMatchObject([{ extensions: { code: 'LIMIT_EXCEEDED' } }]);
});

test.each([
  [
    'a cycle of fragments',
    '{ probe { ...A } } fragment A on Probe { deeper { ...B } } fragment B on Probe { ...A }',
  ],
  ['a fragment that does not exist', '{ probe { ...Nothing } }'],
  [
    'fragments that double themselves',
    `{ probe { ...F0 } } ${times(40, (index) => `fragment F${index} on Probe { a: deeper { ...F${index + 1} } b: deeper { ...F${index + 1} } }`)} fragment F40 on Probe { depth }`,
  ],
])('%s answers 400 at once', async (_what, query) => {
  // What it costs, and not how long it takes: others compute on this machine as well.
  const before = process.cpuUsage();
  const { status, errors } = await server.graphql(query, { key });
  const { user, system } = process.cpuUsage(before);
  expect(status).toBe(400);
  expect(errors[0]?.extensions).toHaveProperty('code');
  expect((user + system) / 1_000).toBeLessThan(2_000);
});

test('too large a page is refused, not cut short', async () => {
  const { errors } = await server.graphql('{ contacts(first: 101) { edges { node { name } } } }', { key });
  expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT' } }]);
});

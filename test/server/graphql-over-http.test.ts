import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/wait.ts';
import { startTestServer, type TestServer } from './harness.ts';
import { probeSchema, waiters } from './probe-schema.ts';

let server: TestServer;
let production: TestServer;
beforeAll(async () => {
  server = await startTestServer({ schema: probeSchema, corsOrigins: ['https://app.example'] });
  production = await startTestServer({ schema: probeSchema, isProduction: true });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await production?.[Symbol.asyncDispose]();
});

describe("the audit of GraphQL over HTTP's specification passes in full", () => {
  for (const { id, name } of serverAudits({ url: 'http://localhost' })) {
    test(`${id} ${name}`, async () => {
      const audits = serverAudits({ url: `${server.url}/graphql`, fetchFn: fetch });
      const result = await audits.find((audit) => audit.id === id)?.fn();
      expect(result).toMatchObject({ status: 'ok' });
    });
  }
});

test('answers a query of somebody who is signed in', async () => {
  const { secret } = await server.key('VIEWER');
  const { status, data } = await server.graphql('{ probe { depth deeper { depth } } }', { key: secret });
  expect({ status, data }).toEqual({ status: 200, data: { probe: { depth: 1, deeper: { depth: 2 } } } });
});

test('refuses: no credentials', async () => {
  const { status, errors } = await server.graphql('{ probe { depth } }');
  expect(status).toBe(200);
  expect(errors).toMatchObject([
    { path: ['probe'], extensions: { code: 'UNAUTHENTICATED', remedy: expect.any(String) } },
  ]);
});

test('refuses with 401: credentials that are unknown', async () => {
  const { status, errors } = await server.graphql('{ __typename }', { key: `dg_${'x'.repeat(43)}` });
  expect(status).toBe(401);
  expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
});

test('forbids what the role does not allow, and names the permission', async () => {
  const { secret } = await server.key('AGENT');
  const { errors } = await server.graphql('{ secret }', { key: secret });
  expect(errors).toMatchObject([
    { message: expect.stringContaining('integration:manage'), extensions: { code: 'FORBIDDEN' } },
  ]);
});

test('forbids a mutation with a top-level error, not with a member of its result', async () => {
  const { secret } = await server.key('VIEWER');
  const { data, errors } = await server.graphql(
    'mutation { renameContact(input: { contactId: "x", name: "y" }) { __typename } }',
    { key: secret },
  );
  expect(data ?? null).toBeNull();
  expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
});

test('answers a listed error as a member of the result, with code, message and remedy', async () => {
  const { secret } = await server.key('AGENT');
  const { data } = await server.graphql(
    `mutation { renameContact(input: { contactId: "garbage", name: "y" }) {
       __typename ... on Error { code message remedy } } }`,
    { key: secret },
  );
  expect(data).toEqual({
    renameContact: {
      __typename: 'NotFoundError',
      code: 'NOT_FOUND',
      message: 'The contact was not found.',
      remedy: expect.any(String),
    },
  });
});

test('answers an expected error that no field lists as a top-level error with its code and remedy', async () => {
  const { secret } = await server.key('VIEWER');
  const { errors } = await server.graphql('{ expected }', { key: secret });
  expect(errors).toEqual([
    expect.objectContaining({
      message: 'It is not here.',
      extensions: { code: 'NOT_FOUND', remedy: 'Look elsewhere.' },
    }),
  ]);
});

test('masks an unexpected error and logs it once under the id that the caller gets', async () => {
  const { secret } = await server.key('VIEWER');
  const { errors, headers } = await server.graphql('{ unexpected }', {
    key: secret,
    headers: { 'x-request-id': 'mine-1' },
  });
  expect(errors).toEqual([
    {
      message: 'Unexpected error.',
      path: ['unexpected'],
      locations: expect.any(Array),
      extensions: { code: 'INTERNAL_SERVER_ERROR', correlationId: 'mine-1' },
    },
  ]);
  expect(headers.get('x-request-id')).toBe('mine-1');
  const lines = server.log.filter((line) => line.includes('hunter2'));
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ correlationId: 'mine-1', path: 'unexpected' });
});

test.each([
  ['a document that is not GraphQL', '{ probe {', 'GRAPHQL_PARSE_FAILED'],
  ['an empty document', '', 'GRAPHQL_PARSE_FAILED'],
  ['a field that does not exist', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
  ['an instant that is none', '{ instant(at: "yesterday") }', 'INVALID_INPUT'],
  ['a day that does not exist', '{ instant(at: "2026-02-30T00:00:00Z") }', 'INVALID_INPUT'],
])('answers %s with 400 and a code', async (_what, query, code) => {
  const { secret } = await server.key('VIEWER');
  const { status, errors } = await server.graphql(query, { key: secret });
  expect(status).toBe(400);
  expect(errors).toMatchObject([{ extensions: { code } }]);
});

test('reads and writes instants in UTC', async () => {
  const { secret } = await server.key('VIEWER');
  const query = '{ instant(at: "2026-11-21T09:30:00.5+02:00") }';
  const { data } = await server.graphql(query, { key: secret });
  expect(data).toEqual({ instant: '2026-11-21T07:30:00.500Z' });
});

test('what runs for somebody who has gone is told so, and is no error of ours', async () => {
  const { secret } = await server.key('VIEWER');
  const controller = new AbortController();
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}` };
  const body = '{"query":"{ waiting }"}';
  const request = server.fetch('/graphql', { method: 'POST', headers, body, signal: controller.signal });
  await eventually('it runs', () => waiters.started === 1);
  const before = server.log.length;
  controller.abort();
  await expect(request).rejects.toThrow();
  await eventually('it is told so', () => waiters.ended === 1);
  await server.fetch('/livez');
  const errors = server.log.slice(before).filter((line) => JSON.parse(line).level >= 50);
  expect(errors).toEqual([]);
});

describe('limits of a request', () => {
  const ask = async (body: BodyInit, headers: Record<string, string> = {}) => {
    const response = await server.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      ...(body instanceof ReadableStream && { duplex: 'half' as const }),
    });
    return { status: response.status, text: await response.text() };
  };
  const paddedTo = (bytes: number) => {
    const body = JSON.stringify({ query: '{ __typename }', variables: {} });
    return body + ' '.repeat(bytes - body.length);
  };

  test('a body at the limit is read', async () => {
    expect(await ask(paddedTo(1_048_576))).toMatchObject({ status: 200 });
  });

  test('a body over the limit answers 413', async () => {
    const { status, text } = await ask(paddedTo(1_048_577));
    expect(status).toBe(413);
    expect(JSON.parse(text).errors).toMatchObject([{ extensions: { code: 'LIMIT_EXCEEDED' } }]);
  });

  test('a body over the limit that does not say its length answers 413', async () => {
    const bytes = new TextEncoder().encode(paddedTo(1_048_577));
    const { status } = await ask(new Blob([bytes]).stream());
    expect(status).toBe(413);
  });

  test('a URL over the limit answers 414', async () => {
    const response = await server.fetch(`/graphql?query={__typename}&x=${'x'.repeat(8_192)}`);
    expect(response.status).toBe(414);
  });

  test('batches are refused', async () => {
    const { status } = await ask(JSON.stringify([{ query: '{ __typename }' }]));
    expect(status).toBe(400);
  });
});

describe('cross-site requests', () => {
  const ask = (headers: Record<string, string>, init: RequestInit = {}) =>
    server.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"query":"{ __typename }"}',
      ...init,
    });

  test.each([
    [
      'a page elsewhere, as browsers say it',
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      403,
    ],
    [
      'a neighbour of the same site',
      { 'sec-fetch-site': 'same-site', origin: 'https://evil.desk.example' },
      403,
    ],
    ['a page elsewhere, in an old browser', { origin: 'https://evil.example' }, 403],
    ['a page without an origin', { origin: 'null' }, 403],
    ['our own page', { 'sec-fetch-site': 'same-origin', origin: 'https://desk.example' }, 200],
    ['our public address behind a proxy', { origin: 'https://desk.example' }, 200],
    ['a listed origin', { 'sec-fetch-site': 'cross-site', origin: 'https://app.example' }, 200],
    ['a program', {}, 200],
  ])('from %s', async (_who, headers, status) => {
    expect((await ask(headers as Record<string, string>)).status).toBe(status);
  });

  test('a form is refused: a browser would send it without asking', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
      expect((await ask({ 'content-type': type })).status).toBe(415);
    }
  });

  test('a GET query from elsewhere is refused', async () => {
    const response = await server.fetch('/graphql?query={__typename}', {
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(response.status).toBe(403);
  });

  test('only listed origins get CORS headers', async () => {
    const preflight = async (origin: string) => {
      const headers = { origin, 'access-control-request-method': 'POST' };
      return (await ask(headers, { method: 'OPTIONS', body: null })).headers.get(
        'access-control-allow-origin',
      );
    };
    expect(await preflight('https://app.example')).toBe('https://app.example');
    expect(await preflight('https://app.example.evil.example')).toBeNull();
    expect(await preflight('http://app.example')).toBeNull();
    const answer = await ask({ origin: 'https://app.example' });
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });
});

describe('production', () => {
  const introspection = '{ __schema { queryType { name } } }';
  const page = (of: TestServer) => of.fetch('/graphql', { headers: { accept: 'text/html' } });

  test('outside of it, introspection and GraphiQL are there', async () => {
    expect((await server.graphql(introspection)).data).toEqual({
      __schema: { queryType: { name: 'Query' } },
    });
    const response = await page(server);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('<title>Deskgraph');
  });

  test('in it, introspection is refused and GraphiQL is not there', async () => {
    expect(await production.graphql(introspection)).toMatchObject({
      status: 400,
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }, {}],
    });
    const { status, headers } = await page(production);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers.get('content-type') ?? '').not.toContain('text/html');
  });

  test('in it, errors give no hints about names', async () => {
    expect((await server.graphql('{ prob { depth } }')).errors[0]?.message).toContain('Did you mean');
    expect((await production.graphql('{ prob { depth } }')).errors[0]?.message).not.toContain('Did you mean');
  });
});

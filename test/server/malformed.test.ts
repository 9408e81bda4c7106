import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './harness.ts';
import { probeSchema } from './probe-schema.ts';

let server: TestServer;
let key: string;
beforeAll(async () => {
  server = await startTestServer({ schema: probeSchema });
  key = (await server.key('OWNER')).secret;
});
afterAll(() => server?.[Symbol.asyncDispose]());

async function post(body: BodyInit): Promise<{ status: number; text: string }> {
  const response = await server.fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body,
  });
  return { status: response.status, text: await response.text() };
}

/** Pieces that documents are made of, so that what is generated gets past the parser now and then. */
const piece = fc.constantFrom(
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ':',
  '!',
  '$',
  '@',
  '...',
  '"',
  '"""',
  '\\u0000',
  '#',
  ',',
  '\n',
  'query',
  'mutation',
  'subscription',
  'fragment',
  'on',
  'probe',
  'deeper',
  'depth',
  'contacts',
  'first:',
  '-1',
  '1e400',
  'node',
  'id:',
  'null',
  'true',
  'input:',
  'renameContact',
  'instant',
  'at:',
  '"2026"',
  '__typename',
  '__schema',
  '$x',
  'A',
  'Probe',
  '@skip',
  'if:',
  '\u{1F600}',
);
const documents = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(' '));

test('no document, however malformed, is an unexpected error', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(documents, fc.string({ unit: 'binary' })),
      fc.jsonValue(),
      async (query, variables) => {
        const { status, text } = await post(JSON.stringify({ query, variables }));
        expect(status).toBeLessThan(500);
        expect(text).not.toContain('INTERNAL_SERVER_ERROR');
        for (const { extensions } of JSON.parse(text).errors ?? []) {
          expect(extensions).toMatchObject({ code: expect.any(String), remedy: expect.any(String) });
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('no body, however malformed, is an unexpected error', async () => {
  const json = fc.jsonValue().map((value) => JSON.stringify(value));
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Uint8Array.from(array));
  await fc.assert(
    fc.asyncProperty(fc.oneof(json, bytes), async (body) => {
      const { status, text } = await post(body);
      expect(status).toBeLessThan(500);
      expect(JSON.parse(text).errors).toMatchObject([
        { extensions: { code: expect.any(String), remedy: expect.any(String) } },
      ]);
    }),
    { numRuns: 200 },
  );
});

test('nothing of it was logged as an error (a control: an unexpected error is)', async () => {
  const errors = () => server.log.filter((line) => JSON.parse(line).level >= 50);
  expect(errors()).toEqual([]);
  await post('{"query":"{ unexpected }"}');
  expect(errors()).toHaveLength(1);
});

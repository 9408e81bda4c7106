import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type Answer, type FilledDesk, fillDesk, send } from './filled-desk.ts';
import { type Ids, OPERATIONS } from './operations.ts';
import { plain, rawRequest, statusOf } from './raw-request.ts';

/*
 * What no client sends. The seed is fixed, so that a failure is the same for everybody; raise `numRuns` to look for more.
 */

const SEED = 20_261_121;
let app: TestApp;
let filled: FilledDesk;
const log: string[] = [];
beforeAll(async () => {
  app = await startTestApp({}, { logger: createLogger('warn', { write: (line) => void log.push(line) }) });
  filled = await fillDesk(app, 'Ours');
  log.length = 0;
});
afterAll(() => app?.[Symbol.asyncDispose]());

const asOwner = (document: string, variables: Record<string, unknown>) =>
  send(app.url, { document }, variables, `Bearer ${filled.desk.apiKey}`);

/** The answer is one that the documentation knows: no unexpected error, and a code and a remedy with each error. */
function expectDocumented({ status, body }: Answer): void {
  expect(status).toBeLessThan(500);
  for (const error of body.errors ?? []) {
    expect(error.extensions).toMatchObject({ code: expect.any(String), remedy: expect.any(String) });
    expect(error.extensions?.code).not.toBe('INTERNAL_SERVER_ERROR');
  }
}

const UUIDS = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'];
const base64 = fc
  .string({ unit: 'binary', maxLength: 60 })
  .map((text) => Buffer.from(text).toString('base64url'));
/** Text that somewhere means something: to SQL, LIKE, JSON, HTML, PostgreSQL's text type. */
const loaded = fc.constantFrom(
  "'; drop table ticket; --",
  "\\'; drop table ticket; --",
  "\\\\'; drop table ticket; --",
  '$$; drop table ticket; $$',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '%',
  '_',
  '\\',
  '%\\',
  '"',
  '{}',
  '{"a":1}',
  '[]',
  'null',
  '-1',
  '1e309',
  '__proto__',
  'constructor',
  '\u202E',
  '\uFEFF',
  'x'.repeat(20_000),
  '<script>',
  '?',
  '$1',
  ':name',
);
const text = fc.oneof(loaded, fc.string({ unit: 'binary' }), fc.string());
const globalId = fc
  .tuple(
    fc.constantFrom('Ticket', 'User', 'Mailbox', 'ApiKey', 'constructor', '__proto__', ''),
    fc.oneof(fc.constantFrom(...UUIDS), fc.uuid(), text),
  )
  .map(([type, id]) => Buffer.from(`${type}:${id}`).toString('base64url'));
const anyId = fc.oneof(globalId, base64, text);

test('no id, however malformed, is an unexpected error, whichever operation takes it', async () => {
  const taking = Object.values(OPERATIONS).filter(
    ({ takes, document }) => takes.length > 0 && !document.startsWith('subscription'),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...taking), anyId, async ({ document, variables }, id) => {
      const ids = Object.fromEntries(Object.keys(filled.ids).map((type) => [type, id])) as unknown as Ids;
      expectDocumented(await asOwner(document, variables(ids)));
    }),
    { seed: SEED, numRuns: 400 },
  );
});

const keysetCursor = fc
  .tuple(
    fc.constantFrom('createdAt desc', 'createdAt asc', 'number desc', 'lastMessageAt desc', 'id desc', ''),
    fc.constantFrom('d', 'n', 's', 'x'),
    fc.oneof(
      fc.constantFrom(
        '2026-11-21T09:30:00.000Z',
        '-271821-04-20T00:00:00.000Z',
        '275760-09-13T00:00:00.000Z',
        '9999-12-31T24:00:00Z',
        '2026-99-99T00:00:00Z',
      ),
      fc.double(),
      fc.maxSafeInteger(),
      text,
    ),
    fc.oneof(fc.constantFrom(...UUIDS), fc.uuid(), text),
  )
  .map((parts) => Buffer.from(JSON.stringify(parts)).toString('base64url'));

test('no cursor, however forged, is an unexpected error, in any list', async () => {
  const lists = [
    'tickets',
    'contacts',
    'users',
    'apiKeys',
    'mailboxes',
    'integrations',
    'inboundMessages',
    'syncRuns',
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...lists),
      fc.constantFrom('after', 'before'),
      fc.oneof(keysetCursor, base64, text),
      fc.oneof(fc.integer(), fc.constantFrom(0, 1, 100, 101, -1, 2 ** 31 - 1)),
      async (name, side, cursor, first) => {
        const document = `query ($cursor: String, $first: Int) { ${name}(${side}: $cursor, first: $first) { edges { cursor } } }`;
        expectDocumented(await asOwner(document, { cursor, first }));
      },
    ),
    { seed: SEED, numRuns: 400 },
  );
});

test('no event cursor, however forged, is an unexpected error', async () => {
  const numbers = fc.oneof(
    fc.bigInt({ min: 2n ** 64n, max: 2n ** 70n }),
    fc.constantFrom(-1n, 2n ** 63n, 2n ** 64n - 1n),
  );
  // A good one would be followed by silence: only those that cannot be one.
  const cursor = fc.oneof(
    fc.tuple(numbers, numbers).map(([a, b]) => Buffer.from(`${a}.${b}`).toString('base64')),
    fc
      .tuple(fc.bigInt({ min: 2n ** 40n, max: 2n ** 64n - 1n }), fc.constant(0n))
      .map(([a, b]) => Buffer.from(`${a}.${b}`).toString('base64url')),
    text.filter((given) => given !== ''),
  );
  await fc.assert(
    fc.asyncProperty(cursor, async (after) => {
      const answer = await asOwner(
        'subscription ($after: String) { ticketCreated(after: $after) { cursor } }',
        { after },
      );
      expectDocumented(answer);
      expect(answer.body.errors?.[0]?.extensions?.code).toMatch(/^(INVALID_CURSOR|CURSOR_EXPIRED)$/);
    }),
    { seed: SEED, numRuns: 100 },
  );
});

test('no text, however odd, is an unexpected error in a mutation or a filter', async () => {
  const { Ticket, Mailbox, Integration } = filled.ids;
  const operations: [string, (given: string) => Record<string, unknown>][] = [
    [
      'mutation ($i: AddNoteInput!) { addNote(input: $i) { __typename } }',
      (given) => ({ i: { ticketId: Ticket, text: given } }),
    ],
    [
      'mutation ($i: UpdateTicketInput!) { updateTicket(input: $i) { __typename } }',
      (given) => ({ i: { ticketId: Ticket, subject: given, tags: [given, given] } }),
    ],
    [
      'mutation ($i: CreateTicketInput!) { createTicket(input: $i) { __typename } }',
      (given) => ({
        i: { subject: given, text: given, requesterEmail: `${given}@fabrikam.example`, requesterName: given },
      }),
    ],
    [
      'mutation ($i: CreateUserInput!) { createUser(input: $i) { __typename } }',
      (given) => ({ i: { name: given, role: 'VIEWER' } }),
    ],
    [
      'mutation ($i: CreateUserInput!) { createUser(input: $i) { __typename } }',
      (given) => ({ i: { name: 'Odd', role: 'VIEWER', emailAddress: `${given}@x.example` } }),
    ],
    [
      'mutation ($i: CreateApiKeyInput!) { createApiKey(input: $i) { __typename } }',
      (given) => ({ i: { userId: filled.ids.User, name: given } }),
    ],
    [
      'mutation ($i: CreateIntegrationInput!) { createIntegration(input: $i) { __typename } }',
      (given) => ({ i: { tenantId: given, clientId: crypto.randomUUID(), clientSecret: given } }),
    ],
    [
      'mutation ($i: CreateIntegrationInput!) { createIntegration(input: $i) { __typename } }',
      (given) => ({ i: { tenantId: 'common', clientId: crypto.randomUUID(), clientSecret: given } }),
    ],
    [
      'mutation ($i: StartSignInInput!) { startSignIn(input: $i) { __typename } }',
      (given) => ({ i: { integrationId: Integration, returnTo: `/${given}`, loginHint: given } }),
    ],
    [
      'mutation ($i: CreateMailFolderInput!) { createMailFolder(input: $i) { __typename } }',
      (given) => ({ i: { mailboxId: Mailbox, displayName: given } }),
    ],
    [
      'mutation ($i: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $i) { __typename } }',
      (given) => ({ i: { mailboxId: Mailbox, folderId: given } }),
    ],
    [
      'query ($f: TicketFilter) { tickets(filter: $f) { edges { node { id } } } }',
      (given) => ({ f: { text: given, tag: given, requesterEmail: given } }),
    ],
    [
      'query ($f: TicketFilter) { tickets(filter: $f) { edges { node { id } } } }',
      (given) => ({ f: { text: given.slice(0, 50) } }),
    ],
    [
      'query ($f: TicketFilter) { tickets(filter: $f) { edges { node { id } } } }',
      (given) => ({ f: { tag: given.slice(0, 50) } }),
    ],
    [
      'query ($f: InboundMessageFilter) { inboundMessages(filter: $f) { edges { node { id } } } }',
      (given) => ({ f: { internetMessageId: given } }),
    ],
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...operations), text, async ([document, variables], given) => {
      const answer = await asOwner(document, variables(given));
      try {
        expectDocumented(answer);
      } catch (error) {
        throw new Error(`${document} ${JSON.stringify(answer.body)}`, { cause: error });
      }
    }),
    { seed: SEED, numRuns: 600 },
  );
});

test('no callback query, however malformed, is an unexpected error', async () => {
  const name = fc.constantFrom(
    'state',
    'code',
    'error',
    'error_description',
    'session_state',
    'admin_consent',
    '%',
    '__proto__',
  );
  const value = fc.oneof(
    text.map((given) => encodeURIComponent(given.toWellFormed())),
    fc.constantFrom('%', '%ff', '%00', '%u0000', '+', ''),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 6 }), async (pairs) => {
      const query = pairs.map(([key, given]) => `${key}=${given.slice(0, 4000)}`).join('&');
      const answer = await rawRequest(app.url, plain(`/api/integrations/microsoft365/callback?${query}`));
      // 431: Node itself refuses a head that is too long.
      expect([400, 431]).toContain(statusOf(answer));
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test('no WebSocket message, however malformed, ends more than its socket', async () => {
  const { WebSocket } = await import('ws');
  const message = fc.oneof(
    fc.constantFrom(
      '',
      '{',
      'null',
      '[]',
      '{"type":"subscribe"}',
      '{"type":"connection_init","payload":5}',
      '{"type":"connection_init","payload":{"authorization":{}}}',
      '{"type":"ping"}',
      '{"type":"complete","id":"x"}',
      '{"type":"subscribe","id":"a","payload":{"query":5}}',
      `{"type":"subscribe","id":"${'x'.repeat(9999)}","payload":{"query":"{"}}`,
      '{"__proto__":{"type":"ping"}}',
    ),
    fc.json(),
    fc.string({ unit: 'binary' }),
  );
  const init = JSON.stringify({
    type: 'connection_init',
    payload: { authorization: `Bearer ${filled.desk.apiKey}` },
  });
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(message, { minLength: 1, maxLength: 5 }),
      async (isKnown, messages) => {
        const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
        await new Promise((resolve, reject) => {
          socket.once('open', resolve);
          socket.once('error', reject);
        });
        const closed = new Promise((resolve) => socket.once('close', resolve));
        if (isKnown) socket.send(init);
        for (const one of messages) socket.send(one);
        socket.close();
        await closed;
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
});

test('afterwards the process is ready, and no error was unexpected', async () => {
  expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
  expect(log.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
});

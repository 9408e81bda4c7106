import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { schema } from '../../src/graphql/schema.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { encodeCursor } from '../../src/realtime/cursor.ts';
import {
  startTestServer,
  subscribeOverSocket,
  subscribeOverSse,
  type TestServer,
} from '../server/harness.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ schema });
});
afterAll(() => server?.[Symbol.asyncDispose]());

const CREATE = `mutation ($input: CreateTicketInput!) { createTicket(input: $input) {
  ... on CreateTicketPayload { ticket { id number } } ... on Error { code message } } }`;

/** Opens a ticket through the API and gives its global id. */
async function createTicket(key: string, subject: string, priority = 'NORMAL'): Promise<string> {
  const input = { subject, text: 'Hello', requesterEmail: 'ada@example.com', priority };
  const { data, errors } = await server.graphql(CREATE, { key, variables: { input } });
  const payload = data?.['createTicket'] as { ticket?: { id: string } } | undefined;
  if (!payload?.ticket) throw new Error(JSON.stringify({ data, errors }));
  return payload.ticket.id;
}

/** Where the log ends now: what comes after is what a test is about. */
const now = () => encodeCursor(server.services.events.position);
/** The value of one field of a result. */
const read = (result: { data?: unknown } | undefined, field: string) =>
  (result?.data as Record<string, { cursor: string; ticket: { subject: string } }> | undefined)?.[field];

const transports = [
  ['WebSocket', async (key: string, query: string) => subscribeOverSocket(server.url, key, query)],
  ['event stream', (key: string, query: string) => subscribeOverSse(server.url, key, query)],
] as const;

test.each(transports)(
  'over %s: new tickets that fit the filter come live, and from a cursor after a cut',
  async (_name, open) => {
    const { secret } = await server.key('OWNER');
    const query = (
      after: string,
    ) => `subscription { ticketCreated(filter: { priority: [HIGH] }, after: "${after}") {
      cursor ticket { number subject requester { emailAddress } messages(first: 1) { edges { node { text } } } } } }`;
    const live = await open(secret, query(now()));
    await createTicket(secret, 'one', 'HIGH');
    await createTicket(secret, 'none of it', 'LOW');
    await createTicket(secret, 'two', 'HIGH');
    const first = read(await live.next(), 'ticketCreated');
    expect(first).toMatchObject({
      ticket: {
        number: 1,
        subject: 'one',
        requester: { emailAddress: 'ada@example.com' },
        messages: { edges: [{ node: { text: 'Hello' } }] },
      },
    });
    await live.stop();
    await createTicket(secret, 'three', 'HIGH');

    const resumed = await open(secret, query(first?.cursor ?? ''));
    const subjects = [await resumed.next(), await resumed.next()].map(
      (result) => read(result, 'ticketCreated')?.ticket.subject,
    );
    expect(subjects).toEqual(['two', 'three']);
    await resumed.stop();
  },
);

test('messageAdded of one ticket brings its notes and no others', async () => {
  const { secret } = await server.key('AGENT');
  const mine = await createTicket(secret, 'mine');
  const other = await createTicket(secret, 'other');
  const results = await subscribeOverSocket(
    server.url,
    secret,
    `subscription { messageAdded(ticketId: "${mine}", after: "${now()}") {
      cursor message { kind text } ticket { subject } } }`,
  );
  const NOTE = 'mutation ($input: AddNoteInput!) { addNote(input: $input) { __typename } }';
  for (const [ticketId, text] of [
    [other, 'elsewhere'],
    [mine, 'here'],
  ]) {
    await server.graphql(NOTE, { key: secret, variables: { input: { ticketId, text } } });
  }
  for (;;) {
    const event = read(await results.next(), 'messageAdded') as unknown as { message: { text: string } };
    // What opened the ticket may still have been on its way when the stream began.
    if (event.message.text === 'Hello') continue;
    expect(event).toMatchObject({ message: { kind: 'NOTE', text: 'here' }, ticket: { subject: 'mine' } });
    break;
  }
  await results.stop();
});

test.each([
  ['ticketUpdated', 'an unknown id', () => encodeGlobalId('Ticket', '01890000-0000-7000-8000-000000000000')],
  [
    'messageAdded',
    "another organization's id",
    async () => createTicket((await server.key('OWNER')).secret, 'x'),
  ],
  ['ticketUpdated', 'garbage', () => 'garbage'],
])('%s with %s is refused as not found, not silent', async (field, _what, id) => {
  const { secret } = await server.key('OWNER');
  const query = `subscription { ${field}(ticketId: "${await id()}") { cursor } }`;
  const results = await subscribeOverSse(server.url, secret, query);
  const result = await results.next();
  expect(JSON.stringify(result)).toContain('NOT_FOUND');
  await results.stop();
});

test('another organization hears nothing', async () => {
  const [mine, theirs] = [await server.key('OWNER'), await server.key('OWNER')];
  const query = `subscription { ticketCreated(after: "${now()}") { ticket { subject } } }`;
  const results = await subscribeOverSocket(server.url, mine.secret, query);
  await createTicket(theirs.secret, 'theirs');
  await createTicket(mine.secret, 'mine');
  expect(read(await results.next(), 'ticketCreated')?.ticket.subject).toBe('mine');
  await results.stop();
});

test('a malformed cursor is refused with its code', async () => {
  const { secret } = await server.key('OWNER');
  const results = await subscribeOverSse(
    server.url,
    secret,
    'subscription { ticketCreated(after: "garbage") { cursor } }',
  );
  expect(JSON.stringify(await results.next())).toContain('INVALID_CURSOR');
  await results.stop();
});

test('an event after the user was disabled without a word is not delivered', async () => {
  const { secret, userId, organizationId } = await server.key('AGENT');
  const owner = await server.key('OWNER', organizationId);
  const query = `subscription { ticketCreated(after: "${now()}") { ticket { subject } } }`;
  const results = await subscribeOverSocket(server.url, secret, query);
  await createTicket(owner.secret, 'before');
  expect(read(await results.next(), 'ticketCreated')?.ticket.subject).toBe('before');
  // Nothing is announced: only the check at the event itself can notice.
  await forkAcrossOrganizations(server.own.database).execute(
    'update app_user set disabled_at = now() where id = ?::uuid',
    [userId],
  );
  await createTicket(owner.secret, 'secret');
  expect(JSON.stringify((await results.next()) ?? null)).not.toContain('secret');
  await results.stop();
});

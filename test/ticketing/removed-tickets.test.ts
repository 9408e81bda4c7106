import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { schema } from '../../src/graphql/schema.ts';
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

async function run(key: string, name: string, selection: string, input: Record<string, unknown>) {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const { data, errors } = await server.graphql(
    `mutation ($input: ${type}Input!) { it: ${name}(input: $input) {
       ... on ${type}Payload { ${selection} } ... on Error { message } } }`,
    { key, variables: { input } },
  );
  const answer = data?.['it'] as { message?: string; ticket?: { id: string } } | undefined;
  if (!answer || answer.message) throw new Error(JSON.stringify({ data, errors }));
  return answer;
}

async function createTicket(key: string, subject: string): Promise<string> {
  const input = { subject, text: 'Hello', requesterEmail: 'ada@example.com' };
  return (await run(key, 'createTicket', 'ticket { id }', input)).ticket?.id ?? '';
}

const deleteTicket = (key: string, ticketId: string) =>
  run(key, 'deleteTicket', 'deletedTicketId', { ticketId });
const merge = (key: string, ticketId: string, intoTicketId: string) =>
  run(key, 'mergeTickets', 'ticket { id }', { ticketId, intoTicketId });

/** Where the log ends now. */
const now = () => encodeCursor(server.services.events.position);
const query = (args: string) => `subscription { ticketUpdated(${args}) {
  cursor ticket { number } removed { ticketId number mergedInto { number } removedAt } } }`;
const read = (result: { data?: unknown } | undefined) =>
  (result?.data as { ticketUpdated: { cursor: string } } | undefined)?.ticketUpdated;

const transports = [
  ['WebSocket', async (key: string, text: string) => subscribeOverSocket(server.url, key, text)],
  ['event stream', (key: string, text: string) => subscribeOverSse(server.url, key, text)],
] as const;

test.each(transports)(
  'over %s: who follows tickets learns of a deleted and of a merged one, whatever the filter',
  async (_name, open) => {
    const { secret } = await server.key('OWNER');
    const [one, two, three] = [
      await createTicket(secret, 'one'),
      await createTicket(secret, 'two'),
      await createTicket(secret, 'three'),
    ];
    const live = await open(secret, query(`filter: { priority: [URGENT] }, after: "${now()}"`));
    await merge(secret, two, one);
    await deleteTicket(secret, three);
    await deleteTicket(secret, three); // is deleted already: nobody is told again
    await deleteTicket(secret, one);
    // What a merged ticket became is told as it is when it is told: its target may be gone by then as well.
    const events = [read(await live.next()), read(await live.next()), read(await live.next())];
    expect(events).toMatchObject([
      { ticket: null, removed: { ticketId: two, number: 2 } },
      { ticket: null, removed: { ticketId: three, number: 3, mergedInto: null } },
      { ticket: null, removed: { ticketId: one, number: 1, mergedInto: null } },
    ]);
    await live.stop();
  },
);

test('a merged ticket names the one that has its messages now', async () => {
  const { secret } = await server.key('OWNER');
  const [one, two] = [await createTicket(secret, 'one'), await createTicket(secret, 'two')];
  const live = await subscribeOverSse(server.url, secret, query(`after: "${now()}"`));
  await merge(secret, two, one);
  expect(read(await live.next())).toMatchObject({ ticket: { number: 1 }, removed: null });
  expect(read(await live.next())).toMatchObject({
    ticket: null,
    removed: { ticketId: two, number: 2, mergedInto: { number: 1 } },
  });
  await live.stop();
});

test('who resumes with a cursor sees it too, also when following one ticket whose row is gone', async () => {
  const { secret } = await server.key('OWNER');
  const [one, two] = [await createTicket(secret, 'one'), await createTicket(secret, 'two')];
  const cut = now();
  await run(secret, 'updateTicket', 'ticket { id }', { ticketId: two, priority: 'HIGH' });
  await deleteTicket(secret, two);
  await run(secret, 'updateTicket', 'ticket { id }', { ticketId: one, priority: 'HIGH' });
  const all = await subscribeOverSse(server.url, secret, query(`after: "${cut}"`));
  expect(read(await all.next())).toMatchObject({ removed: { ticketId: two, number: 2 } });
  expect(read(await all.next())).toMatchObject({ ticket: { number: 1 } });
  await all.stop();
  const its = await subscribeOverSse(server.url, secret, query(`ticketId: "${two}", after: "${cut}"`));
  const seen = read(await its.next());
  expect(seen).toMatchObject({ ticket: null, removed: { number: 2 } });
  await its.stop();
  for (const id of [two, encodeGlobalId('Ticket', '01890000-0000-7000-8000-000000000000')]) {
    const fresh = await subscribeOverSse(server.url, secret, query(`ticketId: "${id}"`));
    expect(JSON.stringify(await fresh.next())).toContain('NOT_FOUND');
    await fresh.stop();
  }
});

test('another organization learns nothing of it, by neither way', async () => {
  const [mine, theirs] = [await server.key('OWNER'), await server.key('OWNER')];
  const cut = now();
  const gone = await createTicket(theirs.secret, 'theirs');
  await deleteTicket(theirs.secret, gone);
  const own = await createTicket(mine.secret, 'mine');
  await deleteTicket(mine.secret, own);
  const live = await subscribeOverSse(server.url, mine.secret, query(`after: "${cut}"`));
  expect(read(await live.next())).toMatchObject({ removed: { ticketId: own } });
  await live.stop();
  const named = await subscribeOverSse(
    server.url,
    mine.secret,
    query(`ticketId: "${gone}", after: "${cut}"`),
  );
  expect(JSON.stringify(await named.next())).toContain('NOT_FOUND');
  await named.stop();
});

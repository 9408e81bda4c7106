import { afterAll, beforeAll, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { MAX_MESSAGE_BYTES } from '../../src/graphql/limits.ts';
import { schema } from '../../src/graphql/schema.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { messageBodies } from '../../src/ticketing/message-bodies.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { type GraphQLAnswer, startTestServer, type TestServer } from '../server/harness.ts';
import { countStatements } from '../support/statements.ts';

/** As long as a body of a mail can be. */
const HUGE = 2_000_000;
const MESSAGES = 100;
const NOW = new Date('2026-11-21T09:00:00Z');

let server: TestServer;
let key: string;
let organizationId: string;
let messageIds: string[];
beforeAll(async () => {
  server = await startTestServer({ schema });
  const owner = await server.key('OWNER');
  [key, organizationId] = [owner.secret, owner.organizationId];
  const em = forkFor(server.own.database, organizationId);
  const own = { organization: em.getReference(Organization, organizationId) };
  const requester = em.create(Contact, { ...own, name: 'Carol', emailAddress: 'carol@fabrikam.example' });
  const ticket = em.create(Ticket, { ...own, number: 1, subject: 'Huge', requester, lastMessageAt: NOW });
  const messages = Array.from({ length: MESSAGES }, (_, index) =>
    em.create(Message, {
      ...own,
      ticket,
      kind: 'INBOUND',
      to: [],
      cc: [],
      subject: `Huge ${index}`,
      text: '',
      strippedText: `Short ${index}`,
      createdAt: new Date(NOW.getTime() + index),
    }),
  );
  await em.flush();
  messageIds = messages.map(({ id }) => id);
  await em.execute('update message set text = repeat(?, ?), html = repeat(?, ?) where organization_id = ?', [
    't',
    HUGE,
    'h',
    HUGE,
    organizationId,
  ]);
});
afterAll(() => server?.[Symbol.asyncDispose]());

const page = (first: number, fields: string) =>
  `{ tickets(first: 1) { edges { node { messages(first: ${first}) { edges { node { ${fields} } } } } } } }`;
const ask = (query: string): Promise<GraphQLAnswer> => server.graphql(query, { key });

async function statementsOf(query: string): Promise<string[]> {
  const all = await countStatements(server.own.database, async () => {
    expect((await ask(query)).errors).toEqual([]);
  });
  // The log is looked at, and the use of a key written down, by the clock and not by what is asked.
  return all.filter((sql) => !/\bfrom event\b|\bupdate api_key\b/.test(sql));
}

const BODY_COLUMN = /\b(text|html|stripped_text)\b/;

/** The most that the process held so far, in bytes. */
const peak = () => process.resourceUsage().maxRSS * 1024;

test('bodies over the budget are refused with the number and the remedy, and are never held', async () => {
  await ask(page(MESSAGES, 'id subject')); // what the first request costs
  const before = peak();
  const { data, errors } = await ask(page(MESSAGES, 'text html'));
  expect(data).toBeNull();
  expect(errors.length).toBeGreaterThan(0);
  expect(errors[0]).toMatchObject({
    message: expect.stringMatching(new RegExp(`${2 * MESSAGES * HUGE} bytes.*${MAX_MESSAGE_BYTES}`)),
    extensions: { code: 'LIMIT_EXCEEDED', remedy: expect.stringContaining('fewer messages') },
  });
  // 400 MB were asked for.
  expect(peak() - before).toBeLessThan(100_000_000);
});

test('messages with huge bodies are listed without reading a body', async () => {
  const statements = await statementsOf(page(MESSAGES, 'id subject from { name } createdAt'));
  expect(statements.some((sql) => sql.includes('"message"'))).toBe(true);
  expect(statements.filter((sql) => BODY_COLUMN.test(sql))).toEqual([]);
  const node = await statementsOf(`{ node(id: "${encodeGlobalId('Message', messageIds[0] ?? '')}") { id } }`);
  expect(node.filter((sql) => BODY_COLUMN.test(sql))).toEqual([]);
});

test('a short body is read without the long ones of the same messages, all in one statement', async () => {
  const alone = await statementsOf(page(MESSAGES, 'id'));
  const { data, errors } = await ask(page(MESSAGES, 'strippedText'));
  expect(errors).toEqual([]);
  expect(JSON.stringify(data)).toContain(`"Short ${MESSAGES - 1}"`);
  expect(await statementsOf(page(MESSAGES, 'strippedText'))).toHaveLength(alone.length + 1);
  expect(await statementsOf(page(2, 'strippedText text html'))).toHaveLength(alone.length + 1);
});

test('what fits the budget is answered whole', async () => {
  const { data, errors } = await ask(page(8, 'text html'));
  expect(errors).toEqual([]);
  const answer = JSON.stringify(data);
  expect(answer.split('t'.repeat(HUGE))).toHaveLength(9);
  expect(answer.split('h'.repeat(HUGE))).toHaveLength(9);
});

test('an alias counts again: the answer holds the body once more', async () => {
  const aliases = Array.from({ length: 9 }, (_, index) => `a${index}: text`).join(' ');
  expect((await ask(page(1, aliases))).errors).toEqual([]);
  expect((await ask(page(2, aliases))).errors).toMatchObject([{ extensions: { code: 'LIMIT_EXCEEDED' } }]);
});

test('what is asked for at different moments of an operation shares one budget', async () => {
  const bodyOf = messageBodies(3 * HUGE);
  const em = forkFor(server.own.database, organizationId);
  const [one = '', two = '', three = ''] = messageIds;
  const first = bodyOf(em, { organizationId, messageId: one, field: 'text' });
  await new Promise(setImmediate); // the next two are another batch, while the first is under way
  const second = bodyOf(em, { organizationId, messageId: two, field: 'text' });
  const third = bodyOf(em, { organizationId, messageId: three, field: 'html' });
  expect(await first).toHaveLength(HUGE);
  expect(await second).toHaveLength(HUGE);
  expect(await third).toHaveLength(HUGE);
  await expect(bodyOf(em, { organizationId, messageId: one, field: 'text' })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
  });
  const other = forkFor(server.own.database, organizationId);
  expect(await bodyOf(other, { organizationId, messageId: one, field: 'text' })).toHaveLength(HUGE);
});

test('a body of another organization is not found, and a null body is null', async () => {
  const em = forkFor(server.own.database, organizationId);
  const [messageId = ''] = messageIds;
  const bodyOf = messageBodies(MAX_MESSAGE_BYTES);
  const foreign = bodyOf(em, { organizationId: crypto.randomUUID(), messageId, field: 'text' });
  await expect(foreign).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await em.execute('update message set html = null where organization_id = ? and id = ?', [
    organizationId,
    messageId,
  ]);
  expect(await bodyOf(em, { organizationId, messageId, field: 'html' })).toBeNull();
});

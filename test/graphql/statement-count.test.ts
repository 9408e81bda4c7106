import { afterAll, beforeAll, expect, test } from 'vitest';
import { User } from '../../src/access/user.entity.ts';
import { schema } from '../../src/graphql/schema.ts';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { Integration } from '../../src/microsoft365/integration.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { SyncRun } from '../../src/sync/sync-run.entity.ts';
import { SyncState } from '../../src/sync/sync-state.entity.ts';
import { Attachment } from '../../src/ticketing/attachment.entity.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { Group } from '../../src/ticketing/group.entity.ts';
import { InboundMessage } from '../../src/ticketing/inbound-message.entity.ts';
import { MailRule } from '../../src/ticketing/mail-rule.entity.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { startTestServer, type TestServer } from '../server/harness.ts';
import { countStatements } from '../support/statements.ts';

const FEW = 5;
const MANY = 50;

let server: TestServer;
/** Owners of two organizations: one with few of everything, and one with many. */
let few: string;
let many: string;
beforeAll(async () => {
  server = await startTestServer({ schema });
  [few, many] = [await filledOrganization(FEW), await filledOrganization(MANY)];
});
afterAll(() => server[Symbol.asyncDispose]());

const NOW = new Date('2026-11-21T09:00:00Z');

/** An organization with `size` tickets, each with a requester, an assignee, a mailbox and an account of its own. */
async function filledOrganization(size: number): Promise<string> {
  const { secret, organizationId: organization } = await server.key('OWNER');
  const em = forkFor(server.own.database, organization);
  for (let index = 0; index < size; index += 1) {
    const own = { organization };
    const integration = em.create(Integration, {
      ...own,
      cloud: 'GLOBAL',
      tenantId: 'organizations',
      clientId: crypto.randomUUID(),
      authorizationMode: 'DELEGATED',
      sealedClientSecret: 'sealed',
    });
    const account = em.create(Account, {
      ...own,
      integration,
      homeAccountId: crypto.randomUUID(),
      microsoftUserId: crypto.randomUUID(),
      microsoftTenantId: crypto.randomUUID(),
      emailAddress: `desk-${index}@contoso.example`,
      displayName: `Desk ${index}`,
      status: 'ACTIVE',
      grantedScopes: [],
      sealedTokenCache: 'sealed',
    });
    const group = em.create(Group, { ...own, name: `Group ${index}` });
    const mailbox = em.create(Mailbox, {
      ...own,
      groupId: group.id,
      account,
      kind: 'PRIMARY',
      emailAddress: account.emailAddress,
      displayName: account.displayName,
      incomingEnabled: true,
      receiveFrom: NOW,
      folder: { id: 'inbox', displayName: 'Inbox' },
    });
    em.create(SyncState, { ...own, mailbox });
    for (const state of ['SUCCEEDED', 'FAILED', 'RUNNING'] as const) {
      em.create(SyncRun, { ...own, mailbox, trigger: 'POLL', state, startedAt: NOW });
    }
    const requester = em.create(Contact, {
      ...own,
      name: `Carol ${index}`,
      emailAddress: `carol-${index}@fabrikam.example`,
    });
    const assignee = em.create(User, { ...own, name: `Agent ${index}`, role: 'AGENT' });
    em.create(MailRule, {
      ...own,
      name: `Rule ${index}`,
      position: index + 1,
      enabled: true,
      match: 'ALL',
      conditions: [],
      group,
      assignee,
      ignore: false,
      stop: false,
    });
    const subject = `Ticket ${index}`;
    const ticket = em.create(Ticket, {
      ...own,
      number: index + 1,
      subject,
      requester,
      assignee,
      group,
      mailbox,
      lastMessageAt: NOW,
    });
    for (let position = 0; position < 3; position += 1) {
      const message = em.create(Message, {
        ...own,
        ticket,
        kind: 'NOTE',
        to: [],
        cc: [],
        subject,
        text: `Message ${position} of ${subject}`,
        strippedText: '',
        author: assignee,
        createdAt: new Date(NOW.getTime() + position),
      });
      em.create(Attachment, {
        ...own,
        message,
        position: 0,
        name: `${position}.txt`,
        contentType: 'text/plain',
        sizeBytes: 1,
        state: 'PENDING',
      });
      em.create(InboundMessage, {
        ...own,
        mailbox,
        graphMessageId: crypto.randomUUID(),
        subject,
        outcome: 'TICKET_CREATED',
        reason: 'NEW_CONVERSATION',
        explanation: 'It is new.',
        ticket,
        message,
      });
    }
  }
  await em.flush();
  return secret;
}

const OPERATIONS = {
  'tickets with the people, the mailbox and the last message': `{ tickets(first: 50) { edges { node {
    requester { name } assignee { name } group { name } mailbox { emailAddress account { emailAddress } }
    messages(last: 1) { edges { node { text author { name } } } } } } } }`,
  'tickets with two pages of messages and their files': `{ tickets(first: 50) { edges { node {
    messages(first: 2) { edges { node { text ticket { number } attachments { name } } } pageInfo { endCursor } }
    last: messages(last: 1) { edges { node { text } } } } } } }`,
  'inbound messages with ticket, message and files': `{ inboundMessages(first: 50) { edges { node {
    mailbox { emailAddress } ticket { number requester { name } } message { text attachments { name } } } } } }`,
  'mailboxes with their sync, runs and account': `{ mailboxes(first: 50) { edges { node {
    account { emailAddress integration { clientId } } incoming { group { name } }
    syncStatus { state lastRun { state mailbox { emailAddress } } }
    syncRuns(first: 2) { edges { node { state } } } } } } }`,
  'mail rules with what they name': `{ mailRules(first: 50) { edges { node {
    actions { group { name } assignee { name } } problem { code } } } } }`,
  'integrations with their accounts, permissions and mailboxes': `{ integrations(first: 50) { edges { node {
    permissions { name } mailboxes(first: 1) { edges { node { emailAddress } } }
    accounts(first: 1) { edges { node { emailAddress mailboxes(first: 1) { edges { node { emailAddress } } } } } }
  } } } }`,
};

/**
 * What the request sends. The event bus reads its log with the same connections, whenever it likes, and nobody waits for the
 * time of a key's last use, which is written once a minute.
 */
async function statementsOf(key: string, query: string): Promise<string[]> {
  const all = await countStatements(server.own.database, async () => {
    const { errors } = await server.graphql(query, { key });
    expect(errors).toEqual([]);
  });
  return all.filter((sql) => !/\bfrom event\b|^update api_key set last_used_at\b/.test(sql));
}

test.each(Object.entries(OPERATIONS))(
  '%s: as many statements for fifty rows as for five',
  async (_what, query) => {
    const ofFew = await statementsOf(few, query);
    expect(ofFew.length).toBeGreaterThan(1);
    expect(await statementsOf(many, query)).toHaveLength(ofFew.length);
  },
);

test('each ticket gets its own messages, in their order, with cursors that go on', async () => {
  type Messages = { edges: { cursor: string; node: { text: string } }[]; pageInfo: object };
  interface Data {
    tickets: { edges: { node: { id: string; subject: string; first: Messages; last: Messages } }[] };
  }
  const page =
    'edges { cursor node { text } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
  const { data } = await server.graphql(
    `{ tickets(first: 50) { edges { node { id subject first: messages(first: 2) { ${page} } last: messages(last: 1) { ${page} } } } } }`,
    { key: many },
  );
  const { edges } = (data as unknown as Data).tickets;
  expect(edges).toHaveLength(MANY);
  for (const { node } of edges) {
    const texts = ({ edges: found }: Messages) => found.map((edge) => edge.node.text);
    expect(texts(node.first)).toEqual([0, 1].map((position) => `Message ${position} of ${node.subject}`));
    expect(texts(node.last)).toEqual([`Message 2 of ${node.subject}`]);
  }
  const sample = edges[17]?.node;
  const alone = await server.graphql(
    `query ($id: ID!, $after: String) { ticket(id: $id) { first: messages(first: 2) { ${page} }
       last: messages(last: 1) { ${page} } next: messages(after: $after) { edges { node { text } } } } }`,
    { key: many, variables: { id: sample?.id, after: sample?.first.edges.at(-1)?.cursor } },
  );
  expect(alone.data).toEqual({
    ticket: {
      first: sample?.first,
      last: sample?.last,
      next: { edges: [{ node: { text: `Message 2 of ${sample?.subject}` } }] },
    },
  });
});

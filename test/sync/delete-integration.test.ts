import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
let desk: Desk;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const DELETE = `mutation ($id: ID!) { deleteIntegration(input: { integrationId: $id }) { __typename
  ... on DeleteIntegrationPayload { deletedIntegrationId } ... on Error { code } } }`;
type Deleted = { deleteIntegration: { __typename: string; deletedIntegrationId?: string; code?: string } };

/** A mailbox that has brought in a mail with a file, and its integration. */
async function filled(owner: Desk = desk) {
  const { mailboxId, address } = await owner.connectMailbox();
  await owner.enable(mailboxId);
  await deliver(app.emulator.url, {
    to: address,
    subject: `Kept ${address}`,
    text: 'Please keep me',
    attachments: [{ name: 'a.txt', contentBytes: Buffer.from('file').toString('base64') }],
  });
  await owner.sync(mailboxId);
  await eventually('its file is stored', async () => {
    const files = await forkAcrossOrganizations(app.database).execute<{ state: string }[]>(
      `select attachment.state from attachment join message on message.id = attachment.message_id where message.subject = ?`,
      [`Kept ${address}`],
    );
    return files[0]?.state === 'STORED';
  });
  const { node } = await owner.request<{ node: { account: { id: string; integration: { id: string } } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { account { id integration { id } } } } }',
    { id: mailboxId },
  );
  return { mailboxId, address, accountId: node.account.id, integrationId: node.account.integration.id };
}

/** Signs in with a known address through an integration made anew. */
async function connectAgain(address: string): Promise<void> {
  const { createIntegration } = await desk.request<{ createIntegration: { integration: { id: string } } }>(
    `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
       ... on CreateIntegrationPayload { integration { id } } } }`,
    { input: { tenantId: 'organizations', clientId: crypto.randomUUID(), clientSecret: 'another secret' } },
  );
  const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
       ... on StartSignInPayload { authorizationUrl } } }`,
    { input: { integrationId: createIntegration.integration.id } },
  );
  await signInAs(startSignIn.authorizationUrl, address);
}

interface KeptTicket {
  id: string;
  subject: string;
  mailbox: { id: string } | null;
  messages: { edges: { node: { text: string; attachments: { name: string }[] } }[] };
}

async function ticketOf(subject: string): Promise<KeptTicket | undefined> {
  const { tickets } = await desk.request<{ tickets: { edges: { node: KeptTicket }[] } }>(
    `{ tickets(first: 10) { edges { node { id subject mailbox { id }
       messages { edges { node { text attachments { name } } } } } } } }`,
  );
  return tickets.edges.map(({ node }) => node).find((ticket) => ticket.subject === subject);
}

async function ledgerOf(mailboxId: string): Promise<{ subject: string; outcome: string }[]> {
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: { subject: string; outcome: string } }[] };
  }>(
    `query ($filter: InboundMessageFilter) { inboundMessages(first: 100, filter: $filter) {
       edges { node { subject outcome } } } }`,
    { filter: { mailboxId } },
  );
  return inboundMessages.edges.map(({ node }) => node);
}

async function countOf(table: string): Promise<number> {
  const [row] = await forkAcrossOrganizations(app.database).execute<{ count: number }[]>(
    `select count(*)::int as count from ${table}`,
  );
  return row?.count ?? 0;
}

test('delete configuration: credentials, accounts, tokens and settings go; tickets, messages and files stay', async () => {
  const { mailboxId, address, accountId, integrationId } = await filled();
  const subject = `Kept ${address}`;
  expect((await ticketOf(subject))?.mailbox).toEqual({ id: mailboxId });
  expect(await desk.request<Deleted>(DELETE, { id: integrationId })).toEqual({
    deleteIntegration: { __typename: 'DeleteIntegrationPayload', deletedIntegrationId: integrationId },
  });
  const ticket = await ticketOf(subject);
  expect(ticket?.mailbox).toEqual({ id: mailboxId });
  expect(ticket?.messages.edges[0]?.node).toMatchObject({
    text: expect.stringContaining('Please keep me'),
    attachments: [{ name: 'a.txt' }],
  });
  for (const id of [integrationId, accountId]) {
    expect(await desk.request('query ($id: ID!) { node(id: $id) { id } }', { id })).toEqual({ node: null });
  }
  expect(
    await desk.request(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { emailAddress removedAt account { id } incoming { enabled } } }
         mailboxes(first: 10) { edges { node { id } } } }`,
      { id: mailboxId },
    ),
  ).toEqual({
    node: {
      emailAddress: address,
      removedAt: expect.any(String),
      account: null,
      incoming: { enabled: false },
    },
    mailboxes: { edges: [] },
  });
  expect(await ledgerOf(mailboxId)).toEqual([{ subject, outcome: 'TICKET_CREATED' }]);
  for (const table of ['integration', 'account', 'sign_in_attempt']) {
    expect([table, await countOf(table)]).toEqual([table, 0]);
  }
  // Once more: there is nothing left to delete.
  expect(await desk.request<Deleted>(DELETE, { id: integrationId })).toMatchObject({
    deleteIntegration: { code: 'NOT_FOUND' },
  });
});

test('connecting again after a deletion doubles no mail, neither by sync nor by reconciliation', async () => {
  const { mailboxId, address, integrationId } = await filled();
  await desk.request<Deleted>(DELETE, { id: integrationId });
  await deliver(app.emulator.url, { to: address, subject: `Between ${address}`, text: 'Hello' });
  await connectAgain(address);
  await desk.enable(mailboxId);
  await deliver(app.emulator.url, { to: address, subject: `After ${address}`, text: 'Hello' });
  await desk.sync(mailboxId);
  const since = new Date(Date.UTC(2000, 0, 1)).toISOString();
  const { reconcileMailbox } = await desk.request<{
    reconcileMailbox: { reconciliation?: { id: string }; message?: string };
  }>(
    `mutation ($input: ReconcileMailboxInput!) { reconcileMailbox(input: $input) {
       ... on ReconcileMailboxPayload { reconciliation { id } } ... on Error { message } } }`,
    { input: { mailboxId, since } },
  );
  expect(reconcileMailbox).toMatchObject({ reconciliation: { id: expect.any(String) } });
  await eventually('the reconciliation ends', async () => {
    const { node } = await desk.request<{ node: { state: string } }>(
      'query ($id: ID!) { node(id: $id) { ... on Reconciliation { state } } }',
      { id: reconcileMailbox.reconciliation?.id },
    );
    return !['QUEUED', 'RUNNING'].includes(node.state);
  });
  expect((await ledgerOf(mailboxId)).filter(({ subject }) => subject === `Kept ${address}`)).toHaveLength(1);
  const { tickets } = await desk.request<{ tickets: { edges: { node: { subject: string } }[] } }>(
    '{ tickets(first: 100) { edges { node { subject } } } }',
  );
  const subjects = tickets.edges.map(({ node }) => node.subject).filter((text) => text.endsWith(address));
  expect(subjects.filter((text) => text.startsWith('Kept'))).toHaveLength(1);
  expect(subjects).toContain(`After ${address}`);
  const { node } = await desk.request<{ node: { account: { integration: { id: string } } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { account { integration { id } } } } }',
    { id: mailboxId },
  );
  await desk.request<Deleted>(DELETE, { id: node.account.integration.id });
});

test('what Microsoft does not take back does not hold it up', async () => {
  const { integrationId, address } = await filled();
  await fetch(`${app.emulator.url}/_emulator/tokens/revoke`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ address, accessTokensToo: true }),
  });
  expect(await desk.request<Deleted>(DELETE, { id: integrationId })).toMatchObject({
    deleteIntegration: { deletedIntegrationId: integrationId },
  });
});

test('in the midst of a sync: the mail that was stored stays, and the server goes on', async () => {
  const { integrationId, mailboxId, address } = await filled();
  await deliverMany(
    app.emulator.url,
    Array.from({ length: 60 }, (_, index) => ({ to: address, subject: `Many ${index}`, text: 'Hello' })),
  );
  const running = desk.sync(mailboxId).catch(() => null);
  expect(await desk.request<Deleted>(DELETE, { id: integrationId })).toMatchObject({
    deleteIntegration: { deletedIntegrationId: integrationId },
  });
  await running;
  expect(await countOf('mailbox where removed_at is null')).toBe(0);
  const again = await filled();
  await desk.request<Deleted>(DELETE, { id: again.integrationId });
});

test('two at the same time: one deletes, the other finds nothing', async () => {
  const { integrationId } = await filled();
  const outcomes = await Promise.all([1, 2].map(() => desk.request<Deleted>(DELETE, { id: integrationId })));
  expect(outcomes.map(({ deleteIntegration }) => deleteIntegration.__typename).sort()).toEqual([
    'DeleteIntegrationPayload',
    'NotFoundError',
  ]);
});

test('is forbidden to agents, and to others the integration does not exist', async () => {
  const others = await app.newDesk('Others');
  const { integrationId } = await filled(others);
  expect(await desk.request<Deleted>(DELETE, { id: integrationId })).toMatchObject({
    deleteIntegration: { code: 'NOT_FOUND' },
  });
  const agent = await signIn(app.database, others.organizationId, 'AGENT');
  const answer = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${agent.secret}` },
    body: JSON.stringify({ query: DELETE, variables: { id: integrationId } }),
  });
  expect(await answer.text()).toMatch(/FORBIDDEN/);
  expect(await countOf('integration')).toBe(1);
});

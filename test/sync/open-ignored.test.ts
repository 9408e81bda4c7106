import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { control, type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { deliver, foldersOf, type TestMail } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { makeRule } from '../ticketing/mail-rule-desk.ts';
import {
  askToImport,
  callImport,
  daysAgo,
  importOf,
  importReaches,
  LATER_PAGES,
  lastImportOf,
  leave,
} from './import-harness.ts';

let graph: GraphWay;
let app: TestApp;
beforeAll(async () => {
  graph = await startGraphWay();
  app = await startTestApp({}, { env: { MICROSOFT_GRAPH_URL: graph.url } });
  graph.target = app.emulator.graphUrl;
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await graph?.[Symbol.asyncDispose]();
});

interface Row {
  id: string;
  subject: string;
  outcome: string;
  reason: string;
  explanation: string;
  attempts: number;
  ticket: { number: number; subject: string; status: string; messages: { edges: unknown[] } } | null;
  message: { automatic: string | null } | null;
  problem: { code: string } | null;
}

const ROW = `id subject outcome reason explanation attempts problem { code } message { automatic }
  ticket { number subject status messages { edges { node { id } } } }`;
const RETRY = `mutation ($input: RetryInboundMessageInput!) { it: retryInboundMessage(input: $input) { __typename
  ... on RetryInboundMessagePayload { inboundMessage { id } } ... on Error { code message remedy } } }`;
type Answer = { __typename: string; code?: string; remedy?: string };

async function open(settings: Record<string, unknown> = {}) {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, settings);
  const rows = async () =>
    (
      await desk.request<{ inboundMessages: { edges: { node: Row }[] } }>(
        `{ inboundMessages { edges { node { ${ROW} } } } }`,
      )
    ).inboundMessages.edges.map(({ node }) => node);
  const receive = async (mail: Omit<TestMail, 'to'> & { headers?: Record<string, string> }) => {
    const { internetMessageId } = await deliver(app.emulator.url, { to: address, ...mail });
    await desk.sync(mailboxId);
    const row = (await rows()).find(({ subject }) => subject === mail.subject);
    if (!row) throw new Error('The ledger has no row.');
    return { row, internetMessageId };
  };
  const openTicket = async (inboundMessageId: string) =>
    (await desk.request<{ it: Answer }>(RETRY, { input: { inboundMessageId, openTicket: true } })).it;
  const opened = (id: string, outcome = 'TICKET_CREATED') =>
    eventually('it is part of a ticket', async () => {
      const row = (await rows()).find((one) => one.id === id);
      return row?.outcome === outcome ? row : false;
    });
  return { desk, mailboxId, address, rows, receive, openTicket, opened };
}

const settings = (desk: Desk, input: Record<string, unknown>) =>
  desk.request<{ it: { code?: string } }>(
    `mutation ($input: UpdateIncomingSettingsInput!) { it: updateIncomingSettings(input: $input) {
       ... on Error { code } } }`,
    { input },
  );

describe('a message that was ignored opens a ticket when a person asks for it', () => {
  test('whatever rule left it out; the ledger says both, and asking again changes nothing', async () => {
    const { desk, receive, openTicket, opened, rows } = await open();
    await makeRule(desk, 'No invoices', { actions: { ignore: true } });
    await makeRule(desk, 'Tagged', { actions: { tags: ['kept'] } });
    const { row } = await receive({ subject: 'A word about an invoice' });
    expect(row).toMatchObject({ outcome: 'IGNORED', reason: 'MAIL_RULE' });
    expect(await openTicket(row.id)).toMatchObject({ __typename: 'RetryInboundMessagePayload' });
    const after = await opened(row.id);
    expect(after).toMatchObject({ reason: 'NEW_CONVERSATION', attempts: 2, problem: null });
    expect(after.explanation).toBe(
      'A new conversation: it refers to no other message. A person asked for it, though it had been left alone ' +
        '(“Ignored by the mail rule "No invoices".”). By the mail rule "Tagged". ' +
        'The mail rule "No invoices" would ignore it, but a person asked for it.',
    );
    expect(after.ticket).toMatchObject({ number: 1, subject: 'A word about an invoice' });
    expect(await openTicket(row.id)).toMatchObject({ __typename: 'RetryInboundMessagePayload' });
    expect(await rows()).toEqual([after]);
  });

  test('whoever was taken for a robot; nothing answers it all the same', async () => {
    const { receive, openTicket, opened } = await open();
    const headers = { 'Auto-Submitted': 'auto-replied' };
    const { row } = await receive({ subject: 'Help', headers });
    expect(row).toMatchObject({ outcome: 'IGNORED', reason: 'AUTO_REPLY' });
    await openTicket(row.id);
    const after = await opened(row.id);
    expect(after.message).toEqual({ automatic: 'AUTO_REPLY' });
    expect(after.explanation).toContain('Nothing answers it by itself.');
  });

  test('where the mailbox opens no tickets, and it is archived as any other', async () => {
    const { address, receive, openTicket, opened } = await open({
      createTickets: false,
      afterProcessing: 'ARCHIVE',
      archiveFolderId: 'archive',
    });
    const { row } = await receive({ subject: 'Hello' });
    expect(row).toMatchObject({ outcome: 'IGNORED', reason: 'TICKETS_OFF' });
    await openTicket(row.id);
    expect((await opened(row.id)).ticket).toMatchObject({ number: 1 });
    await eventually('it is archived', async () =>
      (await foldersOf(app.emulator.url, address)).get('Archive')?.includes('Hello'),
    );
  });

  test('asked for by several at once, it is one ticket of one message', async () => {
    const { receive, openTicket, opened, rows, desk } = await open({ createTickets: false });
    const { row } = await receive({ subject: 'Hello' });
    await Promise.all(Array.from({ length: 8 }, () => openTicket(row.id)));
    await opened(row.id);
    const { tickets } = await desk.request<{ tickets: { edges: unknown[] } }>(
      '{ tickets { edges { node { id } } } }',
    );
    expect(tickets.edges).toHaveLength(1);
    expect((await rows())[0]?.ticket?.messages.edges).toHaveLength(1);
  });

  test('what belongs to a ticket joins it, and opens it again', async () => {
    const { desk, receive, openTicket, opened } = await open();
    const first = await receive({ subject: 'Printer' });
    await desk.request(
      `mutation { updateTicket(input: { ticketId: "${await ticketId(desk)}", status: CLOSED }) { __typename } }`,
    );
    const headers = {
      'Content-Type': 'multipart/report; report-type=disposition-notification; boundary=b',
    };
    const { row } = await receive({ subject: 'Read: Printer', inReplyTo: first.internetMessageId, headers });
    expect(row).toMatchObject({ outcome: 'IGNORED', reason: 'READ_RECEIPT', ticket: { status: 'CLOSED' } });
    await openTicket(row.id);
    const after = await opened(row.id, 'REPLY_ADDED');
    expect(after.ticket).toMatchObject({ number: 1, status: 'OPEN' });
  });
});

async function ticketId(desk: Desk): Promise<string> {
  const { tickets } = await desk.request<{ tickets: { edges: { node: { id: string } }[] } }>(
    '{ tickets { edges { node { id } } } }',
  );
  return tickets.edges[0]?.node.id ?? '';
}

test('copies, mail of a deleted ticket and unknown messages are refused, and stay as they are', async () => {
  const { desk, receive, openTicket, rows } = await open();
  const { row, internetMessageId } = await receive({ subject: 'First', text: 'Same' });
  expect(await openTicket(row.id)).toMatchObject({ __typename: 'RetryInboundMessagePayload' });
  await receive({ subject: 'Copy', text: 'Same', messageId: internetMessageId });
  const copy = (await rows()).find(({ reason }) => reason === 'DUPLICATE');
  expect(await openTicket(copy?.id ?? '')).toMatchObject({ code: 'TICKET_NOT_OPENED' });
  await desk.request(
    `mutation { deleteTicket(input: { ticketId: "${await ticketId(desk)}" }) { __typename } }`,
  );
  const gone = await openTicket(row.id);
  expect(gone).toMatchObject({ code: 'TICKET_NOT_OPENED' });
  expect(gone.remedy).toContain('does not come back');
  expect((await rows()).map(({ outcome }) => outcome)).toEqual(['IGNORED', 'IGNORED']);
  const unknown = Buffer.from(`InboundMessage:${crypto.randomUUID()}`).toString('base64url');
  expect(await openTicket(unknown)).toMatchObject({ code: 'NOT_FOUND' });
});

test('without the flag an ignored message is refused as before, and the answer names the flag', async () => {
  const { desk, receive } = await open({ createTickets: false });
  const { row } = await receive({ subject: 'Hello' });
  const { it } = await desk.request<{ it: Answer }>(RETRY, { input: { inboundMessageId: row.id } });
  expect(it).toMatchObject({ code: 'INBOUND_MESSAGE_NOT_FAILED' });
  expect(it.remedy).toContain('openTicket: true');
});

test('an agent may not, and another organization does not find it', async () => {
  const { desk, receive, rows } = await open({ createTickets: false });
  const { row } = await receive({ subject: 'Hello' });
  const input = { inboundMessageId: row.id, openTicket: true };
  const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
  await expect(graphqlRequest(app.url, secret, RETRY, { input })).rejects.toThrow(/permission/i);
  const other = await app.newDesk();
  expect((await other.request<{ it: Answer }>(RETRY, { input })).it).toMatchObject({ code: 'NOT_FOUND' });
  expect((await rows())[0]).toEqual(row);
});

test('what is no longer in the mailbox stays ignored, and says why it was not opened; restored, it is', async () => {
  const { address, receive, openTicket, opened, rows } = await open({ createTickets: false });
  const { row } = await receive({ subject: 'Hello' });
  await control(app.emulator.url, 'faults', {
    mailbox: address,
    pathPattern: '/messages/[^/?]+\\?',
    status: 404,
    errorCode: 'ErrorItemNotFound',
  });
  await openTicket(row.id);
  const after = await eventually('the problem is told', async () => {
    const [one] = await rows();
    return one?.problem ? one : false;
  });
  expect(after).toMatchObject({
    outcome: 'IGNORED',
    reason: 'TICKETS_OFF',
    attempts: 2,
    problem: { code: 'ITEM_NOT_FOUND' },
  });
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  await openTicket(row.id);
  expect(await opened(row.id)).toMatchObject({ attempts: 3, problem: null, ticket: { number: 1 } });
});

describe('existing mail and a mailbox that opens no tickets', () => {
  const HISTORY = Array.from({ length: 120 }, (_, index) => ({
    subject: `Old ${index}`,
    receivedDateTime: daysAgo(30, index),
  }));

  test('is not imported: it would be ignored for good; with tickets on it is', async () => {
    const desk = await app.newDesk();
    const { mailboxId, address } = await desk.connectMailbox();
    await leave(app, address, HISTORY.slice(0, 2));
    const enabling = { mailboxId, enabled: true, createTickets: false };
    const existingMail = { mode: 'ARCHIVE' };
    const refused = await settings(desk, { ...enabling, existingMail });
    expect(refused.it.code).toBe('CREATE_TICKETS_OFF');
    await desk.enable(mailboxId, { createTickets: false });
    expect(await callImport(desk, 'importExistingMail', { mailboxId, mode: 'ARCHIVE' })).toEqual({
      code: 'CREATE_TICKETS_OFF',
    });
    expect(await lastImportOf(desk, mailboxId)).toBeNull();
    await settings(desk, { mailboxId, createTickets: true });
    const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
    expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ created: 2, ignored: 0 });
  });

  test('stops when tickets are switched off meanwhile, says so, and goes on with them; nothing was ignored', async () => {
    const desk = await app.newDesk();
    await desk.withoutStormLimits();
    const { mailboxId, address } = await desk.connectMailbox();
    await leave(app, address, HISTORY);
    await desk.enable(mailboxId);
    const held = graph.hold(LATER_PAGES);
    const mailImportId = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
    await eventually('a page is stored', async () => (await importOf(desk, mailImportId)).seen >= 100);
    await settings(desk, { mailboxId, createTickets: false });
    held.release();
    const stopped = await eventually('it has ended', async () => {
      const figures = await importOf(desk, mailImportId);
      return ['CANCELLED', 'SUCCEEDED'].includes(figures.state) ? figures : false;
    });
    expect(stopped).toMatchObject({
      state: 'CANCELLED',
      ignored: 0,
      problem: { code: 'IMPORT_SETTINGS_CHANGED' },
    });
    expect(await callImport(desk, 'resumeImport', { mailImportId })).toEqual({ code: 'CREATE_TICKETS_OFF' });
    await settings(desk, { mailboxId, createTickets: true });
    await callImport(desk, 'resumeImport', { mailImportId });
    expect(await importReaches(desk, mailImportId, 'SUCCEEDED')).toMatchObject({ created: 120, ignored: 0 });
  });
});

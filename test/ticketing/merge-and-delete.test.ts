import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, type TestMail } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

async function open() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const receive = async (mail: Omit<TestMail, 'to'>) => {
    const delivered = await deliver(app.emulator.url, { to: address, ...mail });
    await desk.sync(mailboxId);
    return delivered.internetMessageId;
  };
  return { desk, receive, mailboxId };
}

interface Shown {
  id: string;
  number: number;
  status: string;
  tags: string[];
  followUpOf: { number: number } | null;
  messages: { edges: { node: { kind: string; text: string; subject: string } }[] };
}
const tickets = async (desk: Desk) =>
  (
    await desk.request<{ tickets: { edges: { node: Shown }[] } }>(
      `{ tickets(orderBy: { field: NUMBER, direction: ASC }) { edges { node { id number status tags followUpOf { number }
         messages { edges { node { kind text subject } } } } } } }`,
    )
  ).tickets.edges.map(({ node }) => node);
const ledger = async (desk: Desk) =>
  (
    await desk.request<{
      inboundMessages: { edges: { node: { outcome: string; reason: string; explanation: string } }[] };
    }>('{ inboundMessages { edges { node { outcome reason explanation ticket { number } } } } }')
  ).inboundMessages.edges.map(({ node }) => node);
const mailsOf = (ticket: Shown | undefined) =>
  ticket?.messages.edges.flatMap(({ node }) => (node.kind === 'INBOUND' ? node.subject : []));
const byNumber = async (desk: Desk, number: number) =>
  (
    await desk.request<{ ticket: { number: number } | null }>(
      'query ($number: Int) { ticket(number: $number) { number } }',
      { number },
    )
  ).ticket;
const MERGE = `mutation ($input: MergeTicketsInput!) { it: mergeTickets(input: $input) {
  ... on MergeTicketsPayload { ticket { number } } ... on Error { code } } }`;
const DELETE = `mutation ($input: DeleteTicketInput!) { it: deleteTicket(input: $input) {
  ... on DeleteTicketPayload { deletedTicketId } ... on Error { code } } }`;
const run = async (desk: Desk, mutation: string, input: Record<string, unknown>) =>
  (await desk.request<{ it: Record<string, unknown> }>(mutation, { input })).it;

describe('a merged ticket', () => {
  test('leaves its messages, tags, number, token and later replies to the other one', async () => {
    const { desk, receive } = await open();
    await receive({ subject: 'Printer' });
    const second = await receive({ subject: 'Scanner' });
    const [printer, scanner] = await tickets(desk);
    await run(
      desk,
      `mutation ($input: UpdateTicketInput!) { it: updateTicket(input: $input) { __typename } }`,
      { ticketId: scanner?.id, tags: ['hardware'] },
    );
    const input = { ticketId: scanner?.id, intoTicketId: printer?.id };
    expect(await run(desk, MERGE, input)).toEqual({ ticket: { number: 1 } });
    const merged = await tickets(desk);
    expect(await run(desk, MERGE, input)).toEqual({ ticket: { number: 1 } });
    expect(await tickets(desk)).toEqual(merged);

    await receive({ subject: 'Re: Scanner', inReplyTo: second });
    await receive({ subject: '[#2] Once more' });
    const [one, ...none] = await tickets(desk);
    expect(none).toEqual([]);
    expect(mailsOf(one)).toEqual(['Printer', 'Scanner', 'Re: Scanner', '[#2] Once more']);
    expect(one?.tags).toEqual(['hardware']);
    expect(one?.messages.edges.map(({ node }) => node.text)).toContain(
      'Ticket #2 “Scanner” of carol@fabrikam.example was merged into this one.',
    );
    expect(await byNumber(desk, 2)).toEqual({ number: 1 });
    expect((await ledger(desk))[2]?.explanation).toMatch(/Ticket #2 was merged into ticket #1 later\.$/);
    await receive({ subject: 'Another' });
    expect((await tickets(desk)).map(({ number }) => number)).toEqual([1, 3]);
  });

  test('may have had others merged into it', async () => {
    const { desk, receive } = await open();
    for (const subject of ['One', 'Two', 'Three']) await receive({ subject });
    const [one, two, three] = await tickets(desk);
    await run(desk, MERGE, { ticketId: one?.id, intoTicketId: two?.id });
    await run(desk, MERGE, { ticketId: two?.id, intoTicketId: three?.id });
    for (const number of [1, 2, 3]) expect(await byNumber(desk, number)).toEqual({ number: 3 });
  });

  test('is not itself, nor of another organization', async () => {
    const [ours, theirs] = [await open(), await open()];
    for (const { receive } of [ours, theirs]) await receive({ subject: 'Printer' });
    const [[our], [their]] = [await tickets(ours.desk), await tickets(theirs.desk)];
    const merge = (ticketId?: string, intoTicketId?: string) =>
      run(ours.desk, MERGE, { ticketId, intoTicketId });
    expect(await merge(our?.id, our?.id)).toEqual({ code: 'INVALID_INPUT' });
    expect(await merge(their?.id, our?.id)).toEqual({ code: 'NOT_FOUND' });
    expect(await merge(our?.id, their?.id)).toEqual({ code: 'NOT_FOUND' });
    expect(await run(ours.desk, DELETE, { ticketId: their?.id })).toEqual({ code: 'NOT_FOUND' });
    expect(await tickets(theirs.desk)).toMatchObject([{ number: 1 }]);
  });
});

describe('the mail of a deleted ticket', () => {
  test('comes back neither by a sync from the beginning, nor by a reconciliation, nor as a copy', async () => {
    const { desk, receive, mailboxId } = await open();
    await receive({ subject: 'Printer' });
    const [printer] = await tickets(desk);
    expect(await run(desk, DELETE, { ticketId: printer?.id })).toEqual({ deletedTicketId: printer?.id });
    expect(await run(desk, DELETE, { ticketId: printer?.id })).toEqual({ deletedTicketId: printer?.id });
    await forkFor(app.database, desk.organizationId).execute(
      'update sync_state set cursor = null, round = null, covered_until = null where organization_id = ?',
      [desk.organizationId],
    );
    await desk.sync(mailboxId);
    const { reconcileMailbox } = await desk.request<{
      reconcileMailbox: { reconciliation: { id: string } };
    }>(
      `mutation ($id: ID!) { reconcileMailbox(input: { mailboxId: $id }) {
         ... on ReconcileMailboxPayload { reconciliation { id } } } }`,
      { id: mailboxId },
    );
    const { node } = await eventually('the reconciliation ends', async () => {
      const answer = await desk.request<{ node: { state: string; missing: number } }>(
        'query ($id: ID!) { node(id: $id) { ... on Reconciliation { state missing } } }',
        { id: reconcileMailbox.reconciliation.id },
      );
      return ['SUCCEEDED', 'FAILED'].includes(answer.node.state) && answer;
    });
    expect(node).toEqual({ state: 'SUCCEEDED', missing: 0 });
    expect(await tickets(desk)).toEqual([]);
    expect(await ledger(desk)).toEqual([
      {
        outcome: 'IGNORED',
        reason: 'TICKET_DELETED',
        explanation: 'Ignored: it belongs to ticket #1, which was deleted.',
        ticket: null,
      },
    ]);
  });

  test('also not as a copy, while a reply to it opens a new ticket, with a new number', async () => {
    const { desk, receive } = await open();
    const messageId = '<printer@fabrikam.example>';
    await receive({ subject: 'Printer', messageId });
    const [printer] = await tickets(desk);
    await run(desk, DELETE, { ticketId: printer?.id });
    await receive({ subject: 'Printer', messageId });
    expect(await tickets(desk)).toEqual([]);
    expect((await ledger(desk)).map(({ reason }) => reason)).toEqual(['TICKET_DELETED', 'TICKET_DELETED']);
    await receive({ subject: 'Re: [#1] Printer', inReplyTo: messageId });
    expect(await tickets(desk)).toMatchObject([{ number: 2 }]);
    expect((await ledger(desk))[0]?.explanation).toMatch(/ticket #1, which was deleted/);
    expect(await byNumber(desk, 1)).toBeNull();
  });

  test('stays when somebody else changed the ticket, or when the role does not allow it', async () => {
    const { desk, receive } = await open();
    await receive({ subject: 'Printer' });
    const [printer] = await tickets(desk);
    expect(await run(desk, DELETE, { ticketId: printer?.id, expectedVersion: 99 })).toEqual({
      code: 'TICKET_CHANGED',
    });
    const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
    await expect(
      graphqlRequest(app.url, secret, DELETE, { input: { ticketId: printer?.id } }),
    ).rejects.toThrow();
    expect(await tickets(desk)).toHaveLength(1);
  });
});

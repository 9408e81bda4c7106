import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { createApiKey } from '../../src/access/api-keys.ts';
import { createUser } from '../../src/access/users.ts';
import { forkFor } from '../../src/platform/database.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

const CREATE = `mutation ($input: CreateTicketInput!) { createTicket(input: $input) { __typename
  ... on CreateTicketPayload { ticket { id number subject status priority version tags requester { id name emailAddress }
    assignee { id name } mailbox { id } messages { edges { node { id kind text html author { name } attachments { id } } } } } }
  ... on Error { code message remedy } } }`;
const UPDATE = `mutation ($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename
  ... on UpdateTicketPayload { ticket { id status version closedAt assignee { id } } } ... on Error { code } } }`;
const NOTE = `mutation ($input: AddNoteInput!) { addNote(input: $input) { __typename
  ... on AddNotePayload { message { id kind text ticket { id lastMessageAt } } } ... on Error { code } } }`;

interface Result {
  __typename: string;
  code?: string;
  ticket: {
    id: string;
    number: number;
    version: number;
    status: string;
    messages: { edges: { node: { id: string } }[] };
    requester: { id: string };
  };
  message: { id: string };
}
const create = async (desk: Desk, input: Record<string, unknown> = {}) =>
  (
    await desk.request<{ createTicket: Result }>(CREATE, {
      input: { subject: 'Printer', text: 'It burns.', requesterEmail: 'carla@customer.example', ...input },
    })
  ).createTicket;
const update = async (desk: Desk, input: Record<string, unknown>) =>
  (await desk.request<{ updateTicket: Result }>(UPDATE, { input })).updateTicket;

describe('tickets by hand', () => {
  test('are opened, changed, noted, found by id and number, and listed', async () => {
    const desk = await app.newDesk();
    const made = await create(desk, { tags: ['a'], priority: 'HIGH' });
    expect(made).toMatchObject({
      __typename: 'CreateTicketPayload',
      ticket: {
        number: 1,
        status: 'OPEN',
        priority: 'HIGH',
        tags: ['a'],
        assignee: null,
        mailbox: null,
        requester: { emailAddress: 'carla@customer.example' },
        messages: { edges: [{ node: { kind: 'NOTE', text: 'It burns.', html: null, attachments: [] } }] },
      },
    });
    const ticketId = made.ticket.id;
    const { viewer } = await desk.request<{ viewer: { user: { id: string } } }>('{ viewer { user { id } } }');
    expect(await update(desk, { ticketId, status: 'CLOSED', assigneeId: viewer.user.id })).toMatchObject({
      ticket: {
        status: 'CLOSED',
        version: 2,
        closedAt: expect.any(String),
        assignee: { id: viewer.user.id },
      },
    });
    expect(await update(desk, { ticketId, assigneeId: null })).toMatchObject({
      ticket: { assignee: null, version: 3 },
    });
    const { addNote } = await desk.request<{ addNote: Result }>(NOTE, {
      input: { ticketId, text: 'Called.' },
    });
    expect(addNote).toMatchObject({ message: { kind: 'NOTE', text: 'Called.', ticket: { id: ticketId } } });
    const read = await desk.request(
      `query ($id: ID!) { ticket(id: $id) { number } byNumber: ticket(number: 1) { id } none: ticket(number: 99) { id }
        garbage: ticket(id: "x") { id } node(id: $id) { ... on Ticket { number } }
        tickets(filter: { status: [CLOSED], requesterEmail: "CARLA@customer.example" }, orderBy: { field: NUMBER, direction: ASC }) {
          edges { node { id } } pageInfo { hasNextPage } }
        contacts { edges { node { emailAddress } } } }`,
      { id: ticketId },
    );
    expect(read).toEqual({
      ticket: { number: 1 },
      byNumber: { id: ticketId },
      none: null,
      garbage: null,
      node: { number: 1 },
      tickets: { edges: [{ node: { id: ticketId } }], pageInfo: { hasNextPage: false } },
      contacts: { edges: [{ node: { emailAddress: 'carla@customer.example' } }] },
    });
  });

  test('refuse bad input, unknown ids and old versions with typed errors', async () => {
    const desk = await app.newDesk();
    expect(await create(desk, { subject: ' ' })).toMatchObject({
      __typename: 'InvalidInputError',
      code: 'INVALID_INPUT',
    });
    expect(await create(desk, { assigneeId: 'x' })).toMatchObject({
      __typename: 'NotFoundError',
      code: 'NOT_FOUND',
    });
    const { ticket } = await create(desk);
    await update(desk, { ticketId: ticket.id, priority: 'LOW' });
    expect(await update(desk, { ticketId: ticket.id, priority: 'HIGH', expectedVersion: 1 })).toMatchObject({
      code: 'TICKET_CHANGED',
    });
    await expect(desk.request('{ tickets(after: "x") { pageInfo { hasNextPage } } }')).rejects.toThrow(
      /cursor/,
    );
    await expect(desk.request('{ ticket { id } }')).rejects.toThrow(/Neither/);
  });

  test('of another organization answer as if they did not exist, to every operation', async () => {
    const [desk, stranger] = [await app.newDesk('A'), await app.newDesk('B')];
    const { ticket } = await create(desk);
    const { viewer } = await desk.request<{ viewer: { user: { id: string } } }>('{ viewer { user { id } } }');
    const ids = { t: ticket.id, m: ticket.messages.edges[0]?.node.id, c: ticket.requester.id };
    expect(
      await stranger.request(
        `query ($t: ID!, $m: ID!, $c: ID!) { ticket(id: $t) { id } t: node(id: $t) { id } m: node(id: $m) { id } c: node(id: $c) { id }
          tickets { edges { node { id } } } contacts { edges { node { id } } } inboundMessages { edges { node { id } } } }`,
        ids,
      ),
    ).toEqual({
      ticket: null,
      t: null,
      m: null,
      c: null,
      tickets: { edges: [] },
      contacts: { edges: [] },
      inboundMessages: { edges: [] },
    });
    expect(await update(stranger, { ticketId: ticket.id, status: 'CLOSED' })).toMatchObject({
      code: 'NOT_FOUND',
    });
    const { addNote } = await stranger.request<{ addNote: Result }>(NOTE, {
      input: { ticketId: ticket.id, text: 'x' },
    });
    expect(addNote).toMatchObject({ code: 'NOT_FOUND' });
    expect(await create(stranger, { assigneeId: viewer.user.id })).toMatchObject({
      code: 'ASSIGNEE_NOT_AVAILABLE',
    });
    expect(await create(stranger)).toMatchObject({ ticket: { number: 1 } });
  });

  test('are read by a VIEWER and changed by nobody without the permission', async () => {
    const desk = await app.newDesk();
    const { ticket } = await create(desk);
    const em = forkFor(app.database, desk.organizationId);
    const user = await createUser(em, {
      actor: SYSTEM,
      organizationId: desk.organizationId,
      name: 'V',
      role: 'VIEWER',
    });
    const { secret } = await createApiKey(em, { actor: SYSTEM, user, name: 'key' });
    const viewer: Desk = {
      ...desk,
      request: (query, variables) => graphqlRequest(app.url, secret, query, variables),
    };
    expect(
      await viewer.request('query ($id: ID!) { ticket(id: $id) { number } }', { id: ticket.id }),
    ).toEqual({ ticket: { number: 1 } });
    await expect(create(viewer)).rejects.toThrow();
    await expect(update(viewer, { ticketId: ticket.id, status: 'CLOSED' })).rejects.toThrow();
    await expect(viewer.request(NOTE, { input: { ticketId: ticket.id, text: 'x' } })).rejects.toThrow();
    await expect(viewer.request('{ inboundMessages { edges { node { id } } } }')).rejects.toThrow();
    expect((await update(desk, { ticketId: ticket.id, status: 'OPEN' })).ticket.version).toBe(1);
  });
});

describe('mail with attachments', () => {
  test('arrives as a ticket whose files are stored byte for byte and downloaded by its organization only', async () => {
    const [desk, stranger] = [await app.newDesk(), await app.newDesk()];
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId);
    const content = randomBytes(1_500_000);
    await deliver(app.emulator.url, {
      to: address,
      subject: 'With files',
      html: '<p>See <img src="cid:logo@x"> and <script>alert(1)</script></p>',
      attachments: [
        { name: '../report.pdf', contentType: 'application/pdf', contentBytes: content.toString('base64') },
        {
          name: 'logo.png',
          contentType: 'image/png',
          contentBytes: randomBytes(20).toString('base64'),
          isInline: true,
          contentId: 'logo@x',
        },
      ],
    });
    await desk.sync(mailboxId);
    interface File {
      name: string;
      state: string;
      sizeBytes: number;
      contentId: string | null;
      isInline: boolean;
      downloadUrl: string | null;
    }
    const files = await eventually('the files are stored', async () => {
      const { tickets } = await desk.request<{
        tickets: {
          edges: { node: { messages: { edges: { node: { html: string; attachments: File[] } }[] } } }[];
        };
      }>(`{ tickets { edges { node { messages { edges { node { html attachments {
        name state sizeBytes contentId isInline downloadUrl } } } } } } } }`);
      const message = tickets.edges[0]?.node.messages.edges[0]?.node;
      expect(message?.html).toContain('src="cid:logo@x"');
      expect(message?.html).not.toContain('script');
      const found = message?.attachments ?? [];
      return found.length === 2 && found.every(({ state }) => state === 'STORED') && found;
    });
    expect(files.map(({ name, isInline, contentId }) => ({ name, isInline, contentId }))).toEqual([
      { name: 'report.pdf', isInline: false, contentId: null },
      { name: 'logo.png', isInline: true, contentId: 'logo@x' },
    ]);
    const url = new URL(files[0]?.downloadUrl ?? '');
    const download = (apiKey: string) =>
      fetch(`${app.url}${url.pathname}`, { headers: { authorization: `Bearer ${apiKey}` } });
    const answer = await download(desk.apiKey);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
    expect((await download(stranger.apiKey)).status).toBe(404);
    const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: object }[] } }>(
      `query ($id: ID!) { inboundMessages(filter: { mailboxId: $id, outcome: [TICKET_CREATED] }) { edges { node {
        outcome reason explanation attempts archiveState ticket { number } message { subject } mailbox { id } } } } }`,
      { id: mailboxId },
    );
    expect(inboundMessages.edges).toEqual([
      {
        node: expect.objectContaining({
          outcome: 'TICKET_CREATED',
          reason: 'NEW_CONVERSATION',
          ticket: { number: 1 },
          message: { subject: 'With files' },
          mailbox: { id: mailboxId },
        }),
      },
    ]);
  });
});

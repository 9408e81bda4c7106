import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { openSocket } from '../security/socket.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Result {
  __typename: string;
  code?: string;
  group: { id: string; name: string; archived: boolean; description: string | null };
  ticket: { id: string; version: number; group: { name: string } | null };
  mailbox: { incoming: { group: { name: string } | null } };
  deletedGroupId?: string;
}
const GROUP = 'group { id name description archived archivedAt }';
const mutate = async (desk: Desk, name: string, input: object, fields = GROUP): Promise<Result> => {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const answer = await desk.request<Record<string, Result>>(
    `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
       ... on ${type}Payload { ${fields} } ... on Error { code } } }`,
    { input },
  );
  return answer[name] as Result;
};
const TICKET = 'ticket { id version group { name } }';
const makeGroup = async (desk: Desk, name: string) => (await mutate(desk, 'createGroup', { name })).group.id;
const makeTicket = (desk: Desk, input: object = {}) =>
  mutate(
    desk,
    'createTicket',
    { subject: 'Printer', text: 'It burns.', requesterEmail: 'c@fabrikam.example', ...input },
    TICKET,
  );
const GONE = Buffer.from('Group:00000000-0000-4000-8000-000000000000').toString('base64url');

describe('groups', () => {
  test('are made, renamed, archived, taken back and listed by name', async () => {
    const desk = await app.newDesk();
    const billing = await makeGroup(desk, ' Billing ');
    await makeGroup(desk, 'Access');
    expect(
      await mutate(desk, 'updateGroup', { groupId: billing, name: 'Accounts', description: 'Money' }),
    ).toMatchObject({
      group: { name: 'Accounts', description: 'Money', archived: false },
    });
    expect(await mutate(desk, 'updateGroup', { groupId: billing, archived: true })).toMatchObject({
      group: { name: 'Accounts', description: 'Money', archived: true },
    });
    const names = async (args = '') =>
      (
        await desk.request<{ groups: { edges: { node: { name: string } }[] } }>(
          `{ groups${args} { edges { node { name } } } }`,
        )
      ).groups.edges.map(({ node }) => node.name);
    expect(await names()).toEqual(['Access', 'Accounts']);
    expect(await names('(archived: false)')).toEqual(['Access']);
    expect(await names('(archived: true)')).toEqual(['Accounts']);
    const back = await mutate(desk, 'updateGroup', { groupId: billing, archived: false, description: null });
    expect(back.group).toMatchObject({ archived: false, description: null });
  });

  test('have names that no other has in any case, and that are no blanks', async () => {
    const desk = await app.newDesk();
    const first = await makeGroup(desk, 'Billing');
    expect(await mutate(desk, 'createGroup', { name: 'BILLING' })).toMatchObject({
      code: 'GROUP_NAME_TAKEN',
    });
    const other = await makeGroup(desk, 'Access');
    expect(await mutate(desk, 'updateGroup', { groupId: other, name: 'billing' })).toMatchObject({
      code: 'GROUP_NAME_TAKEN',
    });
    expect(await mutate(desk, 'updateGroup', { groupId: first, name: 'billing' })).toMatchObject({
      group: { name: 'billing' },
    });
    for (const name of ['', '  ', 'a\nb', 'x'.repeat(101)]) {
      expect(await mutate(desk, 'createGroup', { name })).toMatchObject({ code: 'INVALID_INPUT' });
    }
    const elsewhere = await app.newDesk('Other');
    expect(await makeGroup(elsewhere, 'Billing')).toBeTruthy();
  });

  test('of two that are made at once with one name, one is', async () => {
    const desk = await app.newDesk();
    const made = await Promise.all([1, 2, 3].map(() => mutate(desk, 'createGroup', { name: 'Twin' })));
    expect(made.map(({ __typename }) => __typename).sort()).toEqual([
      'CreateGroupPayload',
      'GroupNameTakenError',
      'GroupNameTakenError',
    ]);
  });

  test('are not deleted while something uses them, and are otherwise', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { ticket } = await makeTicket(desk, { groupId });
    expect(await mutate(desk, 'deleteGroup', { groupId }, 'deletedGroupId')).toMatchObject({
      code: 'GROUP_IN_USE',
    });
    await mutate(desk, 'updateTicket', { ticketId: ticket.id, groupId: null }, TICKET);
    const { mailboxId } = await desk.connectMailbox();
    const settings = (input: object) =>
      mutate(
        desk,
        'updateIncomingSettings',
        { mailboxId, ...input },
        'mailbox { incoming { group { name } } }',
      );
    expect(await settings({ groupId })).toMatchObject({
      mailbox: { incoming: { group: { name: 'Billing' } } },
    });
    expect(await mutate(desk, 'deleteGroup', { groupId }, 'deletedGroupId')).toMatchObject({
      code: 'GROUP_IN_USE',
    });
    expect(await settings({ groupId: null })).toMatchObject({ mailbox: { incoming: { group: null } } });
    expect(await mutate(desk, 'deleteGroup', { groupId }, 'deletedGroupId')).toMatchObject({
      deletedGroupId: groupId,
    });
    expect(await mutate(desk, 'deleteGroup', { groupId }, 'deletedGroupId')).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('are made and changed by administrators only, and by nobody of another organization', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
    for (const field of [
      'createGroup(input: { name: "Mine" }) { __typename }',
      `updateGroup(input: { groupId: "${groupId}", archived: true }) { __typename }`,
      `deleteGroup(input: { groupId: "${groupId}" }) { __typename }`,
    ]) {
      await expect(graphqlRequest(app.url, secret, `mutation { ${field} }`)).rejects.toThrow(/permission/);
    }
    const stranger = await app.newDesk('Stranger');
    expect(await mutate(stranger, 'updateGroup', { groupId, archived: true })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await mutate(stranger, 'deleteGroup', { groupId }, 'deletedGroupId')).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await makeTicket(stranger, { groupId })).toMatchObject({ code: 'GROUP_NOT_AVAILABLE' });
  });
});

describe('the group of a ticket', () => {
  test('is set by hand, filtered by and told live; the same again changes nothing', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { ticket } = await makeTicket(desk);
    const live = openSocket(
      app.url,
      desk.apiKey,
      'subscription ($filter: TicketFilter) { ticketUpdated(filter: $filter, after: "MC4w") { ticket { id group { name } } } }',
      { filter: { groupId } },
    );
    const next = live.results.next();
    const changed = await mutate(desk, 'updateTicket', { ticketId: ticket.id, groupId }, TICKET);
    expect(changed.ticket).toMatchObject({ version: ticket.version + 1, group: { name: 'Billing' } });
    const again = await mutate(desk, 'updateTicket', { ticketId: ticket.id, groupId }, TICKET);
    expect(again.ticket.version).toBe(changed.ticket.version);
    const { value } = await next;
    live.close();
    expect(value).toMatchObject({
      data: { ticketUpdated: { ticket: { id: ticket.id, group: { name: 'Billing' } } } },
    });
    await makeTicket(desk);
    const found = async (filter: object) =>
      (
        await desk.request<{ tickets: { edges: { node: { id: string } }[] } }>(
          'query ($filter: TicketFilter) { tickets(filter: $filter) { edges { node { id } } } }',
          { filter },
        )
      ).tickets.edges.map(({ node }) => node.id);
    expect(await found({ groupId })).toEqual([ticket.id]);
    expect(await found({ withoutGroup: false })).toEqual([ticket.id]);
    expect(await found({ withoutGroup: true })).not.toContain(ticket.id);
    const none = await mutate(desk, 'updateTicket', { ticketId: ticket.id, groupId: null }, TICKET);
    expect(none.ticket.group).toBeNull();
  });

  test('is none that is archived or unknown; what has it already keeps it', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { ticket } = await makeTicket(desk, { groupId });
    const other = await makeTicket(desk);
    await mutate(desk, 'updateGroup', { groupId, archived: true });
    const refused = { code: 'GROUP_NOT_AVAILABLE' };
    expect(await mutate(desk, 'updateTicket', { ticketId: other.ticket.id, groupId }, TICKET)).toMatchObject(
      refused,
    );
    expect(
      await mutate(desk, 'updateTicket', { ticketId: other.ticket.id, groupId: GONE }, TICKET),
    ).toMatchObject(refused);
    expect(await makeTicket(desk, { groupId })).toMatchObject(refused);
    expect(
      await mutate(desk, 'updateTicket', { ticketId: ticket.id, groupId, subject: 'Still' }, TICKET),
    ).toMatchObject({
      ticket: { group: { name: 'Billing' } },
    });
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import { signIn } from '../access/harness.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { type Answered, answerMicrosoft } from '../support/browser.ts';
import { eventually } from '../support/wait.ts';
import { type FilledDesk, fillDesk, rowId, send, unknownIds } from './filled-desk.ts';
import { type Ids, OPERATIONS, type Operation } from './operations.ts';
import { openSocket } from './socket.ts';

let app: TestApp;
let theirs: FilledDesk;
let ours: FilledDesk;
let authorization: string;
beforeAll(async () => {
  app = await startTestApp();
  theirs = await fillDesk(app, 'Theirs');
  ours = await fillDesk(app, 'Ours');
  authorization = `Bearer ${ours.desk.apiKey}`;
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** Every row of every table that belongs to an organization, by table. */
async function rowsOf({ desk: { organizationId } }: FilledDesk): Promise<Record<string, unknown[]>> {
  const em = forkAcrossOrganizations(app.database);
  const tables = await em.execute<{ name: string }[]>(
    `select table_name as name from information_schema.columns
     where table_schema = 'public' and column_name = 'organization_id' order by 1`,
  );
  const rows: Record<string, unknown[]> = {
    organization: await em.execute('select * from organization where id = ?', [organizationId]),
  };
  for (const { name } of tables) {
    // By all of it: some begin with what is the same in all their rows, and an order would not be promised.
    rows[name] = await em.execute(
      `select it.* from ${name} as it where it.organization_id = ? order by it::text`,
      [organizationId],
    );
  }
  return rows;
}

/** Tries `work`, after which nothing of the other organization may have changed. */
async function changingNothing<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = await rowsOf(theirs);
  const result = await work();
  expect(await rowsOf(theirs)).toEqual(before);
  return result;
}

const asUs = (operation: Pick<Operation, 'document'>, variables: Record<string, unknown>) =>
  send(app.url, operation, variables, authorization);

test('there is something to be seen and changed (a control)', async () => {
  const rows = await rowsOf(theirs);
  const tables = ['app_user', 'api_key', 'integration', 'account', 'mailbox', 'contact', 'ticket', 'message'];
  for (const table of [...tables, 'attachment', 'inbound_message', 'sync_state', 'sync_run', 'event']) {
    expect([table, rows[table]?.length]).not.toEqual([table, 0]);
    expect(rows[table]).toBeDefined();
  }
});

/** Every operation that takes ids, with one of them foreign and the others ours, and with all of them foreign. */
const cases = Object.entries(OPERATIONS).flatMap(([name, operation]) =>
  operation.takes.length === 0
    ? []
    : [operation.takes, ...(operation.takes.length > 1 ? operation.takes.map((type) => [type]) : [])].map(
        (foreign) => [name, foreign.join(' and '), operation, foreign] as const,
      ),
);

const withSome = (foreign: readonly (keyof Ids)[], ids: Ids): Ids => ({
  ...ours.ids,
  ...Object.fromEntries(foreign.map((type) => [type, ids[type]])),
});

test.each(cases)(
  '%s with a foreign %s answers as for one that does not exist',
  async (...[, , operation, foreign]) => {
    await changingNothing(async () => {
      const unknown = await asUs(operation, operation.variables(withSome(foreign, unknownIds(ours.ids))));
      const tried = await asUs(operation, operation.variables(withSome(foreign, theirs.ids)));
      expect(tried).toEqual(unknown);
      expect(JSON.stringify(tried)).not.toContain('Theirs');
    });
  },
);

test.each(Object.keys(OPERATIONS).filter((name) => name.startsWith('Query.')))(
  '%s shows nothing of another organization',
  async (name) => {
    const operation = OPERATIONS[name] as Operation;
    const answer = JSON.stringify(await asUs(operation, operation.variables(ours.ids)));
    for (const id of Object.values(theirs.ids)) expect(answer).not.toContain(id);
    expect(answer).not.toContain('Theirs');
  },
);

test('node gives null for every type of another organization, as for an unknown id', async () => {
  const node = { document: 'query ($id: ID!) { node(id: $id) { id __typename } }' };
  const unknown = unknownIds(theirs.ids);
  for (const type of Object.keys(theirs.ids) as (keyof Ids)[]) {
    expect([type, await asUs(node, { id: theirs.ids[type] })]).toEqual([
      type,
      { status: 200, body: { data: { node: null } } },
    ]);
    expect(await asUs(node, { id: unknown[type] })).toEqual({ status: 200, body: { data: { node: null } } });
    const own = await asUs(node, { id: ours.ids[type] });
    expect(own.body.data).toEqual({ node: { id: ours.ids[type], __typename: type } });
  }
});

test('filters by things of another organization find nothing, as by unknown ones', async () => {
  const tickets = {
    document: 'query ($filter: TicketFilter) { tickets(filter: $filter) { edges { node { id } } } }',
  };
  const unknown = unknownIds(theirs.ids);
  const filters = (ids: Ids) => [
    { assigneeId: ids.User },
    { mailboxId: ids.Mailbox },
    { groupId: ids.Group },
  ];
  for (const [index, filter] of filters(theirs.ids).entries()) {
    const answer = await asUs(tickets, { filter });
    expect(answer).toEqual(await asUs(tickets, { filter: filters(unknown)[index] }));
    expect(answer.body.data).toEqual({ tickets: { edges: [] } });
  }
});

test('an attachment of another organization downloads as one that does not exist', async () => {
  const download = async (id: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${app.url}/attachments/${id}`, {
      headers: { authorization, 'x-request-id': 'security-test', ...headers },
    });
    const { date: _date, ...rest } = Object.fromEntries(response.headers);
    return { status: response.status, headers: rest, text: await response.text() };
  };
  const foreign = await download(theirs.ids.Attachment);
  expect(foreign.status).toBe(404);
  expect(foreign).toEqual(await download(unknownIds(ours.ids).Attachment));
  expect(await download(theirs.ids.Attachment, { range: 'bytes=0-3' })).toEqual(foreign);
  expect((await download(ours.ids.Attachment)).text).toBe('The file of Ours');
});

test('cursors of another organization lead through our own rows only', async () => {
  const page = {
    document: `query ($after: String, $before: String) {
      tickets(after: $after, before: $before) { edges { cursor node { id } } }
      contacts(after: $after, before: $before) { edges { cursor node { id } } } }`,
  };
  const cursor = await theirs.desk
    .request<{ tickets: { edges: { cursor: string }[] } }>('{ tickets { edges { cursor } } }')
    .then(({ tickets }) => tickets.edges[0]?.cursor);
  for (const variables of [{ after: cursor }, { before: cursor }]) {
    const text = JSON.stringify(await asUs(page, variables));
    for (const id of Object.values(theirs.ids)) expect(text).not.toContain(id);
  }
});

test('events of another organization reach nobody here, neither live nor resumed with their cursors', async () => {
  const theirEvent = await send(
    app.url,
    { document: 'subscription { ticketCreated(after: "MC4w") { cursor } }' },
    {},
    `Bearer ${theirs.desk.apiKey}`,
  );
  const theirCursor = (theirEvent.body.data as { ticketCreated: { cursor: string } }).ticketCreated.cursor;
  const streams = [
    'accountStatusChanged(after: $after) { cursor account { id } }',
    'messageAdded(after: $after) { cursor message { id } }',
    'syncStatusChanged(after: $after) { cursor mailbox { id } }',
    'ticketCreated(after: $after) { cursor ticket { id } }',
    'ticketUpdated(after: $after) { cursor ticket { id } }',
  ];
  const opened = [null, 'MC4w', theirCursor].flatMap((after) =>
    streams.map((stream) => {
      const document = `subscription ($after: String) { ${stream} }`;
      const { results, close } = openSocket(app.url, ours.desk.apiKey, document, { after });
      const seen: string[] = [];
      const ended = (async () => {
        for await (const result of results) seen.push(JSON.stringify(result));
      })();
      return { seen, close, ended };
    }),
  );
  // Both again and again: a stream that has three of ours was handed at least two of theirs, if anything hands them on.
  await eventually('every stream has brought three events', async () => {
    await recordOneOfEach(theirs);
    await recordOneOfEach(ours);
    return opened.every(({ seen }) => seen.length >= 3);
  });
  for (const { seen, close, ended } of opened) {
    close();
    await ended;
    for (const id of Object.values(theirs.ids)) expect(seen.join()).not.toContain(id);
    expect(seen.join()).not.toContain('errors');
  }
});

/** Records an event of every type, as the domain does. */
async function recordOneOfEach({ desk: { organizationId }, ids }: FilledDesk): Promise<void> {
  const ticketId = rowId(ids.Ticket);
  await forkFor(app.database, organizationId).transactional((em) =>
    recordEvents(em, organizationId, [
      { type: 'ticket.created', ticketId },
      { type: 'ticket.updated', ticketId },
      { type: 'message.added', ticketId, messageId: rowId(ids.Message) },
      { type: 'sync-status.changed', mailboxId: rowId(ids.Mailbox) },
      { type: 'account-status.changed', accountId: rowId(ids.Account) },
      { type: 'credential.expiring', integrationId: rowId(ids.Integration) },
    ]),
  );
}

/** Starts a sign-in and gives what Microsoft sends the browser back with. */
async function signInOf({ desk, ids }: FilledDesk): Promise<Answered> {
  const address = `victim-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  await control(app.emulator.url, 'mailboxes', { address });
  const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($id: ID!) { startSignIn(input: { integrationId: $id }) {
       ... on StartSignInPayload { authorizationUrl } } }`,
    { id: ids.Integration },
  );
  return await answerMicrosoft(startSignIn.authorizationUrl, address);
}

test('a code of one organization’s sign-in is worth nothing with the state of another’s', async () => {
  const accounts = async () => (await rowsOf(theirs))['account']?.length;
  const before = [await accounts(), (await rowsOf(ours))['account']?.length];
  const [one, other] = [await signInOf(ours), await signInOf(theirs)];
  const part = ({ location }: Answered, name: string) => new URL(location).searchParams.get(name) ?? '';
  const mixed = [
    { query: { code: part(one, 'code'), state: part(other, 'state') }, cookie: other.cookie },
    { query: { code: part(other, 'code'), state: part(one, 'state') }, cookie: one.cookie },
  ];
  for (const { query, cookie } of mixed) {
    const answer = await fetch(
      `${app.url}/api/integrations/microsoft365/callback?${new URLSearchParams(query)}`,
      { redirect: 'manual', headers: { cookie } },
    );
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('TOKEN_EXCHANGE_FAILED');
  }
  expect([await accounts(), (await rowsOf(ours))['account']?.length]).toEqual(before);
});

test('whoever carries a state, a sign-in ends in the organization where it began', async () => {
  const { secret } = await signIn(app.database, theirs.desk.organizationId, 'ADMIN');
  const answer = await signInOf(ours);
  const before = await rowsOf(theirs);
  const response = await fetch(answer.location, {
    // Credentials of anybody make no difference: state and cookie alone say whose sign-in it is.
    headers: { authorization: `Bearer ${secret}`, cookie: answer.cookie },
    redirect: 'manual',
  });
  expect(response.status).toBe(200);
  expect(await rowsOf(theirs)).toEqual(before);
});

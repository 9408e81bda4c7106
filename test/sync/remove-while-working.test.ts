import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { deliver, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let graph: GraphWay;
let app: TestApp;
let desk: Desk;
beforeAll(async () => {
  graph = await startGraphWay();
  app = await startTestApp({}, { env: { MICROSOFT_GRAPH_URL: graph.url } });
  graph.target = app.emulator.graphUrl;
  desk = await app.newDesk();
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await graph?.[Symbol.asyncDispose]();
});

const sql = <Row>(text: string, params: unknown[] = []) =>
  forkAcrossOrganizations(app.database).execute<Row[]>(text, params);

test('a message that is being tried again when its mailbox is removed becomes no ticket, and is not moved', async () => {
  await sql(`create function refuse_poison() returns trigger language plpgsql as
    $$ begin raise exception 'poison' using errcode = '22000'; end $$`);
  await sql('create trigger poison before insert on message for each row execute function refuse_poison()');
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, { afterProcessing: 'DELETE' });
  await deliver(app.emulator.url, { to: address, subject: 'Poison' });
  expect(await desk.sync(mailboxId)).toMatchObject({ failed: 1 });
  await sql('drop trigger poison on message');
  const [row] = await sql<{ id: string }>('select id from inbound_message');
  const id = Buffer.from(`InboundMessage:${row?.id}`).toString('base64url');
  const held = graph.hold(/\/messages\/(?!delta)/);
  await desk.request(
    `mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }`,
    { id },
  );
  await eventually('Microsoft is being asked for the message', () => held.count > 0);
  await desk.request('mutation ($id: ID!) { removeMailbox(input: { mailboxId: $id }) { __typename } }', {
    id: mailboxId,
  });
  held.release();
  await eventually('the try ends', async () => {
    const waiting = await sql(
      `select from graphile_worker._private_jobs where key like 'sync.retry-inbound-message%' and locked_at is not null`,
    );
    return waiting.length === 0;
  });
  expect(await sql('select outcome, archive_state from inbound_message')).toEqual([
    { outcome: 'FAILED', archive_state: 'NOT_WANTED' },
  ]);
  expect(await sql('select from ticket')).toEqual([]);
  expect((await foldersOf(app.emulator.url, address)).get('Inbox')).toEqual(['Poison']);
});

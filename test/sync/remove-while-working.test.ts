import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
let desk: Desk;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const sql = <Row>(text: string, params: unknown[] = []) =>
  forkAcrossOrganizations(app.database).execute<Row[]>(text, params);

interface Fault {
  id: string;
  happened: number;
}

async function slowly(pathPattern: string, method: string): Promise<() => Promise<boolean>> {
  const { id } = await control<Fault>(app.emulator.url, 'faults', {
    latencyMs: 1_500,
    count: 1,
    pathPattern,
    method,
  });
  const known = async () => {
    const faults = await control<{ faults: Fault[] } | Fault[]>(app.emulator.url, 'faults');
    return (Array.isArray(faults) ? faults : faults.faults).some((one) => one.id === id);
  };
  return async () => !(await known());
}

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
  const isAsked = await slowly('/messages/', 'GET');
  await desk.request(
    `mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }`,
    { id },
  );
  await eventually('Microsoft is being asked for the message', isAsked);
  await desk.request('mutation ($id: ID!) { removeMailbox(input: { mailboxId: $id }) { __typename } }', {
    id: mailboxId,
  });
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

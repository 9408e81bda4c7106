import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, deliverMany, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

interface TicketRow {
  number: number;
  subject: string;
  messages: { edges: { node: { subject: string; kind: string } }[] };
}

async function tickets(desk: Desk): Promise<TicketRow[]> {
  const { tickets: page } = await desk.request<{ tickets: { edges: { node: TicketRow }[] } }>(
    `{ tickets(first: 50, orderBy: { field: NUMBER, direction: ASC }) {
         edges { node { number subject messages(first: 10) { edges { node { subject kind } } } } } } }`,
  );
  return page.edges.map(({ node }) => node);
}

async function ledger(
  desk: Desk,
): Promise<{ id: string; subject: string; outcome: string; reason: string }[]> {
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: { id: string; subject: string; outcome: string; reason: string } }[] };
  }>('{ inboundMessages(first: 100) { edges { node { id subject outcome reason } } } }');
  return inboundMessages.edges.map(({ node }) => node);
}

test('a mail becomes a ticket and its reply joins it, and the mail that was there before is left alone', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Old news',
    receivedDateTime: '2026-01-05T08:00:00Z',
  });
  await desk.enable(mailboxId);
  const first = await deliver(app.emulator.url, { to: address, subject: 'Printer is broken' });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', seen: 1, created: 1, failed: 0 });
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Re: Printer is broken',
    inReplyTo: first.internetMessageId,
  });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', seen: 1, created: 0, appended: 1 });
  const [ticket, ...others] = await tickets(desk);
  expect(others).toEqual([]);
  expect(ticket).toMatchObject({ number: 1, subject: 'Printer is broken' });
  expect(ticket?.messages.edges.map(({ node }) => node.subject)).toEqual([
    'Printer is broken',
    'Re: Printer is broken',
  ]);
});

test('processed mail is moved to the archive folder, and moving it makes no second ticket', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const { createMailFolder } = await desk.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($id: ID!) { createMailFolder(input: { mailboxId: $id }) {
       ... on CreateMailFolderPayload { folder { id displayName } } } }`,
    { id: mailboxId },
  );
  await desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: createMailFolder.folder.id });
  const subjects = Array.from({ length: 45 }, (_, index) => `Question ${index + 1}`);
  await deliverMany(
    app.emulator.url,
    subjects.map((subject) => ({ to: address, subject })),
  );
  expect(await desk.sync(mailboxId)).toMatchObject({ created: 45 });
  await eventually('all mail lies in the archive folder', async () => {
    const folders = await foldersOf(app.emulator.url, address);
    return folders.get('processed-by-deskgraph')?.length === 45;
  });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 0, appended: 0 });
  expect((await foldersOf(app.emulator.url, address)).get('Inbox')).toEqual([]);
  expect((await ledger(desk)).length).toBe(45);
});

test('an expired delta link starts over without doubling anything', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await deliverMany(app.emulator.url, [
    { to: address, subject: 'One' },
    { to: address, subject: 'Two' },
  ]);
  await desk.sync(mailboxId);
  await control(app.emulator.url, 'delta/expire', {});
  await deliver(app.emulator.url, { to: address, subject: 'Three' });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', seen: 3, created: 1 });
  expect((await tickets(desk)).map(({ subject }) => subject)).toEqual(['One', 'Two', 'Three']);
});

test('a page that fails ends the run with its reason, and the next run goes on where it was: nothing lost, nothing doubled', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await deliverMany(
    app.emulator.url,
    Array.from({ length: 250 }, (_, index) => ({ to: address, subject: `Mail ${index}` })),
  );
  await control(app.emulator.url, 'faults', {
    status: 403,
    errorCode: 'ErrorAccessDenied',
    mailbox: address,
    pathPattern: 'skiptoken',
    count: 1,
  });
  const failed = await desk.sync(mailboxId);
  expect(failed).toMatchObject({ state: 'FAILED', problem: { code: 'MAILBOX_ACCESS_DENIED' } });
  expect(failed.created).toBeGreaterThan(0);
  const rest = await desk.sync(mailboxId);
  expect(rest).toMatchObject({ state: 'SUCCEEDED', problem: null });
  expect(failed.created + rest.created).toBe(250);
  expect(await countRows(desk, 'ticket')).toBe(250);
  expect(await countRows(desk, 'inbound_message')).toBe(250);
});

test('a poison message becomes FAILED alone, and can be tried again once the cause is gone', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const em = app.database.em.fork();
  await em.execute(`create function refuse_poison() returns trigger language plpgsql as
    $$ begin if new.subject = 'Poison' then raise exception 'poison' using errcode = '22000'; end if; return new; end $$`);
  await em.execute(
    'create trigger poison before insert on message for each row execute function refuse_poison()',
  );
  await deliverMany(app.emulator.url, [
    { to: address, subject: 'Good' },
    { to: address, subject: 'Poison' },
    { to: address, subject: 'Also good' },
  ]);
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', seen: 3, created: 2, failed: 1 });
  const poison = (await ledger(desk)).find(({ outcome }) => outcome === 'FAILED');
  expect(poison).toMatchObject({ reason: 'PROCESSING_ERROR' });
  await em.execute('drop trigger poison on message');
  await desk.request(
    `mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }`,
    { id: poison?.id },
  );
  await eventually('the message is processed', async () =>
    (await ledger(desk)).every(({ outcome }) => outcome === 'TICKET_CREATED'),
  );
  expect((await tickets(desk)).map(({ subject }) => subject).sort()).toEqual(['Also good', 'Good', 'Poison']);
});

test('a mail that Microsoft cannot give out fails alone: the others of its page become tickets', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const delivered = await deliverMany(
    app.emulator.url,
    Array.from({ length: 12 }, (_, index) => ({ to: address, subject: `Mail ${index}` })),
  );
  await control(
    app.emulator.url,
    `mailboxes/${address}/quirks`,
    { corruptMessages: [delivered[5]?.id] },
    'PUT',
  );
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 11, failed: 1 });
  expect((await ledger(desk)).filter(({ outcome }) => outcome === 'FAILED')).toHaveLength(1);
  await deliver(app.emulator.url, { to: address, subject: 'Afterwards' });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 1 });
});

test.each([
  ['links that repeat', { repeatedLinks: 1 }],
  ['empty pages', { emptyPages: 2 }],
])('%s in a delta query neither loop nor lose mail', async (_name, quirks) => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await deliverMany(
    app.emulator.url,
    Array.from({ length: 230 }, (_, index) => ({ to: address, subject: `Mail ${index}` })),
  );
  await control(app.emulator.url, `mailboxes/${address}/quirks`, quirks, 'PUT');
  await desk.sync(mailboxId);
  await control(app.emulator.url, `mailboxes/${address}/quirks`, {}, 'PUT');
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await countRows(desk, 'ticket')).toBe(230);
});

test('more than 5,000 messages are read in windows, also when the first one was broken off in the middle', async () => {
  const desk = await app.newDesk();
  await desk.withoutStormLimits();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await control(app.emulator.url, 'delta/expire', {});
  const now = Date.now();
  for (let start = 0; start < 5_200; start += 1_300) {
    await deliverMany(
      app.emulator.url,
      Array.from({ length: 1_300 }, (_, index) => ({
        to: address,
        subject: `Mail ${start + index}`,
        receivedDateTime: new Date(now + 1_000 * (start + index)).toISOString(),
      })),
    );
  }
  // The second page fails: the rest of the window is read by another run, from the stored cursor.
  await control(app.emulator.url, 'faults', {
    status: 403,
    mailbox: address,
    pathPattern: 'skiptoken',
    count: 1,
  });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'FAILED' });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await countRows(desk, 'ticket')).toBe(5_200);
});

test('any number of hints are one waiting run', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const answers = await Promise.all(Array.from({ length: 12 }, () => desk.sync(mailboxId)));
  expect(new Set(answers.map(({ id }) => id)).size).toBeLessThan(12);
  expect(answers.every(({ state }) => state === 'SUCCEEDED')).toBe(true);
});

test('polling finds mail without anybody asking', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, { intervalMinutes: 'MINUTES_1' });
  await deliver(app.emulator.url, { to: address, subject: 'Nobody asks' });
  await app.database.em
    .fork()
    .execute(`update sync_state set next_poll_at = now() - interval '1 minute' where organization_id = ?`, [
      desk.organizationId,
    ]);
  await eventually('the poll makes a ticket', async () => (await tickets(desk)).length === 1);
  const { syncRuns } = await desk.request<{ syncRuns: { edges: { node: { trigger: string } }[] } }>(
    '{ syncRuns { edges { node { trigger } } } }',
  );
  expect(syncRuns.edges.map(({ node }) => node.trigger)).toContain('POLL');
});

async function countRows(desk: Desk, table: 'ticket' | 'inbound_message'): Promise<number> {
  const rows = await app.database.em
    .fork()
    .execute(`select 1 from ${table} where organization_id = ?`, [desk.organizationId]);
  return rows.length;
}

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFolder } from '../reliability/harness.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, deliverMany, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { query } from './push-harness.ts';
import {
  askToReconcile,
  behindOurBack,
  contentsOf,
  type Figures,
  listingRequests,
  messagesBySubject,
  minutesAgo,
  type ReconciledMailbox,
  receive,
  reconcile,
  reconciledMailbox,
  reconciliationEnds,
} from './reconcile-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const NOTHING: Figures = {
  listed: 0,
  stored: 0,
  ignored: 0,
  failed: 0,
  unrelated: 0,
  missing: 0,
  repaired: 0,
};

/** What must hold of every listed folder and day. */
function isBalanced({ listed, stored, ignored, failed, unrelated, missing, repaired }: Figures): boolean {
  return listed === stored + ignored + failed + unrelated + (missing - repaired);
}

/** A mailbox with six conversations; the first has a reply. */
async function sixConversations(
  settings: Record<string, unknown> = {},
): Promise<ReconciledMailbox & { ids: string[] }> {
  const mailbox = await reconciledMailbox(app, settings);
  const messageId = `<${crypto.randomUUID()}@fabrikam.example>`;
  const subjects = ['One', 'Two', 'Three', 'Four', 'Five', 'Six'];
  const delivered = await receive(app, mailbox, [
    ...subjects.map((subject, index) => (index === 0 ? { subject, messageId } : { subject })),
    { subject: 'Re: One', inReplyTo: messageId },
  ]);
  return { ...mailbox, ids: delivered.map(({ immutableId }) => immutableId) };
}

const ALL_ONCE = { One: 1, 'Re: One': 1, Two: 1, Three: 1, Four: 1, Five: 1, Six: 1 };

const ticketOf = async (mailbox: ReconciledMailbox, subject: string) => {
  const [row] = await query<{ ticket_id: string }>(
    app,
    `select message.ticket_id from message join ticket on ticket.id = message.ticket_id
     where message.mailbox_id = ? and message.subject = ?`,
    [mailbox.uuid, subject],
  );
  return row?.ticket_id;
};

/** It finds nothing any more, and changes nothing. */
async function isAtRest(mailbox: ReconciledMailbox): Promise<void> {
  // What was repaired is archived as any other mail, by a job that begins when it is stored.
  await eventually('nothing waits to be archived', async () => {
    const due = await query(
      app,
      `select 1 from inbound_message where mailbox_id = ? and archive_state = 'DUE'`,
      [mailbox.uuid],
    );
    return due.length === 0;
  });
  const before = await contentsOf(app, mailbox);
  expect(await reconcile(mailbox)).toMatchObject({ state: 'SUCCEEDED', missing: 0, repaired: 0 });
  expect(await contentsOf(app, mailbox)).toEqual(before);
}

test('an untouched mailbox: listed = stored + ignored + failed per folder and day, and nothing changes (a control)', async () => {
  const mailbox = await reconciledMailbox(app);
  // At noon: whatever time it is, no midnight falls between two of a day.
  const noon = (daysOld: number) => `${minutesAgo(daysOld * 24 * 60).slice(0, 10)}T12:00:00Z`;
  const messageId = `<${crypto.randomUUID()}@fabrikam.example>`;
  const copied = { subject: 'Twice', messageId, receivedDateTime: noon(1) };
  await receive(app, mailbox, [
    { subject: 'Old', receivedDateTime: noon(2) },
    { subject: 'Failed', receivedDateTime: noon(2) },
    copied,
    copied,
    { subject: 'Before it was enabled', receivedDateTime: minutesAgo(40 * 24 * 60) },
  ]);
  await query(
    app,
    `update inbound_message set outcome = 'FAILED', ticket_id = null, message_id = null, attempts = 8
     where mailbox_id = ? and subject = 'Failed'`,
    [mailbox.uuid],
  );
  const before = await contentsOf(app, mailbox);
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({
    ...NOTHING,
    state: 'SUCCEEDED',
    trigger: 'MANUAL',
    listed: 4,
    stored: 2,
    ignored: 1,
    failed: 1,
    gone: 0,
    isCut: false,
    problem: null,
  });
  expect(done.days.map(({ folder, listed }) => [folder, listed])).toEqual([
    ['WATCHED', 2],
    ['WATCHED', 2],
  ]);
  expect(done.days.every(isBalanced)).toBe(true);
  expect(done.requests).toBe(1);
  expect(await contentsOf(app, mailbox)).toEqual(before);
});

test('rows removed from the ledger are made again, and nothing becomes a second ticket', async () => {
  const mailbox = await sixConversations();
  const before = await contentsOf(app, mailbox);
  await query(
    app,
    `delete from inbound_message where mailbox_id = ? and subject in ('One', 'Re: One', 'Three')`,
    [mailbox.uuid],
  );
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({
    ...NOTHING,
    state: 'SUCCEEDED',
    listed: 7,
    stored: 7,
    missing: 3,
    repaired: 3,
  });
  const after = await contentsOf(app, mailbox);
  expect(after['messages']).toEqual(before['messages']);
  expect(after['tickets']).toEqual(before['tickets']);
  const links = (rows: unknown[] | undefined) =>
    rows?.map((row) => {
      const { graph_message_id, outcome, ticket_id, message_id, content_digest } = row as Record<
        string,
        unknown
      >;
      return { graph_message_id, outcome, ticket_id, message_id, content_digest };
    });
  expect(links(after['ledger'])).toEqual(links(before['ledger']));
  await isAtRest(mailbox);
});

test('rows of mails whose Message-ID says nothing, or says the same, are made again as they were', async () => {
  const mailbox = await reconciledMailbox(app);
  const same = { messageId: '<same@fabrikam.example>', receivedDateTime: minutesAgo(90) };
  await receive(app, mailbox, [
    { subject: 'No id', messageId: 'no id at all', receivedDateTime: minutesAgo(91) },
    { subject: 'First of that id', text: 'One', ...same },
    { subject: 'Second of that id', text: 'Two', ...same },
  ]);
  const before = await contentsOf(app, mailbox);
  expect(before['tickets']).toHaveLength(3);
  await behindOurBack(app, 'delete from inbound_message where mailbox_id = ?', [mailbox.uuid]);
  expect(await reconcile(mailbox)).toMatchObject({ state: 'SUCCEEDED', missing: 3, repaired: 3 });
  const after = await contentsOf(app, mailbox);
  const without = (rows: unknown[] = []) => rows.map((row) => ({ ...(row as object), reason: 'RESTORED' }));
  expect(after).toMatchObject({ messages: before['messages'], tickets: before['tickets'] });
  expect(without(after['ledger'])).toEqual(without(before['ledger']));
  await isAtRest(mailbox);
});

test('rows, messages and tickets removed together are taken in again, the reply with its original', async () => {
  const mailbox = await sixConversations();
  const lost = [await ticketOf(mailbox, 'One'), await ticketOf(mailbox, 'Four')];
  await query(app, 'delete from inbound_message where ticket_id in (?)', [lost]);
  await query(app, 'delete from ticket where id in (?)', [lost]);
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({
    state: 'SUCCEEDED',
    listed: 7,
    stored: 7,
    missing: 3,
    repaired: 3,
    failed: 0,
  });
  expect(done.days.every(isBalanced)).toBe(true);
  expect(await messagesBySubject(app, mailbox)).toEqual(ALL_ONCE);
  expect(await ticketOf(mailbox, 'Re: One')).toBe(await ticketOf(mailbox, 'One'));
  await isAtRest(mailbox);
});

test('a message removed alone goes back into its ticket, whose state and version stay as they are', async () => {
  const mailbox = await sixConversations();
  const tickets = [await ticketOf(mailbox, 'One'), await ticketOf(mailbox, 'Five')];
  await query(app, `update ticket set status = 'CLOSED', closed_at = now() where id in (?)`, [tickets]);
  const before = await contentsOf(app, mailbox);
  await behindOurBack(app, `delete from message where mailbox_id = ? and subject in ('One', 'Five')`, [
    mailbox.uuid,
  ]);
  expect(await reconcile(mailbox)).toMatchObject({ listed: 7, stored: 7, missing: 2, repaired: 2 });
  expect(await messagesBySubject(app, mailbox)).toEqual(ALL_ONCE);
  expect([await ticketOf(mailbox, 'One'), await ticketOf(mailbox, 'Five')]).toEqual(tickets);
  expect((await contentsOf(app, mailbox))['tickets']).toEqual(before['tickets']);
  await isAtRest(mailbox);
});

test('a ticket removed with its messages, while the ledger still points at them, is made again', async () => {
  const mailbox = await sixConversations();
  const ticket = await ticketOf(mailbox, 'One');
  await behindOurBack(app, 'delete from message where ticket_id = ?', [ticket]);
  await behindOurBack(app, 'delete from ticket where id = ?', [ticket]);
  expect(await reconcile(mailbox)).toMatchObject({ listed: 7, stored: 7, missing: 2, repaired: 2 });
  expect(await messagesBySubject(app, mailbox)).toEqual(ALL_ONCE);
  expect(await ticketOf(mailbox, 'Re: One')).toBe(await ticketOf(mailbox, 'One'));
  await isAtRest(mailbox);
});

test('a ticket removed alone, past all foreign keys, is missed as well', async () => {
  const mailbox = await sixConversations();
  await behindOurBack(app, 'delete from ticket where id = ?', [await ticketOf(mailbox, 'Six')]);
  expect(await reconcile(mailbox)).toMatchObject({ listed: 7, stored: 7, missing: 1, repaired: 1 });
  expect(await messagesBySubject(app, mailbox)).toEqual(ALL_ONCE);
  await isAtRest(mailbox);
});

test('a lost message whose mail was deleted meanwhile is shown as failed, once, and invents nothing', async () => {
  const mailbox = await sixConversations();
  await behindOurBack(app, `delete from message where mailbox_id = ? and subject = 'Two'`, [mailbox.uuid]);
  const [two] = mailbox.ids.slice(1);
  await control(app.emulator.url, 'faults', {
    status: 404,
    errorCode: 'ErrorItemNotFound',
    pathPattern: `/messages/${two}`,
  });
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({ state: 'SUCCEEDED', listed: 7, stored: 6, missing: 1, repaired: 0 });
  expect(done.days.every(isBalanced)).toBe(true);
  const [row] = await query<{ outcome: string; problem: { code: string } }>(
    app,
    'select outcome, problem from inbound_message where mailbox_id = ? and graph_message_id = ?',
    [mailbox.uuid, two],
  );
  expect(row).toMatchObject({ outcome: 'FAILED', problem: { code: 'ITEM_NOT_FOUND' } });
  await isAtRest(mailbox);
});

test('archived mail: lost rows and messages are found in the archive; what people filed there is left alone', async () => {
  const mailbox = await reconciledMailbox(app);
  const archiveFolderId = await createFolder(mailbox.desk, mailbox.mailboxId, 'Done');
  await mailbox.desk.enable(mailbox.mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId });
  await receive(
    app,
    mailbox,
    ['One', 'Two', 'Three', 'Four'].map((subject) => ({ subject })),
  );
  await eventually('all mail lies in the archive', async () => {
    const [row] = await query<{ done: number }>(
      app,
      `select count(*)::int as done from inbound_message where mailbox_id = ? and archive_state = 'DONE'`,
      [mailbox.uuid],
    );
    return row?.done === 4;
  });
  await deliver(app.emulator.url, {
    to: mailbox.address,
    subject: 'Filed by hand',
    receivedDateTime: minutesAgo(90),
    folder: archiveFolderId,
  });
  await query(app, `delete from inbound_message where mailbox_id = ? and subject = 'One'`, [mailbox.uuid]);
  await behindOurBack(app, `delete from message where mailbox_id = ? and subject = 'Two'`, [mailbox.uuid]);
  const four = await ticketOf(mailbox, 'Four');
  await query(app, 'delete from inbound_message where ticket_id = ?', [four]);
  await query(app, 'delete from ticket where id = ?', [four]);

  const done = await reconcile(mailbox);
  expect(done).toMatchObject({ listed: 5, stored: 3, unrelated: 2, missing: 2, repaired: 2 });
  expect(done.days.every(isBalanced)).toBe(true);
  expect(await messagesBySubject(app, mailbox)).toEqual({ One: 1, Two: 1, Three: 1 });
  await isAtRest(mailbox);

  // Asked for: the mail of which nothing was left comes back, and with it what cannot be told apart from it.
  const asked = await reconcile(mailbox, { takeInArchive: true });
  expect(asked).toMatchObject({ listed: 5, stored: 5, unrelated: 0, missing: 2, repaired: 2 });
  expect(await messagesBySubject(app, mailbox)).toEqual({
    One: 1,
    Two: 1,
    Three: 1,
    Four: 1,
    'Filed by hand': 1,
  });
  const folders = await foldersOf(app.emulator.url, mailbox.address);
  expect(folders.get('Done')?.length).toBe(5);
  await isAtRest(mailbox);
});

test('mail that was moved in since the last sync is no difference: a sync of its own explains it', async () => {
  const mailbox = await sixConversations();
  await deliver(app.emulator.url, {
    to: mailbox.address,
    subject: 'Moved in',
    receivedDateTime: minutesAgo(30),
  });
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({ state: 'SUCCEEDED', listed: 8, stored: 8, missing: 0, repaired: 0 });
  expect(done.days.every(isBalanced)).toBe(true);
  expect(await messagesBySubject(app, mailbox)).toEqual({ ...ALL_ONCE, 'Moved in': 1 });
});

test('mail that arrives during a reconciliation is no difference and becomes a ticket once', async () => {
  const mailbox = await sixConversations();
  await control(app.emulator.url, 'faults', {
    latencyMs: 700,
    pathPattern: '/messages\\?.*orderby',
    mailbox: mailbox.address,
  });
  const id = await askToReconcile(mailbox);
  await deliver(app.emulator.url, { to: mailbox.address, subject: 'Arrived meanwhile' });
  await mailbox.desk.sync(mailbox.mailboxId);
  const done = await reconciliationEnds(mailbox.desk, id);
  expect(done).toMatchObject({ state: 'SUCCEEDED', missing: 0, repaired: 0 });
  expect(done.days.every(isBalanced)).toBe(true);
  expect(await messagesBySubject(app, mailbox)).toEqual({ ...ALL_ONCE, 'Arrived meanwhile': 1 });
});

test('10,000 mails are compared with eleven requests, ids only', async () => {
  const mailbox = await reconciledMailbox(app);
  const mails = Array.from({ length: 10_000 }, (_, index) => ({
    to: mailbox.address,
    subject: `Mail ${index}`,
    // A second each: a page boundary falls between mails of one second, too.
    receivedDateTime: minutesAgo(300 - Math.floor(index / 250)),
  }));
  for (let start = 0; start < mails.length; start += 1_000) {
    await deliverMany(app.emulator.url, mails.slice(start, start + 1_000));
  }
  // Reading them in is another test's business; the ledger is filled as if it had been done.
  const { folders } = await control<{
    folders: { displayName: string; messages: { immutableId: string }[] }[];
  }>(app.emulator.url, `mailboxes/${mailbox.address}?top=10000`);
  const ids = folders.find(({ displayName }) => displayName === 'Inbox')?.messages ?? [];
  await query(
    app,
    `insert into inbound_message (id, organization_id, mailbox_id, graph_message_id, subject, received_at, outcome,
       reason, explanation, created_at, updated_at)
     select gen_random_uuid(), organization_id, id, graph_message_id, '', now() - interval '2 hours', 'IGNORED',
       'TICKETS_OFF', '', now(), now()
     from mailbox, json_array_elements_text(?::json) as graph_message_id where id = ?`,
    [JSON.stringify(ids.map(({ immutableId }) => immutableId)), mailbox.uuid],
  );
  await query(app, 'update sync_state set covered_until = now() where mailbox_id = ?', [mailbox.uuid]);
  const before = await listingRequests(app, mailbox.address);
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({ ...NOTHING, listed: 10_000, ignored: 10_000 });
  expect(done.requests).toBeLessThanOrEqual(14);
  expect((await listingRequests(app, mailbox.address)) - before).toBe(done.requests);
});

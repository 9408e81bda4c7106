import { afterAll, beforeAll, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { createDesk, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  askToImport,
  callImport,
  daysAgo,
  importReaches,
  lastImportOf,
  leave,
  ticketsOf,
} from './import-harness.ts';
import { query } from './push-harness.ts';
import { behindOurBack, reconcile } from './reconcile-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** A mailbox in which mail lies, and that takes in nothing yet. */
async function mailboxWith(mails: Parameters<typeof leave>[2]) {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const delivered = await leave(app, address, mails);
  return { desk, mailboxId, address, delivered };
}

const succeeds = async (desk: Desk, mailboxId: string) =>
  importReaches(desk, (await lastImportOf(desk, mailboxId))?.id ?? '', 'SUCCEEDED');

const iso = (time: string) => new Date(time).toISOString();

/** How many events of a type an organization has. */
async function eventsOf(desk: Desk): Promise<Record<string, number>> {
  const rows = await query<{ type: string; events: number }>(
    app,
    'select type, count(*)::int as events from event where organization_id = ? group by type',
    [desk.organizationId],
  );
  return Object.fromEntries(rows.map(({ type, events }) => [type, events]));
}

const settings = ({ request }: Desk, input: Record<string, unknown>) =>
  request<{ updateIncomingSettings: { mailbox?: { incoming: object }; code?: string } }>(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
       ... on UpdateIncomingSettingsPayload { mailbox { incoming { existingMail { mode since cutoff targetStatus } } } }
       ... on Error { code } } }`,
    { input },
  ).then(({ updateIncomingSettings }) => updateIncomingSettings);

const HISTORY = [
  { subject: 'Printer', receivedDateTime: daysAgo(60), messageId: '<one@fabrikam.example>' },
  { subject: 'Re: Printer', receivedDateTime: daysAgo(20), inReplyTo: '<one@fabrikam.example>' },
  { subject: 'Scanner', receivedDateTime: daysAgo(10), messageId: '<two@fabrikam.example>' },
];
const [first, answer, other] = HISTORY.map(({ receivedDateTime }) => iso(receivedDateTime));

test('an archive keeps the dates of the mail, has the target status, is marked, and threads', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  expect(await succeeds(desk, mailboxId)).toMatchObject({
    seen: 3,
    estimated: 3,
    created: 2,
    appended: 1,
    problem: null,
  });
  expect(await ticketsOf(desk, mailboxId)).toEqual([
    {
      subject: 'Printer',
      status: 'CLOSED',
      isImported: true,
      createdAt: first,
      lastMessageAt: answer,
      closedAt: answer,
      messages: ['Printer', 'Re: Printer'],
    },
    {
      subject: 'Scanner',
      status: 'CLOSED',
      isImported: true,
      createdAt: other,
      lastMessageAt: other,
      closedAt: other,
      messages: ['Scanner'],
    },
  ]);
});

test('nobody hears of the tickets of an archive, and its mail stays where it is', async () => {
  const file = { name: 'a.txt', contentBytes: Buffer.from('one').toString('base64') };
  const { desk, mailboxId, address } = await mailboxWith(
    HISTORY.map((mail) => ({ ...mail, attachments: [file] })),
  );
  await desk.enable(mailboxId, {
    afterProcessing: 'ARCHIVE',
    archiveFolderId: 'archive',
    existingMail: { mode: 'ARCHIVE', targetStatus: 'PENDING' },
  });
  await succeeds(desk, mailboxId);
  await eventually('the files are stored', async () => {
    const rows = await query<{ state: string }>(
      app,
      'select state from attachment where organization_id = ?',
      [desk.organizationId],
    );
    return rows.length === 3 && rows.every(({ state }) => state === 'STORED');
  });
  const events = await eventsOf(desk);
  expect(Object.keys(events).filter((type) => /ticket|message/.test(type))).toEqual([]);
  expect(events['mail-import.progressed']).toBeGreaterThan(1);
  expect((await ticketsOf(desk, mailboxId)).map(({ status }) => status)).toEqual(['PENDING', 'PENDING']);
  const folders = await foldersOf(app.emulator.url, address);
  expect(folders.get('Inbox')).toHaveLength(3);
  expect(folders.get('Archive')).toEqual([]);
});

test('everything as new: open tickets of now, with events, and archived as the settings say', async () => {
  const { desk, mailboxId, address } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId, {
    afterProcessing: 'ARCHIVE',
    archiveFolderId: 'archive',
    existingMail: { mode: 'AS_NEW' },
  });
  expect(await succeeds(desk, mailboxId)).toMatchObject({ created: 2, appended: 1 });
  const tickets = await ticketsOf(desk, mailboxId);
  expect(tickets).toMatchObject([
    { status: 'OPEN', isImported: false },
    { status: 'OPEN', isImported: false },
  ]);
  for (const { createdAt } of tickets) expect(Date.parse(createdAt)).toBeGreaterThan(Date.now() - 60_000);
  expect(await eventsOf(desk)).toMatchObject({ 'ticket.created': 2, 'message.added': 3 });
  await eventually('it is archived', async () => {
    const folders = await foldersOf(app.emulator.url, address);
    return folders.get('Archive')?.length === 3;
  });
});

test('only new mail unless something else is chosen', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId);
  expect(await lastImportOf(desk, mailboxId)).toBeNull();
  expect(await ticketsOf(desk, mailboxId)).toEqual([]);
});

test('mail before the cut-off is history, the other is new, and what is older than `since` is left out', async () => {
  const { desk, mailboxId } = await mailboxWith([
    { subject: 'Too old', receivedDateTime: daysAgo(100) },
    { subject: 'Old', receivedDateTime: daysAgo(50) },
    { subject: 'At the cut-off', receivedDateTime: daysAgo(30) },
    { subject: 'Recent', receivedDateTime: daysAgo(2) },
  ]);
  const existingMail = { mode: 'ARCHIVE', since: daysAgo(90), cutoff: daysAgo(30, -1), targetStatus: 'OPEN' };
  await desk.enable(mailboxId, { existingMail });
  expect(await succeeds(desk, mailboxId)).toMatchObject({ seen: 3, estimated: 3, created: 3 });
  const tickets = await ticketsOf(desk, mailboxId);
  expect(tickets.map(({ subject, isImported }) => [subject, isImported])).toEqual([
    ['Old', true],
    ['At the cut-off', false],
    ['Recent', false],
  ]);
  expect(await eventsOf(desk)).toMatchObject({ 'ticket.created': 2 });
});

test('a reply to history follows the usual rules: a fresh ticket reopens, an old one is followed up', async () => {
  const { desk, mailboxId, address } = await mailboxWith([
    { subject: 'Long ago', receivedDateTime: daysAgo(60), messageId: '<old@fabrikam.example>' },
    { subject: 'Lately', receivedDateTime: daysAgo(3), messageId: '<late@fabrikam.example>' },
  ]);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  await succeeds(desk, mailboxId);
  const reply = (subject: string, inReplyTo: string) =>
    deliver(app.emulator.url, { to: address, subject, inReplyTo });
  await reply('Re: Long ago', '<old@fabrikam.example>');
  await reply('Re: Lately', '<late@fabrikam.example>');
  await desk.sync(mailboxId);
  const tickets = await ticketsOf(desk, mailboxId);
  expect(tickets.map(({ subject, status, messages }) => [subject, status, messages.length])).toEqual([
    ['Long ago', 'CLOSED', 1],
    ['Lately', 'OPEN', 2],
    ['Re: Long ago', 'OPEN', 1],
  ]);
});

test('importing again, and a sync that reads everything, double nothing', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId);
  await importReaches(desk, await askToImport(desk, { mailboxId, mode: 'ARCHIVE' }), 'SUCCEEDED');
  const before = await ticketsOf(desk, mailboxId);
  const again = await askToImport(desk, { mailboxId, mode: 'AS_NEW' });
  expect(await importReaches(desk, again, 'SUCCEEDED')).toMatchObject({ seen: 3, created: 0, appended: 0 });
  await query(
    app,
    `update mailbox set receive_from = now() - interval '90 days' where id in (select mailbox_id from mail_import where organization_id = ?)`,
    [desk.organizationId],
  );
  await query(
    app,
    'update sync_state set cursor = null, round = null, covered_until = null where organization_id = ?',
    [desk.organizationId],
  );
  expect(await desk.sync(mailboxId)).toMatchObject({ seen: 3, created: 0, appended: 0 });
  expect(await ticketsOf(desk, mailboxId)).toEqual(before);
});

test('the runs of a mailbox name an import once it has ended, with its figures', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  await succeeds(desk, mailboxId);
  const { syncRuns } = await desk.request<{ syncRuns: { edges: { node: { trigger: string } }[] } }>(
    `query ($id: ID!) { syncRuns(mailboxId: $id) { edges { node { trigger state seen created appended } } } }`,
    { id: mailboxId },
  );
  expect(syncRuns.edges.map(({ node }) => node).filter(({ trigger }) => trigger === 'IMPORT')).toEqual([
    { trigger: 'IMPORT', state: 'SUCCEEDED', seen: 3, created: 2, appended: 1 },
  ]);
});

test('the settings show the choice, and saving them again with it imports nothing again', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  const existingMail = { mode: 'ARCHIVE', cutoff: daysAgo(1), targetStatus: 'OPEN' };
  const input = { mailboxId, enabled: true, existingMail };
  const shown = { ...existingMail, since: null, cutoff: iso(existingMail.cutoff) };
  expect(await settings(desk, input)).toEqual({ mailbox: { incoming: { existingMail: shown } } });
  const { id } = await succeeds(desk, mailboxId);
  expect(await settings(desk, input)).toEqual({ mailbox: { incoming: { existingMail: shown } } });
  expect(await lastImportOf(desk, mailboxId)).toMatchObject({ id, state: 'SUCCEEDED' });
  const late = { mailboxId, existingMail: { mode: 'AS_NEW' } };
  expect(await settings(desk, late)).toEqual({ code: 'INVALID_INPUT' });
});

test.each([
  ['a cut-off in the future', { mode: 'ARCHIVE', cutoff: daysAgo(-1) }, 'INVALID_INPUT'],
  ['`since` in the future', { mode: 'AS_NEW', since: daysAgo(-1) }, 'INVALID_INPUT'],
  ['`since` after the cut-off', { mode: 'ARCHIVE', since: daysAgo(1), cutoff: daysAgo(2) }, 'INVALID_INPUT'],
  ['a cut-off without an archive', { mode: 'AS_NEW', cutoff: daysAgo(1) }, 'INVALID_INPUT'],
  ['a status without an archive', { mode: 'AS_NEW', targetStatus: 'OPEN' }, 'INVALID_INPUT'],
])('an import with %s is refused, and so is enabling with it', async (_what, wish, code) => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  expect(await settings(desk, { mailboxId, enabled: true, existingMail: wish })).toEqual({ code });
  await desk.enable(mailboxId);
  expect(await callImport(desk, 'importExistingMail', { mailboxId, ...wish })).toEqual({ code });
  expect(await lastImportOf(desk, mailboxId)).toBeNull();
});

test('nothing is imported while incoming mail is off', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  const input = { mailboxId, mode: 'ARCHIVE' };
  expect(await callImport(desk, 'importExistingMail', input)).toEqual({ code: 'INCOMING_DISABLED' });
});

test('an import belongs to those who run syncs in its organization', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  const { id: mailImportId } = await succeeds(desk, mailboxId);
  const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
  const agent = createDesk(app.url, app.emulator, desk.organizationId, secret);
  const stranger = await app.newDesk();
  for (const [name, input] of [
    ['importExistingMail', { mailboxId, mode: 'ARCHIVE' }],
    ['cancelImport', { mailImportId }],
    ['resumeImport', { mailImportId }],
  ] as const) {
    await expect(callImport(agent, name, input)).rejects.toThrow(/permission/i);
    expect(await callImport(stranger, name, input)).toEqual({ code: 'NOT_FOUND' });
  }
  expect(await stranger.request('query ($id: ID!) { node(id: $id) { id } }', { id: mailImportId })).toEqual({
    node: null,
  });
});

test('history that lost its rows is found by a reconciliation and is history again, without a sound', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  await succeeds(desk, mailboxId);
  const [scanner] = await query<{ id: string }>(
    app,
    `select ticket_id as id from message where organization_id = ? and subject = 'Scanner'`,
    [desk.organizationId],
  );
  for (const table of ['inbound_message', 'message']) {
    await query(app, `delete from ${table} where ticket_id = ?`, [scanner?.id]);
  }
  await query(app, 'delete from ticket where id = ?', [scanner?.id]);
  const mailbox = { desk, mailboxId, address: '', uuid: '' };
  expect(await reconcile(mailbox, { since: daysAgo(90) })).toMatchObject({
    state: 'SUCCEEDED',
    listed: 3,
    missing: 1,
    repaired: 1,
  });
  expect((await ticketsOf(desk, mailboxId)).map(({ subject, ...rest }) => [subject, rest])).toMatchObject([
    ['Printer', { isImported: true, messages: ['Printer', 'Re: Printer'] }],
    ['Scanner', { isImported: true, status: 'CLOSED', createdAt: other, closedAt: other }],
  ]);
  expect(Object.keys(await eventsOf(desk)).filter((type) => /ticket|message/.test(type))).toEqual([]);
});

test('history whose row was found again is history as well when its message is lost after that', async () => {
  const { desk, mailboxId } = await mailboxWith(HISTORY);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  await succeeds(desk, mailboxId);
  const mailbox = { desk, mailboxId, address: '', uuid: '' };
  const [scanner] = await query<{ id: string }>(
    app,
    `select ticket_id as id from message where organization_id = ? and subject = 'Scanner'`,
    [desk.organizationId],
  );
  await query(app, 'delete from inbound_message where ticket_id = ?', [scanner?.id]);
  expect(await reconcile(mailbox, { since: daysAgo(90) })).toMatchObject({ missing: 1, repaired: 1 });
  await behindOurBack(app, 'delete from message where ticket_id = ?', [scanner?.id]);
  await behindOurBack(app, 'delete from ticket where id = ?', [scanner?.id]);
  expect(await reconcile(mailbox, { since: daysAgo(90) })).toMatchObject({ missing: 1, repaired: 1 });
  expect((await ticketsOf(desk, mailboxId)).map(({ subject, ...rest }) => [subject, rest])).toMatchObject([
    ['Printer', { isImported: true }],
    ['Scanner', { isImported: true, status: 'CLOSED', createdAt: other, closedAt: other }],
  ]);
  expect(Object.keys(await eventsOf(desk)).filter((type) => /ticket|message/.test(type))).toEqual([]);
});

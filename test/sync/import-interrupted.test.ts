import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, createDesk, freePort, startTestApp, type TestApp } from '../support/app.ts';
import { cloneDatabase } from '../support/database.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { deliver } from '../support/mail.ts';
import { startServerProcess } from '../support/server-process.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
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
import { query } from './push-harness.ts';

/** Enough for four pages. */
const MAILS = 350;

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

const oldMails = Array.from({ length: MAILS }, (_, index) => ({
  subject: `Old ${index}`,
  receivedDateTime: daysAgo(30, Math.floor(index / 3)),
}));

async function fullMailbox() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await leave(app, address, oldMails);
  await desk.enable(mailboxId);
  return { desk, mailboxId, address };
}

const fault = (address: string, input: Record<string, unknown>) =>
  control(app.emulator.url, 'faults', { mailbox: address, ...input });

const figuresOf = async (organizationId: string) => {
  const [row] = await query<{ tickets: number; subjects: number; rows: number }>(
    app,
    `select (select count(*)::int from ticket where organization_id = ?) as tickets,
       (select count(distinct subject)::int from message where organization_id = ?) as subjects,
       (select count(*)::int from inbound_message where organization_id = ?) as rows`,
    [organizationId, organizationId, organizationId],
  );
  return row;
};

test('cancelled it stays where it is, and resumed it goes on from there and doubles nothing', async () => {
  const { desk, mailboxId } = await fullMailbox();
  const held = graph.hold(LATER_PAGES);
  const mailImportId = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  await eventually('a page is stored', async () => (await importOf(desk, mailImportId)).seen >= 100);
  const { mailImport } = await callImport(desk, 'cancelImport', { mailImportId });
  expect(mailImport).toMatchObject({ state: 'CANCELLED', problem: null, estimated: MAILS });
  const { seen = 0 } = mailImport ?? {};
  expect(seen).toBeLessThan(MAILS);
  expect((await callImport(desk, 'cancelImport', { mailImportId })).mailImport).toEqual(mailImport);
  expect(await importOf(desk, mailImportId)).toMatchObject({ seen, state: 'CANCELLED' });
  held.release();
  const resumed = await callImport(desk, 'resumeImport', { mailImportId });
  expect(resumed.mailImport).toMatchObject({ id: mailImportId, seen });
  expect(await importReaches(desk, mailImportId, 'SUCCEEDED')).toMatchObject({ seen: MAILS, created: MAILS });
  expect(await figuresOf(desk.organizationId)).toEqual({ tickets: MAILS, subjects: MAILS, rows: MAILS });
  for (const name of ['cancelImport', 'resumeImport'] as const) {
    expect(await callImport(desk, name, { mailImportId })).toEqual({ code: 'IMPORT_ENDED' });
  }
});

test('while one goes on the same wish gives it back, another is refused, and new mail is a ticket at once', async () => {
  const { desk, mailboxId, address } = await fullMailbox();
  const held = graph.hold(LATER_PAGES);
  const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  expect(await askToImport(desk, { mailboxId, mode: 'ARCHIVE' })).toBe(id);
  const other = await callImport(desk, 'importExistingMail', { mailboxId, mode: 'AS_NEW' });
  expect(other).toEqual({ code: 'IMPORT_RUNNING' });
  await eventually('it runs', async () => (await importOf(desk, id)).state === 'RUNNING');
  await deliver(app.emulator.url, { to: address, subject: 'New' });
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', created: 1 });
  expect(await importOf(desk, id)).toMatchObject({ state: 'RUNNING' });
  held.release();
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ seen: MAILS, created: MAILS });
  expect(await figuresOf(desk.organizationId)).toMatchObject({ tickets: MAILS + 1, rows: MAILS + 1 });
});

test('asked to slow down it is paused with the time, and goes on by itself', async () => {
  const { desk, mailboxId, address } = await fullMailbox();
  await fault(address, { status: 429, retryAfterSeconds: 3, pathPattern: 'orderby', count: 1 });
  const askedAt = Date.now();
  const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  const paused = await importReaches(desk, id, 'PAUSED');
  expect(paused).toMatchObject({ problem: { code: 'THROTTLED' } });
  expect(Date.parse(paused.resumesAt ?? '')).toBeGreaterThanOrEqual(askedAt + 3_000);
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ seen: MAILS, problem: null });
});

test('what Microsoft refuses ends it with the reason and a remedy, and it can be resumed', async () => {
  const { desk, mailboxId, address } = await fullMailbox();
  await fault(address, { status: 403, errorCode: 'ErrorAccessDenied', pathPattern: 'orderby', count: 1 });
  const mailImportId = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  const failed = await importReaches(desk, mailImportId, 'FAILED');
  expect(failed).toMatchObject({ problem: { code: 'MAILBOX_ACCESS_DENIED' } });
  expect(failed.problem?.remedy).toMatch(/Exchange/);
  await callImport(desk, 'resumeImport', { mailImportId });
  expect(await importReaches(desk, mailImportId, 'SUCCEEDED')).toMatchObject({ seen: MAILS, problem: null });
});

test('switching incoming mail off ends it with the reason, and on again it can be resumed', async () => {
  const { desk, mailboxId } = await fullMailbox();
  const held = graph.hold(/orderby/);
  const mailImportId = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  await eventually('it asks for a page', () => held.count > 0);
  const settings = `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) { __typename } }`;
  await desk.request(settings, { input: { mailboxId, enabled: false } });
  held.release();
  expect(await importReaches(desk, mailImportId, 'CANCELLED')).toMatchObject({
    problem: { code: 'IMPORT_SETTINGS_CHANGED' },
  });
  expect(await callImport(desk, 'resumeImport', { mailImportId })).toEqual({ code: 'INCOMING_DISABLED' });
  await desk.request(settings, { input: { mailboxId, enabled: true } });
  await callImport(desk, 'resumeImport', { mailImportId });
  expect(await importReaches(desk, mailImportId, 'SUCCEEDED')).toMatchObject({ seen: MAILS });
});

test('a damaged mail fails alone, and the others are imported', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const delivered = await leave(app, address, oldMails.slice(0, 12));
  const damaged = delivered[5];
  await control(
    app.emulator.url,
    `mailboxes/${address}/quirks`,
    { corruptMessages: [damaged?.immutableId] },
    'PUT',
  );
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  const id = (await lastImportOf(desk, mailboxId))?.id ?? '';
  expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({ seen: 12, created: 11, failed: 1 });
});

test('progress is told live, and resumed from a cursor', async () => {
  const { desk, mailboxId } = await fullMailbox();
  const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${desk.apiKey}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
    body: JSON.stringify({
      query: `subscription ($id: ID, $after: String) { importProgressed(mailboxId: $id, after: $after) {
        cursor mailImport { id state seen estimated } } }`,
      variables: { id: mailboxId, after: Buffer.from('0.0').toString('base64url') },
    }),
    signal: AbortSignal.timeout(SLOW_MACHINE),
  });
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes('"SUCCEEDED"')) break;
  }
  expect(text).toContain(id);
  expect(text).toContain(`"seen":${MAILS},"estimated":${MAILS}`);
});

test('killed in the middle, the next process goes on, and nothing is lost or doubled', async () => {
  await using db = await cloneDatabase();
  const env = {
    DATABASE_URL: db.url,
    DESKGRAPH_ADMIN_KEY: 'dg_test-admin-key-of-the-killed-importer-00',
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    MICROSOFT_LOGIN_URL: app.emulator.loginUrl,
    MICROSOFT_GRAPH_URL: graph.url,
    LOG_LEVEL: 'silent',
  };
  const start = async () => startServerProcess({ ...env, PORT: String(await freePort()) });
  let server = await start();
  try {
    let desk = createDesk(server.url, app.emulator, '', env.DESKGRAPH_ADMIN_KEY);
    const { mailboxId, address } = await desk.connectMailbox();
    await leave(app, address, oldMails);
    await desk.enable(mailboxId);
    const held = graph.hold(LATER_PAGES);
    const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
    const { seen } = await eventually('a page is stored', async () => {
      const figures = await importOf(desk, id);
      return figures.seen >= 100 && figures;
    });
    await server.kill();
    expect(seen).toBeLessThan(MAILS);
    held.release();
    server = await start();
    desk = createDesk(server.url, app.emulator, '', env.DESKGRAPH_ADMIN_KEY);
    const done = await importReaches(desk, id, 'SUCCEEDED');
    expect(done).toMatchObject({ seen: MAILS, created: MAILS, failed: 0 });
    const rows = await db.database.em
      .fork()
      .execute<{ subjects: number; messages: number; ledger: number }[]>(
        `select count(distinct subject)::int as subjects, count(*)::int as messages,
           (select count(*)::int from inbound_message) as ledger from message`,
      );
    expect(rows).toEqual([{ subjects: MAILS, messages: MAILS, ledger: MAILS }]);
  } finally {
    await server.stop();
  }
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { DAY, HOUR } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { reconcileDueMailboxesJob } from '../../src/sync/reconcile.jobs.ts';
import { reconcileDueMailboxes } from '../../src/sync/reconcile-due-mailboxes.ts';
import { control, createDesk, freePort, startTestApp, type TestApp } from '../support/app.ts';
import { cloneDatabase } from '../support/database.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { deliverMany } from '../support/mail.ts';
import { startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';
import { query } from './push-harness.ts';
import {
  askToReconcile,
  behindOurBack,
  listingRequests,
  messagesBySubject,
  minutesAgo,
  type ReconciledMailbox,
  receive,
  reconcile,
  reconciledMailbox,
  reconciliationEnds,
  reconciliationOf,
} from './reconcile-harness.ts';

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

const fault = (mailbox: ReconciledMailbox, input: Record<string, unknown>) =>
  control(app.emulator.url, 'faults', { mailbox: mailbox.address, ...input });

/** Jobs that wait for a later try are due now: the tests do not sit out backoff. */
const hurry = () =>
  query(
    app,
    `update graphile_worker._private_jobs set run_at = now() where locked_at is null and run_at > now()`,
  );

test('a throttled reconciliation says so, goes on later from where it was, and obeys Retry-After', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [{ subject: 'One' }, { subject: 'Two' }]);
  await query(app, `delete from inbound_message where mailbox_id = ? and subject = 'One'`, [mailbox.uuid]);
  await fault(mailbox, { status: 429, retryAfterSeconds: 3, pathPattern: 'orderby', count: 1 });
  const startedAt = performance.now();
  const id = await askToReconcile(mailbox);
  const throttled = await eventually('it is throttled', async () => {
    const figures = await reconciliationOf(mailbox.desk, id);
    return figures.problem?.code === 'THROTTLED' && figures;
  });
  expect(throttled).toMatchObject({ state: 'RUNNING', requests: 1 });
  const [job] = await query<{ waits: number }>(
    app,
    `select extract(epoch from run_at - created_at)::float as waits from graphile_worker._private_jobs where key = ?`,
    [`sync.reconcile-mailbox:${mailbox.uuid}`],
  );
  expect(job?.waits).toBeGreaterThanOrEqual(3);
  await eventually('the pause is over', () => performance.now() - startedAt > 3_500);
  await hurry();
  expect(await reconciliationEnds(mailbox.desk, id)).toMatchObject({
    state: 'SUCCEEDED',
    problem: null,
    listed: 2,
    stored: 2,
    missing: 1,
    repaired: 1,
  });
});

test('what Microsoft refuses for good ends it with the reason, and the next one works', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [{ subject: 'One' }]);
  await fault(mailbox, { status: 403, errorCode: 'ErrorAccessDenied', pathPattern: 'orderby', count: 1 });
  expect(await reconcile(mailbox)).toMatchObject({
    state: 'FAILED',
    problem: { code: 'MAILBOX_ACCESS_DENIED' },
  });
  expect(await reconcile(mailbox)).toMatchObject({ state: 'SUCCEEDED', listed: 1, stored: 1, problem: null });
});

test('a damaged mail does not stop it: ids alone are compared, the mail itself is failed', async () => {
  const mailbox = await reconciledMailbox(app);
  const [damaged, sound] = await receive(app, mailbox, [{ subject: 'Damaged' }, { subject: 'Sound' }]);
  await query(app, 'delete from inbound_message where mailbox_id = ?', [mailbox.uuid]);
  await query(app, `delete from ticket where mailbox_id = ?`, [mailbox.uuid]);
  await control(
    app.emulator.url,
    `mailboxes/${mailbox.address}/quirks`,
    { corruptMessages: [damaged?.immutableId] },
    'PUT',
  );
  const done = await reconcile(mailbox);
  expect(done).toMatchObject({
    state: 'SUCCEEDED',
    listed: 2,
    stored: 1,
    failed: 1,
    missing: 2,
    repaired: 2,
  });
  expect(await messagesBySubject(app, mailbox)).toEqual({ Sound: 1 });
  expect(sound).toBeDefined();
});

test('asking again while one is open gives back that one; without incoming mail, or for the future, it is refused', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [{ subject: 'One' }]);
  const held = graph.hold(/orderby/);
  const ids = await Promise.all([askToReconcile(mailbox), askToReconcile(mailbox), askToReconcile(mailbox)]);
  expect(new Set(ids).size).toBe(1);
  await expect(askToReconcile(mailbox, { since: minutesAgo(-10) })).rejects.toThrow('INVALID_INPUT');
  held.release();
  expect(await reconciliationEnds(mailbox.desk, ids[0] ?? '')).toMatchObject({ listed: 1, stored: 1 });
  expect(await askToReconcile(mailbox)).not.toBe(ids[0]);
  await mailbox.desk.request(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
       ... on UpdateIncomingSettingsPayload { mailbox { id } } } }`,
    { input: { mailboxId: mailbox.mailboxId, enabled: false } },
  );
  await expect(askToReconcile(mailbox)).rejects.toThrow('INCOMING_DISABLED');
});

test('mail from before the window is not looked at, and with an earlier since it is', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [
    { subject: 'Ten days old', receivedDateTime: minutesAgo(10 * 24 * 60) },
    { subject: 'New' },
  ]);
  await behindOurBack(app, 'delete from message where mailbox_id = ?', [mailbox.uuid]);
  expect(await reconcile(mailbox)).toMatchObject({ listed: 1, missing: 1, repaired: 1 });
  const since = minutesAgo(20 * 24 * 60);
  expect(await reconcile(mailbox, { since })).toMatchObject({
    listed: 2,
    stored: 2,
    missing: 1,
    repaired: 1,
  });
});

test('the folder was not read to its end yet: it says so, and nothing becomes a difference', async () => {
  const mailbox = await reconciledMailbox(app);
  expect(await reconcile(mailbox)).toMatchObject({
    state: 'FAILED',
    problem: { code: 'NOT_SYNCED_YET' },
    listed: 0,
    missing: 0,
  });
});

test('every mailbox has its turn once a night, at a minute of its own, and the oldest are forgotten', async () => {
  const logger = createLogger('silent');
  const { signal } = new AbortController();
  const mailboxes = [
    await reconciledMailbox(app),
    await reconciledMailbox(app),
    await reconciledMailbox(app),
  ];
  for (const mailbox of mailboxes) await receive(app, mailbox, [{ subject: 'One' }]);
  const uuids = mailboxes.map(({ uuid }) => uuid);
  const nightly = () =>
    query<{ mailbox_id: string }>(
      app,
      `select mailbox_id from reconciliation where trigger = 'NIGHTLY' and mailbox_id in (?) order by 1`,
      [uuids],
    );
  const at = (now: Date) =>
    reconcileDueMailboxes({ database: app.database, clock: { now: () => now } }, { logger, signal });
  await at(new Date(Date.now() + 19 * HOUR));
  expect(await nightly()).toEqual([]); // enabled less than 20 hours ago: nothing is due, whatever time it is
  // A day that is far off: the process goes by the time of today, and for it nothing is due meanwhile.
  const ending = new Date(Date.now() + 30 * DAY);
  ending.setUTCHours(5, 0, 0, 0);
  const minutes = await query<{ minute: number }>(
    app,
    'select ((hashtextextended(id::text, 0) % 300 + 300) % 300)::int as minute from mailbox where id in (?) order by 1',
    [uuids],
  );
  const last = minutes.at(-1)?.minute ?? 0;
  const before = new Date(ending);
  before.setUTCHours(0, last - 1, 0, 0);
  // Twice: a tick asks for twenty, and the mailboxes of the other tests are due as well by then.
  await at(before);
  await at(before);
  expect((await nightly()).length).toBe(minutes.filter(({ minute }) => minute < last).length);
  await at(ending);
  await at(ending);
  expect((await nightly()).map(({ mailbox_id }) => mailbox_id)).toEqual(uuids.toSorted());
  await eventually('they have run', async () => {
    const open = await query(
      app,
      `select 1 from reconciliation where state in ('QUEUED', 'RUNNING') and mailbox_id in (?)`,
      [uuids],
    );
    return open.length === 0;
  });
  await at(new Date(ending.getTime() + 91 * DAY));
  const ofThen = 'select 1 from reconciliation where mailbox_id in (?) and created_at <= ?';
  expect(await query(app, ofThen, [uuids, ending])).toEqual([]);
});

test('asked for again while Microsoft wants to be left alone, it waits all the same, and does not use up its tries', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [{ subject: 'One' }]);
  await fault(mailbox, { status: 429, retryAfterSeconds: 600, pathPattern: 'orderby', count: 1 });
  const id = await askToReconcile(mailbox);
  const wait = async () => {
    const [job] = await query<{ seconds: number }>(
      app,
      `select extract(epoch from run_at - now())::float as seconds from graphile_worker._private_jobs
        where key = ? and locked_at is null`,
      [`sync.reconcile-mailbox:${mailbox.uuid}`],
    );
    return job?.seconds ?? 0;
  };
  await eventually('it waits', async () => (await wait()) > 500);
  for (let times = 0; times < 15; times += 1) {
    expect(await askToReconcile(mailbox)).toBe(id);
    expect(await wait()).toBeGreaterThan(500);
  }
  expect(await reconciliationOf(mailbox.desk, id)).toMatchObject({ state: 'RUNNING', requests: 1 });
});

test('one whose job has used up its tries gets another', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [{ subject: 'One' }]);
  await fault(mailbox, { status: 429, retryAfterSeconds: 2, pathPattern: 'orderby', count: 1 });
  const id = await askToReconcile(mailbox);
  const key = `sync.reconcile-mailbox:${mailbox.uuid}`;
  await eventually('its job waits, and is lost', async () => {
    const { problem } = await reconciliationOf(mailbox.desk, id);
    const gone = await query(
      app,
      'delete from graphile_worker._private_jobs where key = ? and locked_at is null and ? returning id',
      [key, problem !== null],
    );
    return gone.length === 1;
  });
  await eventually('it has another job, and ends', async () => {
    await enqueue(forkAcrossOrganizations(app.database), reconcileDueMailboxesJob, {});
    await hurry();
    return (await reconciliationOf(mailbox.desk, id)).state === 'SUCCEEDED';
  });
});

test('a fault of ours that keeps coming back ends it with the reason after a few tries, and the next one is free', async () => {
  const mailbox = await reconciledMailbox(app);
  await receive(app, mailbox, [{ subject: 'One' }]);
  await query(
    app,
    `create function break_reconciliation() returns trigger language plpgsql as $$
       begin raise exception 'broken on purpose'; end $$`,
  );
  await query(
    app,
    `create trigger broken before insert on reconciliation_day for each row
       when (new.reconciliation_id is not null) execute function break_reconciliation()`,
  );
  const tries = () =>
    query(
      app,
      `select 1 from graphile_worker._private_jobs where key = ? and attempts > 0 and last_error is not null`,
      [`sync.reconcile-mailbox:${mailbox.uuid}`],
    );
  try {
    const id = await askToReconcile(mailbox);
    await eventually('a try has failed', async () => (await tries()).length > 0);
    expect(await reconciliationOf(mailbox.desk, id)).toMatchObject({ state: 'RUNNING', problem: null });
    await eventually('it ends', async () => {
      await hurry();
      return (await reconciliationOf(mailbox.desk, id)).state === 'FAILED';
    });
    expect(await reconciliationOf(mailbox.desk, id)).toMatchObject({
      problem: { code: 'RECONCILIATION_FAILED' },
    });
  } finally {
    await query(app, 'drop function break_reconciliation() cascade');
  }
  await eventually('its job finds nothing to do', async () => {
    await hurry();
    return (await tries()).length === 0;
  });
  expect(await reconcile(mailbox)).toMatchObject({ state: 'SUCCEEDED', listed: 1, stored: 1, problem: null });
});

test('killed in the middle, it goes on from the page where it was, and counts every mail once', async () => {
  await using db = await cloneDatabase();
  const port = await freePort();
  const apiKey = 'dg_test-admin-key-of-the-first-organization-1';
  const env = {
    PORT: String(port),
    DATABASE_URL: db.url,
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    DESKGRAPH_ADMIN_KEY: apiKey,
    MICROSOFT_LOGIN_URL: app.emulator.loginUrl,
    MICROSOFT_GRAPH_URL: graph.url,
    LOG_LEVEL: 'warn',
  };
  let server = await startServerProcess(env);
  try {
    const desk = createDesk(server.url, app.emulator, 'first', apiKey);
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId, { createTickets: false });
    const em = forkAcrossOrganizations(db.database);
    const [row] = await em.execute<{ id: string }[]>(
      `update mailbox set receive_from = now() - interval '30 days' returning id`,
    );
    await em.execute('update sync_state set cursor = null, round = null, covered_until = null');
    const mailbox: ReconciledMailbox = { desk, mailboxId, address, uuid: row?.id ?? '' };
    const mails = Array.from({ length: 2_500 }, (_, index) => ({
      to: address,
      subject: `Mail ${index}`,
      receivedDateTime: minutesAgo(300 - Math.floor(index / 10)),
    }));
    for (let start = 0; start < mails.length; start += 1_000) {
      await deliverMany(app.emulator.url, mails.slice(start, start + 1_000));
    }
    await desk.sync(mailboxId);
    await em.execute(
      'delete from inbound_message where id in (select id from inbound_message order by id limit 30)',
    );
    const first = graph.hold(/orderby/);
    const id = await askToReconcile(mailbox);
    await eventually('the first page is asked for', () => first.count > 0);
    const others = graph.hold(/orderby/);
    first.release();
    await eventually('the first page is compared', async () => {
      const [found] = await forkAcrossOrganizations(db.database).execute<{ listed: number | null }[]>(
        `select (place ->> 'listed')::int as listed from reconciliation`,
      );
      return found?.listed === 1_000;
    });
    await server.kill();
    others.release();
    server = await startServerProcess(env);
    const done = await eventually(
      'it ends',
      async () => {
        const figures = await reconciliationOf(desk, id);
        return figures.state === 'SUCCEEDED' && figures;
      },
      60_000,
    );
    expect(done).toMatchObject({ listed: 2_500, ignored: 2_500, missing: 30, repaired: 30 });
    // Three pages, and the one that the kill broke off.
    expect(await listingRequests(app, address)).toBeLessThanOrEqual(4);
  } finally {
    await server.kill();
  }
});

import { connect } from 'node:net';
import { Writable } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import {
  acceptLifecycleEvents,
  findSubscriptions,
  LIFECYCLE_EVENTS,
} from '../../src/sync/push-notifications.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { notificationOf, type SeededSubscription, seedSubscriptions } from '../support/subscriptions.ts';
import { eventually } from '../support/wait.ts';

/*
 * How notifications are stored: together, past slow queries, and each for itself when one of them cannot be. No worker runs
 * here, so that runs and jobs stay as the webhook left them.
 */

let app: TestApp;
let client: pg.Client;
let subscriptions: SeededSubscription[];
let logged = '';
beforeAll(async () => {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk);
      done();
    },
  });
  app = await startTestApp({}, { logger: createLogger('info', sink), env: { DESKGRAPH_ROLES: 'api' } });
  client = new pg.Client({ connectionString: app.databaseUrl });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await app?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  subscriptions = await seedSubscriptions(app.databaseUrl, { organizations: 2, mailboxes: 5 });
});

const post = (...value: object[]) =>
  fetch(`${app.url}/webhooks/microsoft-graph`, { method: 'POST', body: JSON.stringify({ value }) });
const notify = (subscription: SeededSubscription | undefined, change?: object) =>
  post(notificationOf(subscription ?? missing(), change));

function missing(): never {
  throw new Error('no such subscription');
}

interface Job {
  key: string | null;
  locked_by: string | null;
  attempts: number;
  run_at: Date;
}

async function runsOf({ mailboxId }: SeededSubscription): Promise<{ trigger: string; state: string }[]> {
  const { rows } = await client.query(
    'select trigger, state from sync_run where mailbox_id = $1 order by id',
    [mailboxId],
  );
  return rows;
}

async function jobsOf({ mailboxId }: SeededSubscription): Promise<Job[]> {
  const { rows } = await client.query(
    `select job.* from graphile_worker._private_jobs as job
      join graphile_worker._private_tasks as task on task.id = job.task_id
      where task.identifier = 'sync.mailbox' and job.payload->>'mailboxId' = $1 order by job.id`,
    [mailboxId],
  );
  return rows;
}

const TAKE = `update graphile_worker._private_jobs set locked_at = now(), locked_by = 'somebody', attempts = 1 where key = $1`;

test('a burst of notifications is accepted whole, and is one run and one job for each mailbox', async () => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, index) => notify(subscriptions[index % subscriptions.length])),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  for (const subscription of subscriptions) {
    expect(await runsOf(subscription)).toEqual([{ trigger: 'PUSH', state: 'QUEUED' }]);
    expect(await jobsOf(subscription)).toHaveLength(1);
  }
});

test('queries that hold every connection of the process do not keep notifications waiting', async () => {
  const desk = await app.newDesk();
  await client.query('begin');
  await client.query('lock table ticket in access exclusive mode');
  const slow = Promise.allSettled(
    Array.from({ length: 25 }, () => desk.request('{ tickets(first: 1) { edges { node { id } } } }')),
  );
  try {
    await eventually('they hold twenty connections', async () => {
      // On another connection: within a transaction the answer would stay the same.
      const rows = await app.database.em
        .fork()
        .execute<{ count: number }[]>(
          `select count(*)::int as count from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
        );
      return (rows[0]?.count ?? 0) >= 20;
    });
    expect((await notify(subscriptions[0])).status).toBe(202);
  } finally {
    await client.query('rollback');
    await slow;
  }
});

test('a mailbox that cannot be stored spoils no notification of another one that came at the same time', async () => {
  const [broken, ...others] = subscriptions;
  await client.query(
    `alter table sync_run add constraint broken check (mailbox_id <> '${broken?.mailboxId}') not valid`,
  );
  try {
    const answers = await Promise.all([...subscriptions, ...subscriptions].map((one) => notify(one)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toEqual([503, ...others.map(() => 202), 503, ...others.map(() => 202)]);
    for (const other of others) expect(await runsOf(other)).toHaveLength(1);
  } finally {
    await client.query('alter table sync_run drop constraint broken');
  }
});

test('a subscription that somebody has locked does not keep those of others waiting', async () => {
  const [locked, other] = subscriptions;
  await client.query('begin');
  await client.query('select 1 from push_subscription where mailbox_id = $1 for update', [locked?.mailboxId]);
  const stuck = notify(locked);
  try {
    const answered = await Promise.race([notify(other), stuck]);
    expect(answered.status).toBe(202);
    expect(await runsOf(other ?? missing())).toHaveLength(1);
  } finally {
    await client.query('rollback');
    expect([202, 503]).toContain((await stuck).status);
  }
});

test('lifecycle events and notifications that name the same mailboxes the other way round never wait in a circle', async () => {
  const there = subscriptions.flatMap((one) => [
    notificationOf(one, { lifecycleEvent: 'missed' }),
    notificationOf(one, { lifecycleEvent: 'subscriptionRemoved' }),
    notificationOf(one, { lifecycleEvent: 'reauthorizationRequired' }),
    notificationOf(one),
  ]);
  const back = there.toReversed();
  const before = logged.length;
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => post(...(index % 2 === 0 ? there : back))),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  expect(logged.slice(before)).not.toContain('deadlock');
});

test('nor do processes of their own that are told of lifecycle events', async () => {
  const known = await findSubscriptions(
    forkAcrossOrganizations(app.database),
    subscriptions.map(({ subscriptionId }) => subscriptionId),
  );
  const there = [...known.values()].flatMap((subscription, index) => [
    { subscription, event: LIFECYCLE_EVENTS[index % 3] ?? 'missed' },
    { subscription, event: LIFECYCLE_EVENTS[(index + 1) % 3] ?? 'missed' },
  ]);
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      forkAcrossOrganizations(app.database).transactional((em) =>
        acceptLifecycleEvents(
          em,
          index % 2 === 0 ? there : there.toReversed(),
          new Date(2026, 10, 21 + index),
        ),
      ),
    ),
  );
});

test('a run that waits keeps its place in the line, however often its mailbox is named', async () => {
  const [one = missing()] = subscriptions;
  await notify(one);
  const [first] = await jobsOf(one);
  for (let times = 0; times < 3; times += 1) await notify(one);
  expect(await jobsOf(one)).toEqual([first]);
});

test('a job that failed and waits is due at once when a notification comes; one that was put off is left alone', async () => {
  const [failed = missing(), postponed = missing()] = subscriptions;
  await Promise.all([notify(failed), notify(postponed)]);
  await client.query(
    `update graphile_worker._private_jobs set run_at = now() + interval '1 hour',
       attempts = case when payload->>'mailboxId' = $1 then 3 else 0 end`,
    [failed.mailboxId],
  );
  await Promise.all([notify(failed), notify(postponed)]);
  const [again] = await jobsOf(failed);
  expect(again?.run_at.getTime()).toBeLessThan(Date.now() + 60_000);
  const [later] = await jobsOf(postponed);
  expect(later?.run_at.getTime()).toBeGreaterThan(Date.now() + 60_000);
});

test('while a run is under way, a notification makes one that follows', async () => {
  const [one = missing()] = subscriptions;
  await notify(one);
  await client.query(TAKE, [`sync.mailbox:${one.mailboxId}`]);
  await client.query(`update sync_run set state = 'RUNNING' where mailbox_id = $1`, [one.mailboxId]);
  expect((await notify(one)).status).toBe(202);
  expect((await runsOf(one)).map(({ state }) => state)).toEqual(['RUNNING', 'QUEUED']);
  expect((await jobsOf(one)).map(({ locked_by }) => locked_by)).toEqual(['somebody', null]);
});

test('a job that a worker takes in the middle of it has a successor as soon as the notification is stored', async () => {
  const [one = missing()] = subscriptions;
  await notify(one);
  // The job waits for a retry, so that it is to be replaced; a worker takes it between the two statements of add_jobs.
  await client.query(
    `update graphile_worker._private_jobs set attempts = 1, run_at = now() + interval '1 hour' where key = $1`,
    [`sync.mailbox:${one.mailboxId}`],
  );
  // Whatever the webhook did in another transaction would be missing after a crash: here, it fails.
  await client.query('create table first_to_insert (transaction xid8)');
  await client.query(`create function wait_for_test() returns trigger language plpgsql as $$ begin
    perform pg_advisory_xact_lock_shared(42);
    if exists (select from first_to_insert where transaction <> pg_current_xact_id()) then raise 'crashed'; end if;
    insert into first_to_insert values (pg_current_xact_id());
    return new;
  end $$`);
  await client.query(
    'create trigger wait_for_test before insert on graphile_worker._private_jobs for each row execute function wait_for_test()',
  );
  try {
    await client.query('select pg_advisory_lock(42)');
    const answer = notify(one);
    await eventually('it stands between the two statements', async () => {
      const { rows } = await client.query(
        // This database's: the server is everybody's.
        `select 1 from pg_locks where locktype = 'advisory' and not granted
           and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows.length > 0;
    });
    await client.query(TAKE, [`sync.mailbox:${one.mailboxId}`]);
    await client.query('select pg_advisory_unlock(42)');
    expect((await answer).status).toBe(202);
  } finally {
    await client.query('drop function wait_for_test cascade');
    await client.query('drop table first_to_insert');
  }
  expect((await jobsOf(one)).map(({ locked_by }) => locked_by)).toEqual(['somebody', null]);
});

test('the first notification that a run answers is written down, and later ones do not move it', async () => {
  const [one = missing()] = subscriptions;
  const announcedAt = async () => {
    const { rows } = await client.query('select announced_at from sync_run where mailbox_id = $1', [
      one.mailboxId,
    ]);
    return rows.map(({ announced_at: at }) => at);
  };
  await notify(one, { lifecycleEvent: 'missed' });
  expect(await announcedAt()).toEqual([null]);
  await notify(one);
  const [first] = await announcedAt();
  expect(first).toBeInstanceOf(Date);
  await notify(one);
  expect(await announcedAt()).toEqual([first]);
});

test.each([
  ['a declared length', 'Content-Length: 1000\r\n\r\n{"value": ['],
  ['chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"val\r\n'],
])('a body with %s that breaks off is no fault of ours', async (_, rest) => {
  const { hostname, port } = new URL(app.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(
    `POST /webhooks/microsoft-graph HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${rest}`,
  );
  // A request on another connection that comes after it: by its answer the first one is being read.
  await notify(subscriptions[0]);
  const before = logged.length;
  socket.destroy();
  await eventually('it is over', () => logged.slice(before).includes('"msg":"request"'));
  expect(logged.slice(before)).not.toContain('unexpected error');
  expect(logged.slice(before)).not.toContain('"status":500');
  expect((await notify(subscriptions[0])).status).toBe(202);
});

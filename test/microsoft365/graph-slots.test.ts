import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { budgetLocks } from '../../src/microsoft365/graph-budget-key.ts';
import { createGraphGate, type GraphGate, SLOTS_PER_MAILBOX } from '../../src/microsoft365/graph-gate.ts';
import { createSharedBudget } from '../../src/microsoft365/graph-shared-budget.ts';
import { monotonicMilliseconds } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';

let db: TestDatabase;
let sql: pg.Pool;
let key = '';
beforeAll(async () => {
  db = await cloneDatabase();
  sql = new pg.Pool({ connectionString: db.url, max: 4 });
});
afterAll(async () => {
  await sql?.end();
  await db?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  key = `test-${crypto.randomUUID()}`;
});

/** The part of a process that keeps the budget, connected. */
async function startProcess(): Promise<GraphGate> {
  const budget = createSharedBudget({ databaseUrl: db.url, logger: createLogger('silent') });
  const gate = createGraphGate(budget);
  budget.attach(gate);
  onTestFinished(() => budget[Symbol.asyncDispose]());
  await eventually('it keeps no slot by itself', async () => budget.held('nobody') === 0);
  return gate;
}

/** Locks of mailboxes that any process holds. */
async function held(): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `select count(*)::int as count from pg_locks where locktype = 'advisory' and database =
       (select oid from pg_database where datname = current_database())`,
  );
  return rows[0]?.count ?? 0;
}

/** A connection of somebody else. */
async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

const deadline = () => AbortSignal.timeout(SLOW_MACHINE);

test('a process that asks for more just when its unused slots go loses none of them for ever', async () => {
  const gate = await startProcess();
  (await gate.enter(key, { slots: 1 }, deadline()))();
  const unusedSince = monotonicMilliseconds();
  const other = await connect();
  await other.query('begin');
  await other.query('lock table graph_pause in access exclusive mode');
  const entering = gate.enter(key, { slots: 4 }, deadline());
  await eventually(
    'its time is over, and it still asks',
    async () => monotonicMilliseconds() - unusedSince > 800,
  );
  await other.query('commit');
  (await entering)();
  await eventually('all are free for others', async () => (await held()) === 0);
});

test('a process that gathered slots, got none and gave up leaves the right to gather to others', async () => {
  const gate = await startProcess();
  const { slots, gathering } = budgetLocks(key, SLOTS_PER_MAILBOX);
  const other = await connect();
  await other.query('select pg_advisory_lock(lock) from unnest($1::bigint[]) as lock', [slots]);
  const giveUp = new AbortController();
  const entering = gate.enter(key, { slots: 4 }, giveUp.signal);
  await eventually('it gathers', async () => (await held()) === slots.length + 1);
  giveUp.abort(new Error('it took too long'));
  await expect(entering).rejects.toThrow('it took too long');
  await eventually('the right is free', async () => {
    const { rows } = await other.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [
      gathering,
    ]);
    return rows[0]?.got === true;
  });
});

test('a process that others once waited for gives back what it does not use, like any other', async () => {
  const [busy, short] = await Promise.all([startProcess(), startProcess()]);
  const enter = (gate: GraphGate) => gate.enter(key, { slots: 1 }, deadline());
  const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => enter(busy)));
  const waiting = enter(short);
  const askedAt = monotonicMilliseconds();
  for (const leave of others) leave();
  (await waiting)();
  await eventually('nobody waits any more', async () => monotonicMilliseconds() - askedAt > 1_800);
  first?.();
  await eventually('all are free for others', async () => (await held()) === 0);
});

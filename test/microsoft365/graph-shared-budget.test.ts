import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { GraphBudget } from '../../src/microsoft365/graph-budget.ts';
import { createGraphGate, type GraphGate, type Passage } from '../../src/microsoft365/graph-gate.ts';
import { createSharedBudget } from '../../src/microsoft365/graph-shared-budget.ts';
import { delay, MINUTE } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';

let db: TestDatabase;
let sql: pg.Pool;
beforeAll(async () => {
  db = await cloneDatabase();
  sql = new pg.Pool({ connectionString: db.url, max: 4 });
});
afterAll(async () => {
  await sql?.end();
  await db?.[Symbol.asyncDispose]();
});

interface Process {
  gate: GraphGate;
  budget: GraphBudget;
}

/** The part of a process that keeps the budget, connected. */
async function startProcess(): Promise<Process> {
  const budget = createSharedBudget({ databaseUrl: db.url, logger: createLogger('silent') });
  const gate = createGraphGate(budget);
  budget.attach(gate);
  onTestFinished(() => budget[Symbol.asyncDispose]());
  // Connected, that is. The server's list of connections does not tell: it still has those of the test before.
  await eventually('it keeps no slot by itself', async () => budget.held('nobody') === 0);
  return { gate, budget };
}

/** What all processes have under way in a mailbox. */
function watchMailbox() {
  const seen = { now: 0, peak: 0, done: 0 };
  const signal = AbortSignal.timeout(SLOW_MACHINE);
  return {
    seen,
    async request(
      { gate }: Process,
      key: string,
      passage: Passage,
      milliseconds: number,
      besides: () => Promise<unknown> = async () => undefined,
    ): Promise<void> {
      const leave = await gate.enter(key, passage, signal);
      seen.now += passage.slots;
      seen.peak = Math.max(seen.peak, seen.now);
      await Promise.all([delay(milliseconds, signal), besides()]);
      seen.now -= passage.slots;
      seen.done += 1;
      leave();
    },
  };
}

const keyOf = () => `test-${crypto.randomUUID()}`;
const deadline = () => AbortSignal.timeout(SLOW_MACHINE);

test('three processes together never have more than four requests under way in a mailbox, and all get their turn', async () => {
  const processes = await Promise.all([startProcess(), startProcess(), startProcess()]);
  const { seen, request } = watchMailbox();
  const key = keyOf();
  const each = await Promise.all(
    processes.map(async (process) => {
      await Promise.all(Array.from({ length: 40 }, () => request(process, key, { slots: 1 }, 10)));
      return performance.now();
    }),
  );
  expect(seen).toEqual({ now: 0, peak: 4, done: 120 });
  expect(each).toHaveLength(3);
});

test('batches of two processes, and reads between them, neither lock each other out nor exceed the four', async () => {
  const processes = await Promise.all([startProcess(), startProcess()]);
  const { seen, request } = watchMailbox();
  const key = keyOf();
  await Promise.all(
    processes.flatMap((process) => [
      ...Array.from({ length: 6 }, () => request(process, key, { slots: 4, isMove: true }, 15)),
      ...Array.from({ length: 12 }, () => request(process, key, { slots: 1 }, 15)),
      ...Array.from({ length: 4 }, () => request(process, key, { slots: 2 }, 15)),
    ]),
  );
  expect(seen).toEqual({ now: 0, peak: 4, done: 44 });
});

test('a read of one process waits for no more than the batch that runs in another, however many wait there', async () => {
  const [archiving, reading] = await Promise.all([startProcess(), startProcess()]);
  const { seen, request } = watchMailbox();
  const key = keyOf();
  // No faster than the database, by which the two processes come to terms: it is turns that are counted below.
  const askDatabase = () => sql.query('select 1');
  const batches = Array.from({ length: 60 }, () =>
    request(archiving, key, { slots: 4, isMove: true }, 50, askDatabase),
  );
  await eventually('batches run', async () => seen.done >= 3);
  const startedAt = performance.now();
  await request(reading, key, { slots: 1 }, 1);
  const waited = performance.now() - startedAt;
  const done = seen.done;
  process.stdout.write(`a read beside 60 batches of 50 ms in another process: ${waited.toFixed(0)} ms\n`);
  expect(done).toBeLessThan(30);
  await Promise.all(batches);
  expect(seen.peak).toBe(4);
});

test('a process that nobody competes with asks once, and its requests then wait for no database', async () => {
  const process_ = await startProcess();
  const { request } = watchMailbox();
  const key = keyOf();
  const times: number[] = [];
  for (let index = 0; index < 200; index += 1) {
    const startedAt = performance.now();
    const leave = await process_.gate.enter(key, { slots: 1 }, deadline());
    times.push(performance.now() - startedAt);
    leave();
  }
  const [first = 0, ...others] = times;
  const median = others.toSorted((a, b) => a - b)[100] ?? 0;
  const cold: number[] = [];
  for (let index = 0; index < 50; index += 1) {
    const startedAt = performance.now();
    const leave = await process_.gate.enter(keyOf(), { slots: 1 }, deadline());
    cold.push(performance.now() - startedAt);
    leave();
  }
  const coldMedian = cold.toSorted((a, b) => a - b)[25] ?? 0;
  process.stdout.write(
    `a slot: first ${first.toFixed(2)} ms, kept ${(median * 1_000).toFixed(0)} µs, of another mailbox ${coldMedian.toFixed(2)} ms\n`,
  );
  const locks = async () => {
    const { rows } = await sql.query<{ count: number }>(
      `select count(*)::int as count from pg_locks where locktype = 'advisory' and database =
         (select oid from pg_database where datname = current_database())`,
    );
    return rows[0]?.count ?? 0;
  };
  await request(process_, key, { slots: 4 }, 1);
  await eventually('unused slots are given back', async () => (await locks()) === 0);
  expect(median).toBeLessThan(1);
});

test('the slots of a process that is killed are free in the same instant', async () => {
  const key = keyOf();
  const root = resolve(import.meta.dirname, '../..');
  const child = spawn(process.execPath, ['test/microsoft365/hold-slots.ts', db.url, key], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const other = await startProcess();
  const startedAt = performance.now();
  const entered = other.gate.enter(key, { slots: 1 }, deadline());
  await expect(Promise.race([entered, delay(400, deadline())])).resolves.toBeUndefined();
  child.kill('SIGKILL');
  const leave = await entered;
  leave();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

test('what Microsoft told one process, every other obeys: those that run, and those that come later', async () => {
  const [told, other] = await Promise.all([startProcess(), startProcess()]);
  const key = keyOf();
  // Nobody sits it out. It has to last until the third process is connected and has asked.
  told.gate.pause(key, 10 * MINUTE);
  told.budget.pause(key, 10 * MINUTE, 'ALL');
  await eventually('the other knows', async () => other.gate.pausedFor(key) > 1_000);
  await expect(
    other.gate.enter(key, { slots: 1, patienceMilliseconds: 100 }, deadline()),
  ).rejects.toMatchObject({ code: 'THROTTLED' });
  const late = await startProcess();
  const refused = late.gate.enter(key, { slots: 1, patienceMilliseconds: 100 }, deadline());
  await expect(refused).rejects.toMatchObject({ code: 'THROTTLED' });
  expect(late.gate.pausedFor(key)).toBeGreaterThan(0);
  expect(late.gate.pausedFor(keyOf())).toBe(0);
});

test('a pause of moves keeps out moves only, in every process', async () => {
  const [told, other] = await Promise.all([startProcess(), startProcess()]);
  const key = keyOf();
  told.budget.pause(key, 10 * MINUTE, 'MOVES');
  await eventually('the other knows', async () => other.gate.pausedFor(key, true) > 1_000);
  const move: Passage = { slots: 4, isMove: true, patienceMilliseconds: 100 };
  await expect(other.gate.enter(key, move, deadline())).rejects.toMatchObject({ code: 'THROTTLED' });
  const leave = await other.gate.enter(key, { slots: 4, patienceMilliseconds: 100 }, deadline());
  leave();
});

test('a lost connection stops nobody: requests go on at once, and the budget is shared again by itself', async () => {
  const [one, other] = await Promise.all([startProcess(), startProcess()]);
  const { seen, request } = watchMailbox();
  const key = keyOf();
  const work = Promise.all(Array.from({ length: 60 }, () => request(one, key, { slots: 1 }, 20)));
  await eventually('requests are made', async () => seen.done > 4);
  await sql.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'deskgraph-graph-budget'
     and datname = current_database()`,
  );
  // Each by itself: one may be connected again before the other has noticed. Of a mailbox that nobody uses, so that slots
  // which it holds are not taken for the four that it has without a connection.
  const noticed = new Set<Process>();
  await eventually('the loss is noticed', async () => {
    for (const process_ of [one, other]) if (process_.budget.held('nobody') === 4) noticed.add(process_);
    return noticed.size === 2;
  });
  await work;
  expect(seen.done).toBe(60);
  await eventually(
    'it is shared again',
    async () => one.budget.held('nobody') === 0 && other.budget.held('nobody') === 0,
  );
  const again = watchMailbox();
  await Promise.all(
    [one, other].flatMap((process_) =>
      Array.from({ length: 20 }, () => again.request(process_, key, { slots: 1 }, 10)),
    ),
  );
  expect(again.seen).toEqual({ now: 0, peak: 4, done: 40 });
});

test('requests of all processes are counted together, and moves stop at their share', async () => {
  const [one, other] = await Promise.all([startProcess(), startProcess()]);
  const key = keyOf();
  one.budget.count(key, 5_990, true);
  other.budget.count(key, 20, false);
  expect(other.gate.pausedFor(key, true)).toBe(0);
  await eventually('one more batch of the other is too much', async () => {
    other.budget.count(key, 1, true);
    return other.gate.pausedFor(key, true) > 0;
  });
  expect(other.gate.pausedFor(key)).toBe(0);
  const { rows } = await sql.query<{ requests: number; moves: number }>(
    'select sum(requests)::int as requests, sum(moves)::int as moves from graph_usage where key = $1',
    [key],
  );
  expect(rows[0]?.requests).toBeGreaterThanOrEqual(6_010);
  expect(rows[0]?.moves).toBeGreaterThanOrEqual(5_990);
});

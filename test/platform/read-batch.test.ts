import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EntityManager, forkFor } from '../../src/platform/database.ts';
import { batchReads } from '../../src/platform/read-batch.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { countStatements } from '../support/statements.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
  // A connection is made with statements of its own.
  await fork().execute('select 1');
});
afterAll(() => own[Symbol.asyncDispose]());

const fork = (): EntityManager => forkFor(own.database, crypto.randomUUID());

test('reads of one turn are one statement, and each gets its own rows in their order', async () => {
  const reads = batchReads(fork());
  const statements = await countStatements(own.database, async () => {
    const read = Promise.all([
      reads.execute('select n from generate_series(1, ?) as n order by n desc', [3]),
      reads.execute('select ? as word, null as nothing', ["it's"]),
      reads.execute('select 1 as n where ? in (?)', ['c', ['a', 'b']]),
    ]);
    expect(await read).toEqual([[{ n: 3 }, { n: 2 }, { n: 1 }], [{ word: "it's", nothing: null }], []]);
  });
  expect(statements).toHaveLength(1);
});

test('what waits for an earlier read goes with the next turn', async () => {
  const reads = batchReads(fork());
  const twice = async (n: number) => {
    const [row] = await reads.execute<{ n: number }[]>('select ?::integer * 2 as n', [n]);
    return reads.execute('select ?::integer * 2 as n', [row?.n ?? 0]);
  };
  const statements = await countStatements(own.database, async () => {
    expect(await Promise.all([twice(1), twice(2)])).toEqual([[{ n: 4 }], [{ n: 8 }]]);
  });
  expect(statements).toHaveLength(2);
});

test('times and documents are read as an entity manager reads them', async () => {
  const em = fork();
  const sql = `select timestamptz '2026-02-03 04:05:06.789+00' as at, '{"a": [1]}'::jsonb as document`;
  const [alone] = await em.execute<{ at: string; document: object }[]>(sql);
  const reads = batchReads(em);
  const [[together]] = await Promise.all([
    reads.execute<{ at: string; document: object }[]>(sql),
    reads.execute('select 1'),
  ]);
  expect(new Date(together?.at ?? '')).toEqual(new Date(alone?.at ?? ''));
  expect(new Date(together?.at ?? '').toISOString()).toBe('2026-02-03T04:05:06.789Z');
  expect(together?.document).toEqual(alone?.document);
});

test('a read that fails fails all of its turn, and none of the next', async () => {
  const reads = batchReads(fork());
  const [bad, good] = await Promise.allSettled([
    reads.execute('select 1 / ? as n', [0]),
    reads.execute('select 1'),
  ]);
  expect([bad.status, good.status]).toEqual(['rejected', 'rejected']);
  expect(await reads.execute('select 1 as n')).toEqual([{ n: 1 }]);
});

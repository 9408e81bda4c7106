import { afterAll, beforeAll, expect, test } from 'vitest';
import { batching } from '../../src/platform/batching.ts';
import { forkFor } from '../../src/platform/database.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const fork = () => forkFor(own.database, crypto.randomUUID());

/** Lengths of words, with the batches that were asked for. */
function lengths() {
  const batches: string[][] = [];
  const load = batching(async (_em, words: readonly string[]) => {
    batches.push([...words]);
    if (words.includes('poison')) throw new Error('refused');
    return new Map(words.filter((word) => word !== '').map((word) => [word, word.length]));
  });
  return { batches, load };
}

test('what is asked in one tick is one batch with each key once, and what has no answer is undefined', async () => {
  const { batches, load } = lengths();
  const em = fork();
  expect(await Promise.all(['a', 'bb', 'a', ''].map((word) => load(em, word)))).toEqual([1, 2, 1, undefined]);
  expect(batches).toEqual([['a', 'bb', '']]);
});

test('nothing is kept for later, and entity managers share nothing', async () => {
  const { batches, load } = lengths();
  const em = fork();
  await load(em, 'a');
  await Promise.all([load(em, 'a'), load(fork(), 'a')]);
  expect(batches).toEqual([['a'], ['a'], ['a']]);
});

test('a failure reaches everybody who asked, and the next batch is tried again', async () => {
  const { load } = lengths();
  const em = fork();
  const results = await Promise.allSettled([load(em, 'a'), load(em, 'poison')]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await load(em, 'a')).toBe(1);
});

import { expect, test } from 'vitest';
import { afterReading, type ReadingFacts } from '../../src/sync/announced-mail-plan.ts';

const announced: ReadingFacts = { trigger: 'PUSH', expected: 1, brought: 0, isFresh: true, looks: 0 };
const look: ReadingFacts = { ...announced, isFresh: false };
const poll: ReadingFacts = { ...look, trigger: 'POLL' };
const OVER = { awaited: 0, looks: 0, lookInMilliseconds: null };

test.each<[string, ReadingFacts, unknown]>([
  ['what was announced has come: nothing is left', { ...announced, brought: 1 }, OVER],
  ['a run brings more than was announced: nothing is left', { ...announced, brought: 5 }, OVER],
  ['nothing was announced: nothing is awaited', { ...poll, expected: 0 }, OVER],
  ['nothing came: a look in 3 s', announced, { awaited: 1, looks: 0, lookInMilliseconds: 3_000 }],
  [
    'one of three came: a look for the others',
    { ...announced, expected: 3, brought: 1 },
    { awaited: 2, looks: 0, lookInMilliseconds: 3_000 },
  ],
  [
    'the first look brings nothing: another, 20 s in all',
    look,
    { awaited: 1, looks: 1, lookInMilliseconds: 17_000 },
  ],
  [
    'the second brings nothing: the next poll may',
    { ...look, looks: 1 },
    { awaited: 1, looks: 2, lookInMilliseconds: null },
  ],
  ['the next poll brings nothing: it is over', { ...poll, looks: 2 }, OVER],
  ['a poll before the first look changes nothing', poll, { awaited: 1, looks: 0, lookInMilliseconds: 3_000 }],
  [
    'nor does a person between the two',
    { ...look, trigger: 'MANUAL', looks: 1 },
    { awaited: 1, looks: 1, lookInMilliseconds: 17_000 },
  ],
  [
    'a new announcement begins anew',
    { ...announced, expected: 2, looks: 2 },
    { awaited: 2, looks: 0, lookInMilliseconds: 3_000 },
  ],
])('%s', (_name, facts, after) => {
  expect(afterReading(facts)).toEqual(after);
});

test('doubled notifications cost two looks, and end', () => {
  let { awaited, looks, lookInMilliseconds } = afterReading({ ...announced, expected: 2, brought: 1 });
  let runs = 0;
  while (lookInMilliseconds !== null) {
    runs += 1;
    ({ awaited, looks, lookInMilliseconds } = afterReading({ ...look, expected: awaited, looks }));
  }
  expect(runs).toBe(2);
  expect(afterReading({ ...poll, expected: awaited, looks })).toEqual(OVER);
});

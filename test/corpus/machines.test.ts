import { expect, test } from 'vitest';
import { readCases } from './corpus-case.ts';
import { PARTS, playGroups } from './play-groups.ts';

playGroups(PARTS['machines.test.ts']);

test('every group of the corpus is played by one file of tests', () => {
  const played = Object.values(PARTS).flat();
  expect(played.toSorted()).toEqual([...new Set(readCases().map(({ group }) => group))].toSorted());
});

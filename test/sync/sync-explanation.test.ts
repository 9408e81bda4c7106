import { expect, test } from 'vitest';
import { type ExplainedStatus, explainFiling, explainSync } from '../../src/sync/sync-explanation.ts';

const status: ExplainedStatus = {
  state: 'IDLE',
  timeZone: 'Europe/Berlin',
  resumesAt: null,
  lastSuccessAt: new Date('2026-11-21T13:00:00Z'),
  nextPollAt: new Date('2026-11-21T13:05:00Z'),
  problem: null,
};

test.each([
  [
    { state: 'PAUSED', resumesAt: new Date('2026-11-21T13:05:00Z') },
    /^Paused until 2026-11-21 14:05 \(Europe\/Berlin\):/,
  ],
  [{}, /last read to its end at 2026-11-21 14:00 \(Europe\/Berlin\)\. It is read next at 2026-11-21 14:05/],
  [{ timeZone: 'UTC' }, /at 2026-11-21 13:00 UTC\./],
  [{ lastSuccessAt: null, state: 'RUNNING' }, /^The folder is being read\. .*never/],
  [{ state: 'DISABLED' }, /^Incoming mail is switched off\.$/],
  [
    { state: 'FAILING', problem: { code: 'X', message: 'Microsoft refused.', remedy: '', since: '' } },
    /^Microsoft refused\. .*tried again at 2026-11-21 14:05/,
  ],
] as const)('a sync that is %o says so by the clock of the mailbox', (change, expected) => {
  expect(explainSync({ ...status, ...change })).toMatch(expected);
});

test('what could not be filed is told with how many and why, and nothing where nothing is wrong', () => {
  const problem = { code: 'X', message: 'The folder does not exist.', remedy: '', since: '' };
  expect(explainFiling({ count: 0, problem: null })).toBe('');
  expect(explainFiling({ count: 1, problem })).toBe(
    '1 message could not be archived, deleted or copied: The folder does not exist.',
  );
  expect(explainFiling({ count: 2, problem: null })).toBe(
    '2 messages could not be archived, deleted or copied.',
  );
});

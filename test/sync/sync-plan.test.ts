import { expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND } from '../../src/platform/clock.ts';
import {
  messageRetryDelay,
  nextStep,
  type RunProgress,
  retryDelay,
  startOfRound,
} from '../../src/sync/sync-plan.ts';

const noon = new Date('2026-11-21T12:00:00Z');
const at = (milliseconds: number) => new Date(noon.getTime() + milliseconds);

const progress = (change: Partial<RunProgress>): RunProgress => ({
  isLastPage: false,
  cursorRepeats: false,
  hasRestarted: false,
  isFilteredRound: true,
  listedInRound: 100,
  newestInRound: at(MINUTE),
  roundStart: noon,
  ...change,
});

test.each([
  ['the first round starts when mail was enabled', noon, null, noon],
  ['a restart goes back an hour behind what is covered', noon, at(5 * HOUR), at(4 * HOUR)],
  ['a restart never goes behind the moment of enabling', noon, at(10 * MINUTE), noon],
])('%s', (_name, receiveFrom, coveredUntil, expected) => {
  expect(startOfRound(receiveFrom, coveredUntil)).toEqual(expected);
});

test.each<[string, Partial<RunProgress>, ReturnType<typeof nextStep>]>([
  ['a page with a next link goes on', {}, { kind: 'CONTINUE' }],
  ['an empty page with a next link goes on', { listedInRound: 0, newestInRound: null }, { kind: 'CONTINUE' }],
  ['only a delta link ends the round', { isLastPage: true }, { kind: 'DONE' }],
  [
    "a filtered round cut off at Graph's limit goes on from the newest message, with overlap",
    { isLastPage: true, listedInRound: 5_000, newestInRound: at(HOUR) },
    { kind: 'NEXT_WINDOW', from: at(59 * MINUTE) },
  ],
  [
    'the overlap of two windows never keeps the second from going on',
    { isLastPage: true, listedInRound: 5_000, newestInRound: at(MINUTE) },
    { kind: 'NEXT_WINDOW', from: at(MINUTE) },
  ],
  [
    'a round from a stored cursor has no such limit',
    { isLastPage: true, listedInRound: 5_000, isFilteredRound: false },
    { kind: 'DONE' },
  ],
  [
    '5,000 messages of one second do not become an endless loop',
    { isLastPage: true, listedInRound: 5_000, newestInRound: noon },
    { kind: 'DONE' },
  ],
  ['a repeated link starts over once', { cursorRepeats: true }, { kind: 'RESTART' }],
  ['a link repeated after that gives up', { cursorRepeats: true, hasRestarted: true }, { kind: 'LOOP' }],
  [
    'a delta link that repeats is simply an idle folder',
    { cursorRepeats: true, isLastPage: true },
    { kind: 'DONE' },
  ],
])('%s', (_name, change, expected) => {
  expect(nextStep(progress(change))).toEqual(expected);
});

test('failures in a row wait longer and longer, and never longer than the polling interval', () => {
  expect([1, 2, 3, 4, 5].map((failures) => retryDelay(failures, 60) / SECOND)).toEqual([10, 20, 40, 80, 160]);
  expect(retryDelay(50, 60)).toBe(15 * MINUTE);
  expect(retryDelay(50, 1)).toBe(MINUTE);
});

test('a message that failed is tried again four times as late each time, and at least every six hours', () => {
  expect([1, 2, 3].map((attempts) => messageRetryDelay(attempts) / SECOND)).toEqual([30, 120, 480]);
  expect(messageRetryDelay(20)).toBe(6 * HOUR);
});

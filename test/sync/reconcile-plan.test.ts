import { describe, expect, test } from 'vitest';
import type { ListedMail } from '../../src/microsoft365/mail.ts';
import {
  afterPage,
  aroundDamage,
  confirmStep,
  MOST_LISTED,
  placeAtStart,
  type ReconcilePlace,
  reconcileRetryDelay,
  requestAt,
  startOfWindow,
} from '../../src/sync/reconcile-plan.ts';

const at = (second: number) => new Date(Date.UTC(2026, 10, 21, 9, 0, second));
const mail = (id: string, second: number, more: Partial<ListedMail> = {}): ListedMail => ({
  graphMessageId: id,
  internetMessageId: null,
  receivedAt: at(second),
  isDraft: false,
  ...more,
});
const START = placeAtStart('WATCHED', at(0));
const idsOf = (mails: readonly ListedMail[]) => mails.map(({ graphMessageId }) => graphMessageId);

describe('what follows a page', () => {
  test('the next page is asked for by the time of the last mail, and mails of that second count once', () => {
    const first = afterPage(START, { mails: [mail('a', 1), mail('b', 2), mail('c', 2)], link: 'L1' }, false);
    expect(first.next).toMatchObject({ from: at(2).toISOString(), link: null, seen: ['b', 'c'], listed: 3 });
    expect(requestAt(first.next ?? START, 'F', at(60))).toEqual({
      folderId: 'F',
      receivedFrom: at(2),
      receivedUntil: at(60),
      idsOnly: false,
    });
    const page = { mails: [mail('b', 2), mail('c', 2), mail('d', 2), mail('e', 3)], link: null };
    const second = afterPage(first.next ?? START, page, false);
    expect(idsOf(second.fresh)).toEqual(['d', 'e']);
    expect(second.next).toBeNull();
  });

  test('the end is where there is no link, not where a page is short or empty', () => {
    const empty = afterPage(START, { mails: [], link: 'L1' }, false);
    expect(empty.next).toMatchObject({ link: 'L1', listed: 0 });
    expect(afterPage(START, { mails: [], link: null }, false).next).toBeNull();
  });

  test('a page that does not get beyond one second is followed by its link', () => {
    const place: ReconcilePlace = { ...START, from: at(5).toISOString(), seen: ['a'] };
    const stuck = afterPage(place, { mails: [mail('a', 5), mail('b', 5)], link: 'L1' }, false);
    expect(idsOf(stuck.fresh)).toEqual(['b']);
    expect(requestAt(stuck.next ?? START, 'F', at(60))).toEqual({ folderId: 'F', link: 'L1' });
    const on = afterPage(stuck.next ?? START, { mails: [mail('c', 5), mail('d', 6)], link: 'L2' }, false);
    expect(on.next).toMatchObject({ from: at(6).toISOString(), link: null, seen: ['d'], listed: 3 });
  });

  test('drafts are no mail', () => {
    const page = { mails: [mail('a', 1), mail('probe', 2, { isDraft: true })], link: null };
    expect(idsOf(afterPage(START, page, false).fresh)).toEqual(['a']);
  });

  test.each([
    ['enough was listed', { ...START, listed: MOST_LISTED - 1 }, 'L1', false],
    ['enough differs', START, 'L1', true],
    ['Graph gives the same link again', { ...START, link: 'L1' }, 'L1', false],
  ])('it is cut, and says where, when %s', (_why, place, link, isFull) => {
    const step = afterPage(place, { mails: [mail('a', 1), mail('b', 4)], link }, isFull);
    expect(step).toMatchObject({ next: null, cutAt: at(4) });
  });
});

test.each([
  [500, true],
  [504, true],
  [503, false],
  [429, false],
  [null, false],
])('after the status %s ids alone are listed: %s; and once only', (status, isTried) => {
  const detour = aroundDamage({ ...START, link: 'L1', seen: ['a'], listed: 7 }, status);
  expect(detour).toEqual(isTried ? { ...START, seen: ['a'], listed: 7, idsOnly: true } : null);
  expect(aroundDamage({ ...START, idsOnly: true }, status)).toBeNull();
});

test('ids without times are followed by links', () => {
  const place = { ...START, idsOnly: true };
  const step = afterPage(place, { mails: [mail('a', 0, { receivedAt: null })], link: 'L1' }, false);
  expect(step.next).toEqual({ ...place, link: 'L1', listed: 1 });
});

const NOW = new Date('2026-11-21T12:00:00Z');
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 86_400_000);

test.each([
  ['seven days by default', null, daysAgo(100), daysAgo(7)],
  ['as far as asked', daysAgo(60), daysAgo(100), daysAgo(60)],
  ['never from before it was enabled', daysAgo(60), daysAgo(3), daysAgo(3)],
])('the window: %s', (_what, asked, receiveFrom, expected) => {
  expect(startOfWindow(asked, receiveFrom, NOW)).toEqual(expected);
});

test.each([
  ['a sync that began before the listing explains nothing', 10, -5, 'WAIT'],
  ['one that began after it does', 10, 5, 'GO_ON'],
  ['none came for an hour', 3_600, null, 'GO_ON'],
  ['none came yet', 3_599, null, 'WAIT'],
] as const)('confirming: %s', (_what, waitedSeconds, coveredAfterSeconds, kind) => {
  const listedAt = new Date(NOW.getTime() - waitedSeconds * 1_000);
  const covered =
    coveredAfterSeconds === null ? null : new Date(listedAt.getTime() + coveredAfterSeconds * 1_000);
  const step = confirmStep(listedAt, covered, NOW);
  expect(step.kind).toBe(kind);
  if (step.kind === 'WAIT') expect(step.milliseconds).toBeLessThanOrEqual(60_000);
});

test('refusals are tried again later and later, never before Microsoft allows it, and not for ever', () => {
  expect(reconcileRetryDelay(1, null)).toBe(10_000);
  expect(reconcileRetryDelay(1, 90_000)).toBe(90_000);
  expect(reconcileRetryDelay(11, null)).toBe(15 * 60_000);
  expect(reconcileRetryDelay(12, 1_000)).toBeNull();
});

import { describe, expect, test } from 'vitest';
import type { HistoryPage, IncomingMail } from '../../src/microsoft365/mail.ts';
import {
  afterImportPage,
  aroundDamagedMail,
  firstPlace,
  type ImportOrder,
  type ImportPlace,
  importRequest,
  resumedPlace,
  treatmentOf,
  withoutLink,
} from '../../src/sync/import-plan.ts';
import { earliestKnown } from '../../src/sync/imported-range.ts';

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 9, 0, second));
const mail = (id: string, second: number, isDraft = false) =>
  ({ graphMessageId: id, receivedAt: at(second), isDraft }) as IncomingMail;
const page = (mails: IncomingMail[], link: string | null): HistoryPage => ({ mails, unreadable: [], link });
const ARCHIVE: ImportOrder = { mode: 'ARCHIVE', cutoff: at(30), targetStatus: 'PENDING', until: at(60) };
const START = firstPlace(ARCHIVE);
const idsOf = (mails: readonly IncomingMail[]) => mails.map(({ graphMessageId }) => graphMessageId);

describe('what follows a page', () => {
  test('the next page is asked for by the time of the last mail, and mails of that second come once', () => {
    const first = afterImportPage(ARCHIVE, START, page([mail('a', 1), mail('b', 2), mail('c', 2)], 'L'));
    expect(first?.next).toMatchObject({ from: at(2).toISOString(), link: null, seen: ['b', 'c'] });
    const next = first?.next ?? START;
    expect(importRequest(ARCHIVE, next, 'F')).toEqual({
      folderId: 'F',
      receivedFrom: at(2),
      receivedBefore: at(30),
      oneByOne: false,
    });
    const second = afterImportPage(ARCHIVE, next, page([mail('b', 2), mail('c', 2), mail('d', 3)], 'L'));
    expect(idsOf(second?.fresh ?? [])).toEqual(['d']);
  });

  test('a page that does not get beyond one second is followed by its link, and a circle is noticed', () => {
    const place: ImportPlace = { ...START, from: at(2).toISOString(), seen: ['a'] };
    const stuck = afterImportPage(ARCHIVE, place, page([mail('a', 2), mail('b', 2)], 'L'));
    expect(stuck?.next).toMatchObject({ from: place.from, link: 'L', seen: ['a', 'b'] });
    expect(afterImportPage(ARCHIVE, stuck?.next ?? START, page([mail('b', 2)], 'L'))).toBeNull();
  });

  test('a second that took more than a page is listed again until nothing new is in it: mail moved meanwhile shifts what a link leads to', () => {
    const start: ImportPlace = { ...START, from: at(2).toISOString() };
    const from = (place: ImportPlace | null | undefined, mails: IncomingMail[], link: string | null) =>
      afterImportPage(ARCHIVE, place ?? START, page(mails, link));
    const full = from(start, [mail('a', 2), mail('b', 2)], 'L1');
    // `a` is moved away, and `c` takes its place on the page that was read already.
    const beyond = from(full?.next, [mail('d', 2), mail('e', 3)], 'L2');
    expect(beyond?.next).toMatchObject({ from: at(2).toISOString(), link: null });
    const again = from(beyond?.next, [mail('b', 2), mail('c', 2)], 'L3');
    expect(idsOf(again?.fresh ?? [])).toEqual(['c']);
    const unsure = from(again?.next, [mail('d', 2), mail('e', 3)], null);
    expect(unsure).toMatchObject({ fresh: [], next: { from: at(2).toISOString(), link: null } });
    const known = from(unsure?.next, [mail('b', 2), mail('c', 2)], 'L4');
    const done = from(known?.next, [mail('d', 2), mail('e', 3)], 'L5');
    expect(done).toMatchObject({ fresh: [], next: { from: at(3).toISOString(), link: null, seen: ['e'] } });
    expect(from(known?.next, [mail('d', 2), mail('e', 3)], null)?.next).toMatchObject({ phase: 'AS_NEW' });
  });

  test('of mails without end in one second it keeps no ids without end, and lists them once', () => {
    const many = Array.from({ length: 6_000 }, (_, index) => mail(`m${index}`, 2));
    const place: ImportPlace = { ...START, from: at(2).toISOString() };
    const full = afterImportPage(ARCHIVE, place, page(many, 'L'))?.next;
    expect(full?.seen).toHaveLength(5_000);
    const beyond = afterImportPage(ARCHIVE, full ?? START, page([mail('z', 3)], 'L2'))?.next;
    expect(beyond).toMatchObject({ from: at(3).toISOString(), link: null });
  });

  test('a link that Graph does not know any more is dropped, and once more only after it has led to something', () => {
    const place: ImportPlace = { ...START, from: at(2).toISOString(), link: 'L', seen: ['a'] };
    const dropped = withoutLink(place);
    expect(dropped).toMatchObject({ from: place.from, link: null, seen: ['a'] });
    expect(withoutLink(START)).toBeNull();
    const known = afterImportPage(ARCHIVE, dropped ?? START, page([mail('a', 2)], 'L2'))?.next;
    expect(withoutLink(known ?? START)).toBeNull();
    const led = afterImportPage(ARCHIVE, dropped ?? START, page([mail('a', 2), mail('b', 2)], 'L2'))?.next;
    expect(withoutLink(led ?? START)).toMatchObject({ link: null, seen: ['a', 'b'] });
    expect(resumedPlace(known ?? START)).toMatchObject({ link: null, from: place.from });
    expect(withoutLink({ ...resumedPlace(known ?? START), link: 'L3' })).not.toBeNull();
  });

  test('drafts are no mail', () => {
    const step = afterImportPage(ARCHIVE, START, page([mail('a', 1), mail('draft', 2, true)], null));
    expect(idsOf(step?.fresh ?? [])).toEqual(['a']);
  });

  test('behind the cut-off begins what is taken in as new, and behind that nothing', () => {
    const next = afterImportPage(ARCHIVE, START, page([], null))?.next;
    expect(next).toMatchObject({ phase: 'AS_NEW', from: at(30).toISOString(), seen: [] });
    expect(next && importRequest(ARCHIVE, next, 'F')).toMatchObject({ receivedBefore: at(60) });
    expect(next && afterImportPage(ARCHIVE, next, page([], null))?.next).toBeNull();
    expect(afterImportPage({ ...ARCHIVE, cutoff: null }, START, page([], null))?.next).toBeNull();
    const asNew = { mode: 'AS_NEW' as const, until: at(60) };
    expect(afterImportPage(asNew, firstPlace(asNew), page([], null))?.next).toBeNull();
  });

  test('a page that cannot be read is read mail by mail, once, and then it goes on as before', () => {
    const detour = aroundDamagedMail({ ...START, link: 'L' });
    expect(detour).toMatchObject({ link: null, oneByOne: true });
    expect(aroundDamagedMail(detour ?? START)).toBeNull();
    const step = afterImportPage(ARCHIVE, detour ?? START, page([mail('a', 1), mail('b', 2)], 'L'));
    expect(step?.next).toMatchObject({ from: at(2).toISOString(), oneByOne: false });
  });
});

test.each([
  ['before the cut-off', ARCHIVE, at(29), 'PENDING'],
  ['at the cut-off', ARCHIVE, at(30), null],
  ['of an archive without one', { ...ARCHIVE, cutoff: null }, at(59), 'PENDING'],
  ['of an import as new', { mode: 'AS_NEW' as const, until: at(60) }, at(1), null],
])('a mail %s that is found later is taken in alike', (_what, order, receivedAt, status) => {
  expect(treatmentOf(order, receivedAt)).toBe(status);
});

test('what is known reaches back over imports, and not over a gap between them', () => {
  expect(earliestKnown(at(60), [])).toEqual(at(60));
  expect(earliestKnown(at(60), [{ since: at(10), until: at(60) }])).toEqual(at(10));
  expect(earliestKnown(at(60), [{ since: at(10), until: at(50) }])).toEqual(at(60));
  expect(
    earliestKnown(at(60), [
      { since: null, until: at(30) },
      { since: at(20), until: at(60) },
    ]),
  ).toEqual(new Date(0));
});

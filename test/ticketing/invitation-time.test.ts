import { expect, test } from 'vitest';
import { readInvitation } from '../../src/ticketing/invitation.ts';
import { invitationTime } from '../../src/ticketing/invitation-time.ts';

const read = (lines: string[], zone: string | null) =>
  readInvitation(
    ['BEGIN:VCALENDAR', 'BEGIN:VEVENT', ...lines, 'END:VEVENT', 'END:VCALENDAR'].join('\r\n'),
    zone,
  );

test.each([
  [
    'a meeting in another zone, by the clock of the reader',
    ['DTSTART;TZID=America/New_York:20261121T090000', 'DTEND;TZID=America/New_York:20261121T100000'],
    '2026-11-21 15:00 to 16:00 (Europe/Berlin)',
  ],
  [
    'one that ends on another day',
    ['DTSTART:20261121T220000Z', 'DTEND:20261122T010000Z'],
    '2026-11-21 23:00 to 2026-11-22 02:00 (Europe/Berlin)',
  ],
  ['one without an end', ['DTSTART:20261121T220000Z'], '2026-11-21 23:00 (Europe/Berlin)'],
  ['one whose time names no zone', ['DTSTART:20261121T090000'], '2026-11-21 09:00 (Europe/Berlin)'],
  ['whole days', ['DTSTART;VALUE=DATE:20261121'], '2026-11-21, all day'],
  ['a zone that nobody knows', ['DTSTART;TZID=Nowhere:20261121T090000'], '2026-11-21 09:00 (Nowhere)'],
  ['no time at all', ['SUMMARY:Later'], null],
])('%s', (_name, lines, expected) => {
  const invitation = read(lines, 'Europe/Berlin');
  expect(invitation && invitationTime(invitation, 'Europe/Berlin')).toBe(expected);
});

test('a time without a zone is an instant only for who reads it somewhere', () => {
  expect(read(['DTSTART:20261121T090000'], 'Asia/Tokyo')?.startsAt).toEqual(new Date('2026-11-21T00:00:00Z'));
  expect(read(['DTSTART:20261121T090000'], null)?.startsAt).toBeNull();
});

import { expect, test } from 'vitest';
import { instantByFile } from '../../src/ticketing/calendar-zone.ts';

function zone(name: string, ...parts: string[]): string[] {
  return ['BEGIN:VTIMEZONE', `TZID:${name}`, ...parts.flatMap((part) => part.split(' ')), 'END:VTIMEZONE'];
}

const SYDNEY = zone(
  'Sydney',
  'BEGIN:STANDARD DTSTART:16010101T030000 RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4 TZOFFSETFROM:+1100 TZOFFSETTO:+1000 END:STANDARD',
  'BEGIN:DAYLIGHT DTSTART:16010101T020000 RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=10 TZOFFSETFROM:+1000 TZOFFSETTO:+1100 END:DAYLIGHT',
);
const CHANGED = zone(
  'Changed',
  'BEGIN:STANDARD DTSTART:20260301T000000 TZOFFSETFROM:+0200 TZOFFSETTO:+0330 END:STANDARD',
);

test.each([
  [
    'summer in the south, before its year ends',
    SYDNEY,
    'Sydney',
    '2026-12-24T18:00:00',
    '2026-12-24T07:00:00',
  ],
  ['the same summer in the next year', SYDNEY, 'Sydney', '2027-01-10T18:00:00', '2027-01-10T07:00:00'],
  ['an hour before the change', SYDNEY, 'Sydney', '2026-10-04T01:00:00', '2026-10-03T15:00:00'],
  ['just after the change', SYDNEY, 'Sydney', '2026-10-04T03:00:00', '2026-10-03T16:00:00'],
  ['winter in the south', SYDNEY, 'Sydney', '2026-07-01T18:00:00', '2026-07-01T08:00:00'],
  ['before the only change', CHANGED, 'Changed', '2026-02-01T12:00:00', '2026-02-01T10:00:00'],
  ['after the only change', CHANGED, 'Changed', '2026-04-01T12:00:00', '2026-04-01T08:30:00'],
])(
  'the rules that a calendar file gives for its zone tell the instant: %s',
  (_case, lines, name, local, utc) => {
    expect(instantByFile(lines, name, local)).toEqual(new Date(`${utc}Z`));
  },
);

test.each([
  ['another zone', SYDNEY, 'Perth', '2026-07-01T18:00:00'],
  ['no zone', [], 'Sydney', '2026-07-01T18:00:00'],
  ['no date', SYDNEY, 'Sydney', '2026-99-01T18:00:00'],
  [
    'a rule of another form',
    zone('Odd', 'BEGIN:STANDARD DTSTART:20260101T000000 RRULE:FREQ=DAILY TZOFFSETTO:+0100 END:STANDARD'),
    'Odd',
    '2026-07-01T18:00:00',
  ],
])('what the file does not tell is not guessed: %s', (_case, lines, name, local) => {
  expect(instantByFile(lines, name, local)).toBeNull();
});

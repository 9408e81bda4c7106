import { expect, test } from 'vitest';
import { ianaTimeZone, instantOf, readableTime } from '../../src/platform/zoned-time.ts';

test.each([
  ['UTC', 'UTC'],
  ['Europe/Berlin', 'Europe/Berlin'],
  ['europe/berlin', 'Europe/Berlin'],
  ['W. Europe Standard Time', 'Europe/Berlin'],
  ['Pacific Standard Time', 'America/Los_Angeles'],
  ['Aus Central W. Standard Time', 'Australia/Eucla'],
  ['Line Islands Standard Time', 'Pacific/Kiritimati'],
  ['South Sudan Standard Time', 'Africa/Juba'],
])('the time zone %s is %s', (name, zone) => {
  expect(ianaTimeZone(name)).toBe(zone);
});

test.each([
  '',
  ' ',
  'Mars/Olympus',
  '+01:00',
  '-0500',
  'Europe/Berlin; drop table',
  '__proto__',
  'constructor',
  'x'.repeat(10_000),
])('the name %j is no time zone', (name) => {
  expect(ianaTimeZone(name)).toBeNull();
});

test.each([
  ['UTC', '2026-11-21T14:05:59Z', '2026-11-21 14:05 UTC'],
  ['Europe/Berlin', '2026-11-21T14:05:00Z', '2026-11-21 15:05 (Europe/Berlin)'],
  ['Europe/Berlin', '2026-07-21T14:05:00Z', '2026-07-21 16:05 (Europe/Berlin)'],
  ['Asia/Tokyo', '2026-11-21T23:05:00Z', '2026-11-22 08:05 (Asia/Tokyo)'],
  ['America/New_York', '2026-11-21T00:00:00Z', '2026-11-20 19:00 (America/New_York)'],
])('people in %s read %s as %s', (zone, instant, text) => {
  expect(readableTime(new Date(instant), zone)).toBe(text);
});

test('what a clock shows becomes the instant again', () => {
  expect(instantOf('2026-11-22T08:05:00', 'Asia/Tokyo')).toEqual(new Date('2026-11-21T23:05:00Z'));
});

test.each(['0001-01-01T00:00:00', '0999-12-31T23:59:59', '9999-12-31T23:59:59', 'soon'])(
  '%s is no instant in any zone, and breaks nothing',
  (local) => {
    expect(instantOf(local, 'Europe/Berlin')).toBeNull();
    expect(instantOf(local, 'UTC')).toBeNull();
  },
);

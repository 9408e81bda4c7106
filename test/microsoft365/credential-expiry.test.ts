import { expect, test } from 'vitest';
import { warningDaysOf } from '../../src/microsoft365/credential-expiry.ts';
import { DAY, HOUR } from '../../src/platform/clock.ts';

const now = new Date('2026-11-21T12:00:00Z');

test.each([
  [31 * DAY, null],
  [30 * DAY + 1, null],
  [30 * DAY, 30],
  [8 * DAY, 30],
  [7 * DAY, 7],
  [25 * HOUR, 7],
  [DAY, 1],
  [1, 1],
  [0, 0],
  [-DAY, 0],
])('with %i milliseconds left the nearest threshold is %s', (left, days) => {
  expect(warningDaysOf(new Date(now.getTime() + left), now)).toBe(days);
});

test('a credential whose end nobody knows is never warned of', () => {
  expect(warningDaysOf(null, now)).toBeNull();
});

import { expect, test } from 'vitest';
import { comparePositions, decodeCursor, encodeCursor } from '../../src/realtime/cursor.ts';

test.each([
  { transaction: 0n, position: 0n },
  { transaction: 742n, position: 1n },
  { transaction: 2n ** 64n - 1n, position: 2n ** 63n - 1n },
])('a cursor is opaque, safe in a URL, and brings back its position: %o', (at) => {
  const cursor = encodeCursor(at);
  expect(cursor).toMatch(/^[\w-]+$/);
  expect(decodeCursor(cursor)).toEqual(at);
});

const encoded = (text: string) => Buffer.from(text).toString('base64url');

test.each([
  '',
  'garbage',
  '!!!!',
  encoded('1'),
  encoded('1.'),
  encoded('.1'),
  encoded('1.2.3'),
  encoded('-1.2'),
  encoded('01.2'),
  encoded('1.2\n'),
  encoded("1.2'; drop table event"),
  encoded('18446744073709551616.1'),
  encoded('1.9223372036854775808'),
  `${encoded('1.2')}==`,
  'x'.repeat(10_000),
])('refuses %j', (cursor) => {
  expect(() => decodeCursor(cursor)).toThrow(expect.objectContaining({ code: 'INVALID_CURSOR' }));
});

test('positions order by transaction first', () => {
  const at = (transaction: bigint, position: bigint) => ({ transaction, position });
  expect(comparePositions(at(1n, 9n), at(2n, 1n))).toBeLessThan(0);
  expect(comparePositions(at(2n, 2n), at(2n, 1n))).toBeGreaterThan(0);
  expect(comparePositions(at(2n ** 63n, 1n), at(2n ** 63n, 1n))).toBe(0);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NotFoundError } from '../../src/errors.ts';
import { parseDateTime } from '../../src/graphql/date-time.ts';
import { decodeId, encodeGlobalId, parseGlobalId } from '../../src/graphql/global-id.ts';

test('an id comes back as it was', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z][A-Za-z]{0,20}$/), fc.uuid(), (typename, id) => {
      const globalId = encodeGlobalId(typename, id);
      expect(parseGlobalId(globalId)).toEqual({ typename, id });
      expect(decodeId(typename, globalId)).toBe(id);
      expect(globalId).toMatch(/^[\w-]+$/);
    }),
  );
});

test('anything else is no id, and is never an unexpected error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (garbage) => {
      expect(parseGlobalId(garbage)).toBeNull();
      expect(() => decodeId('Ticket', garbage)).toThrow(NotFoundError);
    }),
  );
});

test('an id has one spelling', () => {
  const globalId = encodeGlobalId('Ticket', '019aa000-0000-7000-8000-000000000000');
  for (const other of [
    `${globalId}=`,
    ` ${globalId}`,
    `${globalId}\n`,
    `${globalId.slice(0, 4)}!${globalId.slice(4)}`,
  ]) {
    expect(parseGlobalId(other)).toBeNull();
  }
});

test('the id of another type is not found, in the words of a missing row', () => {
  const globalId = encodeGlobalId('Ticket', '019aa000-0000-7000-8000-000000000000');
  expect(() => decodeId('InboundMessage', globalId)).toThrow('The inbound message was not found.');
});

test('an instant of any offset is read, and anything else is refused with a code', () => {
  expect(parseDateTime('2026-11-21T09:30:00+02:00').toISOString()).toBe('2026-11-21T07:30:00.000Z');
  expect(parseDateTime('2024-02-29T23:59:59.999Z').toISOString()).toBe('2024-02-29T23:59:59.999Z');
  const wrong = [
    '2026-11-21',
    '2026-11-21T09:30:00',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-21T25:00:00Z',
    'now',
    '',
    0,
    null,
    {},
  ];
  for (const value of wrong) {
    expect(() => parseDateTime(value)).toThrow(
      expect.objectContaining({ extensions: expect.objectContaining({ code: 'INVALID_INPUT' }) }),
    );
  }
});

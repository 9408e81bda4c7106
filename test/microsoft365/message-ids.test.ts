import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMessageIds } from '../../src/microsoft365/message-ids.ts';

test.each([
  ['one id', '<a@b>', ['<a@b>']],
  ['many, oldest first', '<a@b> <c@d>\t<e@f>', ['<a@b>', '<c@d>', '<e@f>']],
  ['folded between ids', '<a@b>\r\n <c@d>', ['<a@b>', '<c@d>']],
  ['folded inside of an id', '<very-long-\r\n id@b>', ['<very-long-id@b>']],
  ['without spaces or with commas', '<a@b><c@d>,<e@f>', ['<a@b>', '<c@d>', '<e@f>']],
  ['with words around', 'Your message of Tue, 3 Nov 2026 <a@b> (about "x")', ['<a@b>']],
  ['an id twice', '<a@b> <c@d> <a@b>', ['<a@b>', '<c@d>']],
  ['ids that differ in capitals are different', '<A@b> <a@b>', ['<A@b>', '<a@b>']],
  ['ids without an @, as some systems make them', '<123456>', ['<123456>']],
  ['no brackets at all', 'a@b, "c@d"', ['<a@b>', '<c@d>']],
  ['empty brackets', '<> < >', []],
  ['an open bracket, as where a header was cut off', '<a@b', ['<a@b>']],
  ['nothing', '', []],
  ['no id', 'hello there', []],
])('%s', (_name, header, ids) => {
  expect(parseMessageIds(header)).toEqual(ids);
});

test('of a header with a thousand ids the first and the newest stay', () => {
  const ids = Array.from({ length: 1_000 }, (_, index) => `<${index}@example>`);
  const parsed = parseMessageIds(ids.join(' '));
  expect(parsed).toHaveLength(100);
  expect(parsed[0]).toBe('<0@example>');
  expect(parsed.at(-1)).toBe('<999@example>');
});

test('whatever a header holds, nothing throws, and what comes out reads the same again', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('<', '>', 'a', '@', ' ', '\r\n ', ',', '"') }),
      (header) => {
        const ids = parseMessageIds(header);
        expect(parseMessageIds(ids.join(' '))).toEqual(ids);
      },
    ),
  );
});

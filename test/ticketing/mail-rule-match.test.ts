import { describe, expect, test } from 'vitest';
import {
  MAX_RULE_TEXT_LENGTH,
  type MailFacts,
  MailReading,
  type MailRuleCondition,
  matchesPattern,
} from '../../src/ticketing/mail-rule-match.ts';
import { computingOf } from '../support/computing.ts';

const MAIL: MailFacts = {
  senderAddress: 'carla@mail.fabrikam.example',
  recipientAddresses: ['support@contoso.example', 'boss@contoso.example'],
  subject: 'Invoice  2026-117 overdue',
  headers: [
    { name: 'X-Spam-Flag', value: 'NO' },
    { name: 'x-spam-flag', value: 'YES' },
    { name: 'List-Id', value: '<news.fabrikam.example>' },
  ],
  text: 'Dear team,\r\n\r\nplease   pay\nGRÜSSE from Ｔｏｋｙｏ',
  sizeBytes: 5_000,
  hasAttachments: true,
};
const condition = (parts: Partial<MailRuleCondition>): MailRuleCondition => ({
  field: 'SUBJECT',
  operator: 'CONTAINS',
  value: null,
  headerName: null,
  bytes: null,
  negated: false,
  ...parts,
});
const holds = (parts: Partial<MailRuleCondition>, facts: Partial<MailFacts> = {}) =>
  new MailReading({ ...MAIL, ...facts }).holds(condition(parts));

describe('a condition', () => {
  test.each<[boolean, Partial<MailRuleCondition>]>([
    [true, { operator: 'CONTAINS', value: 'invoice 2026' }],
    [false, { operator: 'CONTAINS', value: 'invoice2026' }],
    [true, { operator: 'EQUALS', value: ' INVOICE 2026-117 overdue' }],
    [false, { operator: 'EQUALS', value: 'Invoice' }],
    [true, { operator: 'STARTS_WITH', value: 'invoice' }],
    [false, { operator: 'STARTS_WITH', value: 'overdue' }],
    [true, { operator: 'ENDS_WITH', value: 'Overdue' }],
    [false, { operator: 'ENDS_WITH', value: 'Invoice' }],
    [true, { operator: 'MATCHES', value: 'invoice*-117*' }],
    [false, { operator: 'MATCHES', value: 'invoice*-118*' }],
    [false, { operator: 'MATCHES', value: 'invoice.*' }],
    [true, { field: 'BODY', value: 'please pay grüsse' }],
    [true, { field: 'BODY', operator: 'ENDS_WITH', value: 'tokyo' }],
    [true, { field: 'SENDER', operator: 'EQUALS', value: 'Carla@Mail.Fabrikam.example' }],
    [true, { field: 'SENDER', operator: 'IN_DOMAIN', value: 'fabrikam.example' }],
    [true, { field: 'SENDER', operator: 'IN_DOMAIN', value: '@MAIL.fabrikam.example' }],
    [false, { field: 'SENDER', operator: 'IN_DOMAIN', value: 'abrikam.example' }],
    [false, { field: 'SENDER', operator: 'IN_DOMAIN', value: 'example.net' }],
    [true, { field: 'RECIPIENT', operator: 'STARTS_WITH', value: 'boss@' }],
    [false, { field: 'RECIPIENT', operator: 'STARTS_WITH', value: 'carla@' }],
    [true, { field: 'RECIPIENT', operator: 'PRESENT' }],
    [true, { field: 'HEADER', headerName: 'X-SPAM-FLAG', operator: 'EQUALS', value: 'yes' }],
    [true, { field: 'HEADER', headerName: 'list-id', operator: 'PRESENT' }],
    [false, { field: 'HEADER', headerName: 'list', operator: 'PRESENT' }],
    [false, { field: 'HEADER', headerName: 'List-Id', operator: 'CONTAINS', value: 'yes' }],
    [true, { field: 'SIZE', operator: 'OVER', bytes: 4_999 }],
    [false, { field: 'SIZE', operator: 'OVER', bytes: 5_000 }],
    [true, { field: 'SIZE', operator: 'UNDER', bytes: 5_001 }],
    [false, { field: 'SIZE', operator: 'UNDER', bytes: 5_000 }],
    [true, { field: 'HAS_ATTACHMENT', operator: 'PRESENT' }],
  ])('is %s of the mail: %o; negated it is the opposite', (expected, parts) => {
    expect(holds(parts)).toBe(expected);
    expect(holds({ ...parts, negated: true })).toBe(!expected);
  });

  test('about a sender that the mail does not name holds only where it is negated', () => {
    const unnamed = { senderAddress: null };
    for (const operator of ['CONTAINS', 'MATCHES', 'IN_DOMAIN', 'PRESENT'] as const) {
      expect(holds({ field: 'SENDER', operator, value: '*' }, unnamed)).toBe(false);
      expect(holds({ field: 'SENDER', operator, value: '*', negated: true }, unnamed)).toBe(true);
    }
  });

  test('knows a domain in letters and in ASCII as one', () => {
    const facts = { senderAddress: 'a@xn--bcher-kva.example' };
    expect(holds({ field: 'SENDER', operator: 'IN_DOMAIN', value: 'bücher.example' }, facts)).toBe(true);
    expect(holds({ field: 'SENDER', operator: 'IN_DOMAIN', value: '' }, facts)).toBe(false);
    expect(holds({ field: 'SENDER', operator: 'IN_DOMAIN', value: 'x' }, { senderAddress: '' })).toBe(false);
  });
});

describe('a pattern', () => {
  test.each([
    ['abc', 'abc', true],
    ['abc', 'ab', false],
    ['abc', '*', true],
    ['', '*', true],
    ['', '', true],
    ['abc', 'a*c', true],
    ['abc', 'a*b', false],
    ['aba', 'ab*ba', false],
    ['abab', 'ab*ab', true],
    ['a-b-c', '*-*-*', true],
    ['a-b', '*-*-*', false],
    ['xaxbx', '*a*b*', true],
    ['xbxax', '*a*b*', false],
    ['a.c', 'a?c', false],
    ['aXbXb', 'a*b', true],
    ['abc', '**c', true],
    ['axxbb', 'a*xx*xb*b', false],
  ])('%j and %j: %s', (text, pattern, expected) => {
    expect(matchesPattern(text, pattern)).toBe(expected);
  });

  test('agrees with a regular expression on everything short', () => {
    const texts = ['', 'a', 'b', 'ab', 'ba', 'aab', 'aba', 'bab', 'abab', 'aabb', 'abba'];
    const patterns = [
      '*',
      'a*',
      '*a',
      '*a*',
      'a*b',
      'a*a',
      'ab*',
      '*ab',
      'a*b*',
      '*a*b',
      'a**b',
      '*ab*ab',
      'b*b*',
    ];
    for (const text of texts)
      for (const pattern of patterns) {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        expect([text, pattern, matchesPattern(text, pattern)]).toEqual([
          text,
          pattern,
          expression.test(text),
        ]);
      }
  });
});

test('the most conditions there can be take a bounded time, about the worst texts too', () => {
  const values = [
    `b${'a'.repeat(199)}`,
    `${'a'.repeat(199)}b`,
    `${'*a'.repeat(99)}*b`,
    `${'a*'.repeat(99)}b`,
  ];
  const facts = { ...MAIL, text: 'a'.repeat(500_000) };
  const conditions = Array.from({ length: 2_000 }, (_, index) =>
    condition({
      field: 'BODY',
      operator: index % 2 ? 'MATCHES' : 'CONTAINS',
      value: values[index % 4] ?? '',
    }),
  );
  const milliseconds = computingOf(() => {
    const reading = new MailReading(facts);
    expect(conditions.filter((one) => reading.holds(one))).toEqual([]);
  });
  expect(milliseconds).toBeLessThan(3_000);
});

test('a text is read up to its limit, ligatures that unfold included', () => {
  const long = `${'\uFDFA'.repeat(MAX_RULE_TEXT_LENGTH / 10)}end`;
  expect(holds({ field: 'BODY', operator: 'CONTAINS', value: 'end' }, { text: long })).toBe(false);
  const fits = `${'x'.repeat(MAX_RULE_TEXT_LENGTH - 3)}end`;
  expect(holds({ field: 'BODY', operator: 'ENDS_WITH', value: 'end' }, { text: fits })).toBe(true);
});

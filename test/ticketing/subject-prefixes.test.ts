import { describe, expect, test } from 'vitest';
import { baseSubject, isForwardSubject, isNewlyForwarded } from '../../src/ticketing/subject.ts';
import { SUBJECT_PREFIXES } from '../../src/ticketing/subject-prefixes.ts';

const everyWord = SUBJECT_PREFIXES.flatMap(({ language, reply, forward }) => [
  ...reply.map((word) => [language, word, false] as const),
  ...forward.map((word) => [language, word, true] as const),
]);

describe('every prefix of the table is read', () => {
  test.each(everyWord)('%s: %s', (_language, word, isForward) => {
    const written = [word, word.toUpperCase(), `${word.charAt(0).toUpperCase()}${word.slice(1)}`];
    for (const prefix of written) {
      for (const mark of [':', ' :', '：', '[2]:', ' (3)：', '^4:', '（5）：']) {
        const subject = `${prefix}${mark} Printer`;
        expect([subject, baseSubject(subject)]).toEqual([subject, 'printer']);
      }
    }
    if (isForward) expect(isForwardSubject(`${word}: Printer`)).toBe(true);
  });

  test('in any order and number', () => {
    const all = everyWord.map(([, word]) => `${word}: `).join('');
    expect(baseSubject(`${all}Printer`.slice(-1_990))).toBe('printer');
  });
});

describe('as mail programs write it', () => {
  const cases: [subject: string, base: string, isForward: boolean][] = [
    ['RE: Printer', 'printer', false],
    ['RE : Printer', 'printer', false],
    ['Réf : Printer', 'réf : printer', false],
    ['AW: AW: WG: Printer', 'printer', true],
    ['Antw.: Printer', 'antw.: printer', false],
    ['İLT: Yazıcı', 'yazıcı', true],
    ['YNT: Yazıcı', 'yazıcı', false],
    ['ΑΠ: Εκτυπωτής', 'εκτυπωτής', false],
    ['ΠΡΘ: Εκτυπωτής', 'εκτυπωτής', true],
    ['Відп: Принтер', 'принтер', false],
    ['Ответ: Принтер', 'принтер', false],
    ['回复：打印机', '打印机', false],
    ['答复: 打印机', '打印机', false],
    ['轉寄：印表機', '印表機', true],
    ['返信：プリンター', 'プリンター', false],
    ['転送: プリンター', 'プリンター', true],
    ['\u200fהשב: מדפסת', 'מדפסת', false],
    ['رد: الطابعة', 'الطابعة', false],
    ['VÁ: nyomtató', 'nyomtató', false],
    ['VA\u0301: nyomtató', 'nyomtató', false],
    ['[EXTERNAL] Re: Printer', 'printer', false],
    ['Re: [EXT] Printer', 'printer', false],
    ['FW: [#12] Printer', 'printer', true],
    ['Re: Fwd: Printer', 'printer', true],
    ['Forward planning', 'forward planning', false],
    ['Reply: printer', 'reply: printer', false],
    ['Printer: Fwd: x', 'printer: fwd: x', false],
    ['[external] ', '', false],
    ['CT: results', 'ct: results', false],
    ['', '', false],
  ];
  test.each(cases)('%j', (subject, base, isForward) => {
    expect([baseSubject(subject), isForwardSubject(subject)]).toEqual([base, isForward]);
  });
});

test('no word of the table is read as part of a longer one', () => {
  for (const [, word] of everyWord) expect(baseSubject(`${word}x: Printer`)).toBe(`${word}x: printer`);
});

test.each([
  ['Fwd: Invoice', true],
  ['[EXT] WG: AW: Rechnung', true],
  ['Re: Fwd: Invoice', false],
  ['Invoice', false],
  // A reply in Finland, forwarded mail in Sweden.
  ['VS: Lasku', false],
])('only its newest prefix says that the mail itself forwards another: %s', (subject, isForwarded) => {
  expect(isNewlyForwarded(subject)).toBe(isForwarded);
});

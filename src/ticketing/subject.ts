/**
 * What mail programs put before the subject of a reply or a forwarded mail, by language. RFC 5322 (3.6.5) knows only
 * `Re:`; the rest is habit.
 */
const PREFIXES = [
  [
    're',
    'aw',
    'sv',
    'vs',
    'antw',
    'odp',
    'ynt',
    'ref',
    'res',
    'rif',
    'ri',
    'r',
    'bls',
    'atb',
    'vá',
    'απ',
    'σχετ',
    'отв',
    '回复',
    '回覆',
    '答复',
    '返信',
    '답장',
    '회신',
  ],
  [
    'fw',
    'fwd',
    'wg',
    'rv',
    'tr',
    'enc',
    'doorst',
    'vb',
    'vl',
    'pd',
    'ilt',
    'i',
    'továbbítás',
    'πρθ',
    'переслано',
    '转发',
    '轉寄',
    '転送',
    '전달',
  ],
].flat();

/** One prefix with its colon (also the full-width one) and its counter: `Re[2]:`, `AW (3):`, `Re^2:`. */
const PREFIX = new RegExp(
  `^(?:${PREFIXES.join('|')})\\s?(?:\\[\\d{1,4}\\]|\\(\\d{1,4}\\)|\\^\\d{1,4})?\\s?[:：]\\s?`,
  'u',
);

/** The ticket token in a subject: `[#123]`. Ten digits cannot be a ticket number. */
const TOKEN = /\[#(\d{1,9})\]/g;

/** Subjects longer than this are read no further. */
const MAX_SUBJECT_LENGTH = 2_000;

/**
 * The subject without reply and forward prefixes, ticket tokens, case and surplus white space: equal for the mails of
 * one conversation. Empty for a subject that says nothing.
 */
export function baseSubject(subject: string): string {
  let base = subject
    .slice(0, MAX_SUBJECT_LENGTH)
    .normalize('NFC')
    .replace(TOKEN, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
  for (let prefix = PREFIX.exec(base); prefix !== null; prefix = PREFIX.exec(base)) {
    base = base.slice(prefix[0].length);
  }
  return base.trim();
}

/** The ticket numbers that a subject names as `[#123]`, in their order, at most five. */
export function ticketNumbersIn(subject: string): number[] {
  const numbers = [...subject.slice(0, MAX_SUBJECT_LENGTH).matchAll(TOKEN)].map((match) => Number(match[1]));
  return [...new Set(numbers.filter((number) => number > 0))].slice(0, 5);
}

/** The token that {@link ticketNumbersIn} finds again. */
export function ticketToken(number: number): string {
  return `[#${number}]`;
}

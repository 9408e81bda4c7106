/** What stands for characters that no text may hold. */
const REPLACEMENT = '\uFFFD';

/**
 * Text that PostgreSQL and JSON take: without U+0000, which `text` cannot store, and without halves of surrogate pairs,
 * which UTF-8 cannot express. Both occur in real mail, from broken converters and from attackers.
 */
export function cleanText(text: string): string {
  return text.replaceAll('\u0000', '').toWellFormed();
}

/** {@link cleanText} on one line: control characters and runs of white space become one space, the ends are trimmed. */
export function cleanLine(text: string): string {
  return cleanText(text)
    .replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ')
    .trim();
}

/** At most `maxLength` UTF-16 units, never ending in half a character; what is cut shows as `…`. */
export function bounded(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  return `${text
    .slice(0, maxLength - 1)
    .toWellFormed()
    .replace(new RegExp(`${REPLACEMENT}$`), '')}…`;
}

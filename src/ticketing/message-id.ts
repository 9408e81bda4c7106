import { cleanText } from './clean-text.ts';

/** A line of a mail cannot be longer (RFC 5322, 2.1.1), so no honest Message-ID is; it also keeps the index small. */
const MAX_MESSAGE_ID_LENGTH = 998;

/** Header values longer than this are read no further. */
const MAX_HEADER_LENGTH = 64_000;

/**
 * The Message-IDs in header values, each with its angle brackets, in their order and without repetition (RFC 5322,
 * 3.6.4). Forgiving: several ids in one value, comments between them and ids without brackets are understood; what
 * cannot be an id is left out.
 */
export function messageIdsIn(values: readonly string[]): string[] {
  const ids = new Set<string>();
  for (const value of values) {
    const text = cleanText(value.slice(0, MAX_HEADER_LENGTH));
    const bracketed = text.match(/<[^<>\s]+>/g) ?? bareIds(text);
    for (const id of bracketed) if (id.length <= MAX_MESSAGE_ID_LENGTH) ids.add(id);
  }
  return [...ids];
}

/** Some senders forget the brackets. Only what looks like an id is taken: one `@` with something on both sides. */
function bareIds(text: string): string[] {
  return text
    .split(/[\s,;<>]+/)
    .filter((word) => /^[^@"()]+@[^@"()]+$/.test(word))
    .map((word) => `<${word}>`);
}

/** More ids than this in a header are dropped from the middle: the first and the newest say the most. */
const MOST_IDS = 100;
/** A line of a mail may not be longer (RFC 5322, 2.1.1); an id that is longer is none. */
const LONGEST_ID = 998;

/**
 * The message ids of an `In-Reply-To` or `References` header (RFC 5322, 3.6.4), with their angle brackets, in their order
 * and each once. Real headers are folded inside of ids, hold comments and dates, or lack the brackets: whatever can be
 * read is read, and nothing throws.
 */
export function parseMessageIds(header: string): string[] {
  const bracketed = [...header.matchAll(/<([^<>]*)>/g)].map(([, inner = '']) => inner.replaceAll(/\s+/g, ''));
  const found = bracketed.some((id) => id !== '') ? bracketed : bareIds(header);
  const ids = [...new Set(found)]
    .filter((id) => id !== '' && id.length <= LONGEST_ID - 2)
    .map((id) => `<${id}>`);
  if (ids.length <= MOST_IDS) return ids;
  return [...ids.slice(0, 1), ...ids.slice(1 - MOST_IDS)];
}

/** Ids that stand without brackets, or with one of two: words with something on both sides of an `@`. */
function bareIds(header: string): string[] {
  return header
    .split(/[\s,;<>]+/)
    .map((word) => word.replaceAll(/^["'(]+|["')]+$/g, ''))
    .filter((word) => /^[^@]+@[^@]+$/.test(word));
}

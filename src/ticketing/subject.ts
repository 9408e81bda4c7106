import { leadingPrefixes } from './subject-prefixes.ts';

/** The ticket token in a subject: `[#123]`. Ten digits cannot be a ticket number. */
const TOKEN = /\[#(\d{1,9})\]/g;

/** Subjects longer than this are read no further. */
const MAX_SUBJECT_LENGTH = 2_000;

/**
 * The subject without reply and forward prefixes, ticket tokens, case and surplus white space: equal for the mails of
 * one conversation. Empty for a subject that says nothing.
 */
export function baseSubject(subject: string): string {
  const folded = fold(subject);
  return folded.slice(leadingPrefixes(folded).length).trim();
}

/** Whether a prefix of the subject says that the mail was forwarded, in any of the languages known. */
export function isForwardSubject(subject: string): boolean {
  return leadingPrefixes(fold(subject)).isForward;
}

/**
 * Whether the mail itself forwards another: its newest prefix says so. `Re: Fwd:` answers a forwarded mail, and a word that
 * says "reply" in another language is taken for one.
 */
export function isNewlyForwarded(subject: string): boolean {
  return leadingPrefixes(fold(subject)).isNewestForward;
}

function fold(subject: string): string {
  return subject
    .slice(0, MAX_SUBJECT_LENGTH)
    .normalize('NFC')
    .replace(TOKEN, ' ')
    .replace(/[\s\u200e\u200f]+/g, ' ')
    .trim()
    .toLowerCase();
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

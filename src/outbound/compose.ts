import { prepareBodies } from '../ticketing/bodies.ts';
import { bounded, cleanLine, cleanText } from '../ticketing/clean-text.ts';
import { ticketToken } from '../ticketing/subject.ts';
import { leadingPrefixes } from '../ticketing/subject-prefixes.ts';
import type { Quote } from './quote.ts';
import { withImages } from './reply-images.ts';
import { htmlOfText } from './text-html.ts';

/** What Exchange keeps of a subject. */
const MAX_SUBJECT_LENGTH = 255;
/** Message-IDs in `References`; a chain that is longer loses its middle (RFC 5322, 3.6.4). */
const MAX_REFERENCES = 50;

/** `Re: <subject> [#<number>]`, with one prefix and one token whatever the subject has already. */
export function replySubject(subject: string, number: number): string {
  const bare = cleanLine(subject.replace(/\[#\d{1,9}\]/g, ' '));
  const base = bare.slice(leadingPrefixes(inLowerCase(bare)).length).trim();
  const token = ticketToken(number);
  const room = MAX_SUBJECT_LENGTH - token.length - 'Re:  '.length;
  return `Re: ${base === '' ? '' : `${bounded(base, room)} `}${token}`;
}

/** With the same length: a few letters (the dotted capital I of Turkish) would become longer, and stay as they are. */
function inLowerCase(text: string): string {
  return text.replace(/./gsu, (letter) => {
    const lower = letter.toLowerCase();
    return lower.length === letter.length ? lower : letter;
  });
}

/**
 * The chain of a reply: that of the mail it answers, then that mail itself. Mail that names no ancestors (a first mail, or
 * a program that does not tell) gets the ticket's earlier mails for them. Oldest first, each once.
 */
export function replyReferences(answered: {
  internetMessageId: string | null;
  references: readonly string[];
  /** Message-IDs of the ticket's mails before it, oldest first. */
  earlier: readonly string[];
}): string[] {
  const ancestors = answered.references.length > 0 ? answered.references : answered.earlier;
  const all = [
    ...new Set([...ancestors, ...(answered.internetMessageId ? [answered.internetMessageId] : [])]),
  ];
  // The last one is what it answers, even if it was named before.
  const last = answered.internetMessageId;
  const chain = last === null ? all : [...all.filter((id) => id !== last), last];
  const [root = '', ...rest] = chain;
  return chain.length <= MAX_REFERENCES ? chain : [root, ...rest.slice(-(MAX_REFERENCES - 1))];
}

/** What a reply is made of. */
export interface ReplyParts {
  /** As the author wrote it; at least one of the two. */
  text: string | null;
  html: string | null;
  signature: { text: string | null; html: string | null };
  quote: Quote | null;
  /** Content ids of the mail's files, by the names that the author's HTML gives them. */
  contentIds: ReadonlyMap<string, string>;
}

/** A body in its forms. */
export interface ReplyBody {
  /** As it is sent. */
  html: string;
  /** The same as plain text. */
  text: string;
  /** What the author wrote, alone. */
  ownText: string;
  /** The signature as text; null: none. */
  signature: string | null;
}

/** Sanitises what the author wrote; null for HTML without any content. */
export function readAuthoredHtml(html: string): { html: string | null; text: string } {
  const body = { contentType: 'html' as const, content: html };
  const { html: safe, text } = prepareBodies(body, null, { isForwarded: true });
  return { html: safe, text };
}

/** Puts a body together: what the author wrote, the signature, the quoted history. */
export function composeBody({ text, html, signature, quote, contentIds }: ReplyParts): ReplyBody {
  const authored = html === null ? null : readAuthoredHtml(html);
  const ownText = text === null ? (authored?.text ?? '') : cleanText(text).replaceAll('\r\n', '\n').trim();
  const ownHtml = authored?.html ? withImages(authored.html, contentIds) : htmlOfText(ownText);
  const signed = signatureOf(signature);
  return {
    html: [
      // Arabic and Hebrew run from the right: by their first letter, since nobody says which language it is.
      `<div dir="auto">${ownHtml}</div>`,
      ...(signed ? [`<br>\n<div dir="auto">${signed.html}</div>`] : []),
      ...(quote ? [`<br>\n${quote.html}`] : []),
    ].join('\n'),
    text: [
      ownText,
      ...(signed ? [`-- \n${signed.text}`] : []),
      ...(quote ? [`${quote.attribution}\n\n${quote.text}`] : []),
    ].join('\n\n'),
    ownText,
    signature: signed?.text ?? null,
  };
}

/** Each form made of the other where only one was written. */
function signatureOf({ text, html }: ReplyParts['signature']): { text: string; html: string } | null {
  if (html !== null && html.trim() !== '') {
    return { text: text?.trim() || readAuthoredHtml(html).text, html: withImages(html, new Map()) };
  }
  if (text === null || text.trim() === '') return null;
  return { text: text.trim(), html: htmlOfText(text.trim()) };
}

import { bounded, cleanLine } from '../ticketing/clean-text.ts';
import type { Correspondent } from '../ticketing/message.entity.ts';
import { escapeHtml, htmlOfText } from './text-html.ts';

/** Characters of HTML that are quoted with their layout; of a longer mail its own text only. */
const MAX_QUOTED_HTML = 200_000;
/** Characters of plain text that are quoted. */
const MAX_QUOTED_TEXT = 50_000;

const CUT = '[…]';

/** The mail that is quoted. */
export interface QuotedMail {
  from: Correspondent | null;
  /** When it was sent, or else came. */
  at: Date;
  text: string;
  /** Without the history that it quotes itself. */
  strippedText: string;
  /** Sanitised, with the addresses of its images as they are to be sent; null: plain text only. */
  html: string | null;
}

/** Quoted history, ready to stand below a reply. */
export interface Quote {
  /** The line that says who wrote it and when. */
  attribution: string;
  html: string;
  /** With `> ` before every line. */
  text: string;
  isShortened: boolean;
}

/**
 * `On Sat, 21 Nov 2026 at 14:05 GMT+1, Carol Customer wrote:`. English as in most of the world's mail: programs that fold
 * quotes recognise the form.
 */
export function attributionOf(from: Correspondent | null, at: Date, timeZone: string): string {
  const part = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-GB', { timeZone, ...options }).format(at);
  const date = part({ weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
  const time = part({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' });
  // Without marks of direction, which would turn what follows the name around as well.
  const plain = (from?.name ?? from?.emailAddress ?? 'somebody').replace(/[\u202a-\u202e\u2066-\u2069]/g, '');
  const name = bounded(cleanLine(plain), 200);
  return `On ${date} at ${time}, ${name} wrote:`;
}

/** Quotes a mail, bounded: what is too long is quoted without the history in it, and then cut. */
export function quoteMail(mail: QuotedMail, timeZone: string): Quote {
  const attribution = attributionOf(mail.from, mail.at, timeZone);
  const isLong = mail.text.length > MAX_QUOTED_TEXT;
  const text = cut(isLong ? mail.strippedText : mail.text);
  const isRich = mail.html !== null && mail.html.length <= MAX_QUOTED_HTML;
  const inner =
    isRich && mail.html !== null ? mail.html : htmlOfText(mail.html === null ? text : cut(mail.strippedText));
  return {
    attribution,
    html:
      `<div>${escapeHtml(attribution)}</div>\n` +
      '<blockquote type="cite" style="margin:0 0 0 0.8ex;border-left:1px solid #ccc;padding-left:1ex" dir="auto">' +
      `${inner}</blockquote>`,
    text: text
      .split('\n')
      .map((line) => (line.startsWith('>') ? `>${line}` : `> ${line}`.trimEnd()))
      .join('\n'),
    isShortened: isLong || (mail.html !== null && !isRich),
  };
}

function cut(text: string): string {
  if (text.length <= MAX_QUOTED_TEXT) return text;
  return `${text.slice(0, MAX_QUOTED_TEXT).toWellFormed()}\n${CUT}`;
}

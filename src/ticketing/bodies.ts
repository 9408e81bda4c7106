import EmailReplyParser from 'email-reply-parser';
import { compile } from 'html-to-text';
import type { MailBody } from '../microsoft365/mail.ts';
import { withCpuDeadline } from '../platform/cpu-deadline.ts';
import { cleanText } from './clean-text.ts';
import { takeOutEmbeddedImages } from './embedded-images.ts';
import { NON_TEXT_TAGS, sanitizeMailHtml } from './html-sanitizing.ts';
import { markQuotes, withoutMarks } from './quote-marks.ts';
import { isPartOf, linesLeft, splitText } from './quoted-text.ts';

/**
 * HTML is read up to here, in characters, without its large embedded images; real mail above it is a newsletter gone wrong
 * or an attack.
 */
export const MAX_HTML_LENGTH = 1_000_000;

/** Plain text is kept up to here, in characters. */
export const MAX_TEXT_LENGTH = 500_000;

/** What the reply parser gets at most: its regular expressions cost more than linear time. */
const MAX_REPLY_PARSER_LENGTH = 64_000;

/** Milliseconds for one body; a usual mail takes 1. */
const BODY_DEADLINE = 2_000;
/** Milliseconds for finding the quoted part. */
const REPLY_PARSER_DEADLINE = 100;

/** Texts up to this length cannot take long, whatever they hold, and are spared the price of a deadline. */
const HARMLESS_HTML_LENGTH = 20_000;
const HARMLESS_TEXT_LENGTH = 2_000;

const CUT_NOTE = 'The rest of this message was cut off: it is longer than Deskgraph keeps.';
const TANGLED_NOTE = 'The layout of this message could not be read; this is its text without it.';

/** The body of a message as it is stored. */
export interface Bodies {
  text: string;
  /** Sanitised; null when the mail had none. */
  html: string | null;
  /** What the message adds, without quoted history. Never empty when `text` is not. */
  strippedText: string;
  /** What `strippedText` leaves out but for the signature, in its order; null when that is nothing. */
  quotedText: string | null;
  /** Signature, "sent from" line and disclaimer; null when none was found. */
  signature: string | null;
  /** Whether anything of the mail is missing in `text` or `html`: then the mailbox has the only whole copy. */
  isShortened: boolean;
}

/** Sanitised HTML is read as text up to here, in characters: escaping makes up to six of one. */
const MAX_SAFE_HTML_LENGTH = 2 * MAX_HTML_LENGTH;

const htmlToText = compile({
  wordwrap: false,
  limits: { maxInputLength: MAX_SAFE_HTML_LENGTH, maxDepth: 250 },
  selectors: [
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
    ...['img', 'title', ...NON_TEXT_TAGS].map((selector) => ({ selector, format: 'skip' })),
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
});

/**
 * Makes a mail's body ready to store. `uniqueBody` is what Outlook says that the mail adds to its conversation: it is
 * believed when it is part of the body, and looked through once more, since it holds quotes of mail that Outlook never
 * saw. Without it, quoted text is recognised by its form. Every line that is not shown first is in `quotedText` or
 * `signature`. Of a forwarded mail nothing is left out: its sender has sent it for the sake of what looks like a quote.
 *
 * A body that cannot be read as HTML in two seconds (nested a hundred thousand times, say) is kept as
 * its bare text with a note: a hostile mail neither holds up everybody's mail nor gets lost.
 */
export function prepareBodies(
  body: MailBody,
  uniqueBody: MailBody | null,
  { isForwarded = false }: { isForwarded?: boolean } = {},
): Bodies {
  const { html, marked, isShortened } = readBody(body);
  const text = withoutMarks(marked);
  const found = isForwarded ? null : (ownPartByOutlook(uniqueBody, text) ?? ownPart(marked));
  if (found === null) {
    return { html, text, strippedText: text, quotedText: null, signature: null, isShortened };
  }
  const { own, signature } = found;
  const quoted = own.length + signature.length >= text.length ? '' : linesLeft(text, [own, signature]);
  return {
    html,
    text,
    strippedText: own,
    quotedText: quoted || null,
    signature: signature || null,
    isShortened,
  };
}

/** The same of what Outlook says is new; null when that is nothing, or not of this mail. */
function ownPartByOutlook(uniqueBody: MailBody | null, text: string): ReturnType<typeof ownPart> {
  const unique = uniqueBody === null ? '' : uniqueText(uniqueBody);
  if (unique === '' || !isPartOf(withoutMarks(unique), text)) return null;
  // Where it was cut, a quote followed: the mark of one lets its introduction be recognised without it.
  return ownPart(unique.length < text.length ? `${unique}\n\n>` : unique);
}

/** The author's part and the signature; null when the author wrote nothing. */
function ownPart(marked: string): { own: string; signature: string } | null {
  const { own, signature } = splitText(marked);
  if (own === '') return null;
  const parsed = withReplyParser(own);
  return { own: parsed.own, signature: [parsed.signature, signature].filter(Boolean).join('\n') };
}

interface ReadBody {
  html: string | null;
  /** The text, with marks where quotes begin. */
  marked: string;
  isShortened: boolean;
}

function readBody({ contentType, content }: MailBody): ReadBody {
  if (contentType === 'text') {
    return {
      html: null,
      marked: boundedText(withoutMarks(content)),
      isShortened: content.length > MAX_TEXT_LENGTH,
    };
  }
  const images = takeOutEmbeddedImages(content);
  try {
    return within(BODY_DEADLINE, content.length > HARMLESS_HTML_LENGTH, () => {
      const isCut = images.html.length > MAX_HTML_LENGTH;
      const marked = images.nameLeftOut(safeHtml(images.html));
      const html = images.putBack(withoutMarks(marked).trim());
      const text = images.putBack(textOf(marked));
      const isTextCut = text.length > MAX_TEXT_LENGTH || marked.length > MAX_SAFE_HTML_LENGTH;
      return {
        html: html === '' ? null : html,
        marked: boundedText(text, isTextCut),
        isShortened: isCut || images.leftOut > 0 || isTextCut,
      };
    });
  } catch {
    const bare = images.html
      .slice(0, MAX_TEXT_LENGTH)
      .replace(/<[^<>]*>/g, ' ')
      .replace(/\s+/g, ' ');
    const cut = images.html.length > MAX_TEXT_LENGTH ? `\n\n[${CUT_NOTE}]` : '';
    const marked = `${boundedText(withoutMarks(bare))}\n\n[${TANGLED_NOTE}]${cut}`;
    return { html: null, marked, isShortened: true };
  }
}

/** Only its text is wanted, so nothing needs to be sanitised: half the work. Empty when it cannot be read. */
function uniqueText({ contentType, content }: MailBody): string {
  if (contentType === 'text') return boundedText(withoutMarks(content));
  const images = takeOutEmbeddedImages(content);
  try {
    return within(BODY_DEADLINE, content.length > HARMLESS_HTML_LENGTH, () => {
      const marked = images.nameLeftOut(markQuotes(images.html.slice(0, MAX_HTML_LENGTH)));
      return boundedText(images.putBack(textOf(marked)));
    });
  } catch {
    return '';
  }
}

function safeHtml(content: string): string {
  const isCut = content.length > MAX_HTML_LENGTH;
  const safe = sanitizeMailHtml(markQuotes(cleanText(content.slice(0, MAX_HTML_LENGTH)))).trim();
  return isCut ? `${safe}<p><em>${CUT_NOTE}</em></p>` : safe;
}

function textOf(safe: string): string {
  return htmlToText(safe).replaceAll('\u00A0', ' ').trim();
}

function boundedText(content: string, isCut = content.length > MAX_TEXT_LENGTH): string {
  const text = cleanText(content.slice(0, MAX_TEXT_LENGTH)).replaceAll('\r\n', '\n').trim();
  return isCut ? `${text}\n\n[${CUT_NOTE}]` : text;
}

/**
 * What the reply parser leaves of a text whose usual quotes are gone already: it knows more languages' closings. All of
 * the text when it would leave nothing, or takes too long.
 */
function withReplyParser(text: string): { own: string; signature: string } {
  const whole = { own: text, signature: '' };
  if (text.length > MAX_REPLY_PARSER_LENGTH) return whole;
  try {
    return within(REPLY_PARSER_DEADLINE, text.length > HARMLESS_TEXT_LENGTH, () => {
      const email = new EmailReplyParser().read(text);
      const own = email.getVisibleText().trim();
      const signature = email
        .getFragments()
        .filter((fragment) => fragment.isHidden() && fragment.isSignature())
        .map((fragment) => fragment.getContent().trim())
        .join('\n');
      return own === '' ? whole : { own, signature };
    });
  } catch {
    return whole; // a text that the parser cannot take is shown whole: better too much than too little
  }
}

function within<T>(milliseconds: number, needsDeadline: boolean, work: () => T): T {
  return needsDeadline ? withCpuDeadline(milliseconds, work) : work();
}

/*
 * Where mail programs say in their HTML that a quote or a signature begins. Sanitising drops those names, and plain text
 * never had them, so they become characters that Unicode promises never to use (U+FDD0 to U+FDD2) on the way to text.
 */

/** From here on, everything is quoted. */
export const QUOTE_MARK = '\uFDD0';
/** A line or two follow that introduce a quote: "On Monday, Carol wrote:". */
export const ATTRIBUTION_MARK = '\uFDD1';
/** A signature begins. */
export const SIGNATURE_MARK = '\uFDD2';

const ANY_MARK = /[\uFDD0-\uFDD2]/g;

/** Longer tags than this name nothing that is looked for; the bound keeps the search linear. */
const TAG = /<(?:div|blockquote|hr|span|section|p|table)\b[^<>]{1,600}>/gi;

const MARKS: readonly [mark: string, tag: RegExp][] = [
  // Outlook on the web, mobile and new; its desktop has only the line above "From:"; Outlook for Mac; Yahoo; Proton; Tuta.
  [
    QUOTE_MARK,
    /\bid\s*=\s*["']?(?:[a-z_-]*)(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|stopSpelling|yahoo_quoted)/i,
  ],
  [QUOTE_MARK, /border:\s*none;\s*border-top:\s*solid\s*#(?:e1e1e1|b5c4df)/i],
  [
    QUOTE_MARK,
    /\bclass\s*=\s*["'][^"']*\b(?:yahoo_quoted|protonmail_quote|tutanota_quote|WordSection-quote)\b/i,
  ],
  [ATTRIBUTION_MARK, /\bclass\s*=\s*["']?[^"'>]*\b(?:gmail_attr|moz-cite-prefix)\b/i],
  [
    SIGNATURE_MARK,
    /\b(?:id|class|data-smartmail)\s*=\s*["']?[^"'>]*\b(?:gmail_signature|moz-signature|ms-outlook-mobile-signature|AppleMailSignature|protonmail_signature_block|signature)\b/i,
  ],
];

/** The HTML with marks where a mail program says that something begins. Take them out again: they are not of the mail. */
export function markQuotes(html: string): string {
  return withoutMarks(html).replace(TAG, (tag) => {
    const found = MARKS.find(([, pattern]) => pattern.test(tag));
    return found ? `${found[0]}${tag}` : tag;
  });
}

/** Without any mark. */
export function withoutMarks(text: string): string {
  return text.replace(ANY_MARK, '');
}

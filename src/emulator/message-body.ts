import type { ItemBody } from '@microsoft/microsoft-graph-types';
import { compile } from 'html-to-text';

/**
 * Compiled once: building the selectors anew for every message costs more than converting it. What lies deeper is left
 * out: elements nested ten thousand times exceed the stack, and made every request for the message a 500.
 */
const htmlToText = compile({ wordwrap: false, limits: { maxDepth: 500 } });
/** Graph cuts `bodyPreview` here. */
const PREVIEW_CHARACTERS = 255;
/** A preview is made of no more than this, in characters: ten megabytes of HTML took seconds for one line. */
const PREVIEW_SOURCE_CHARACTERS = 100_000;

/** The body in the wanted form; with `null` in the form it was written in. */
export function bodyAs(body: ItemBody, wanted: 'text' | 'html' | null): ItemBody {
  const content = body.content ?? '';
  if (wanted === null || wanted === body.contentType)
    return { contentType: body.contentType ?? 'text', content };
  if (wanted === 'text') return { contentType: 'text', content: textOf(body) };
  return { contentType: 'html', content: htmlOfText(content) };
}

/** The body without scripts and event handlers, as Graph gives it unless `outlook.allow-unsafe-html` is asked for. */
export function withoutActiveContent(body: ItemBody): ItemBody {
  if (body.contentType !== 'html') return body;
  const content = (body.content ?? '')
    .replace(/<script\b[\s\S]*?(?:<\/script\s*>|$)/gi, '')
    .replace(/\son[a-z]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)/gi, '');
  return { contentType: 'html', content };
}

/** The first 255 characters of the text, on one line. */
export function previewOf(body: ItemBody): string {
  const { contentType = 'text', content } = body;
  const beginning = (content ?? '').slice(0, PREVIEW_SOURCE_CHARACTERS);
  return textOf({ contentType, content: beginning }).replace(/\s+/g, ' ').trim().slice(0, PREVIEW_CHARACTERS);
}

/** What this mail adds to its conversation: the body up to where it begins to quote. */
export function uniqueBodyOf(body: ItemBody): ItemBody {
  const content = body.content ?? '';
  const start = body.contentType === 'html' ? quoteInHtml(content) : quoteInText(content);
  return { contentType: body.contentType ?? 'text', content: content.slice(0, start).trimEnd() };
}

function textOf(body: ItemBody): string {
  const content = body.content ?? '';
  return body.contentType === 'html' ? htmlToText(content) : content;
}

function htmlOfText(text: string): string {
  const escaped = text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/\r?\n/g, '<br>\r\n');
  return (
    '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head>' +
    `<body>\r\n<div class="PlainText">${escaped}</div>\r\n</body></html>`
  );
}

function quoteInHtml(html: string): number {
  const found = html.search(
    /<blockquote\b|<div[^>]+(?:id="?(?:divRplyFwdMsg|appendonsend)"?|class="?gmail_quote)|<hr[^>]+tabindex/i,
  );
  return found === -1 ? html.length : found;
}

function quoteInText(text: string): number {
  const found = text.search(
    /^(?:>|-{2,} ?(?:Original Message|Ursprüngliche Nachricht)|(?:On|Am) .{5,120}(?:wrote|schrieb).{0,80}:\s*$|From: .+\r?\nSent: )/m,
  );
  return found === -1 ? text.length : found;
}

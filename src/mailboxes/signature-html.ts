import sanitize from 'sanitize-html';
import { ALLOWED_TAGS, NON_TEXT_TAGS } from '../platform/html-policy.ts';

const COLOUR = /^(?:#[0-9a-f]{3,8}|[a-z]{3,20}|rgba?\([\d\s.,%]{5,40}\))$/i;
const LENGTHS =
  /^(?:\s*(?:auto|0|[\d.]{1,6}(?:px|pt|em|rem|%)))(?:\s+(?:auto|0|[\d.]{1,6}(?:px|pt|em|rem|%))){0,3}$/i;
const WORD = /^[a-z0-9-]{1,20}$/i;

/**
 * The HTML of a signature as it goes out with mail: nothing that runs, no forms, links to `http`, `https`, `mailto` and
 * `tel` only. The project's policy on elements, as `ticketing/html-sanitizing.ts` has it for mail that comes in; but what
 * that holds back to protect a reader, who wrote the signature wants shown: images of the web, and a few styles that
 * can neither load anything nor leave their place.
 */
export function sanitizeSignature(html: string): string {
  return sanitize(html, {
    allowedTags: ALLOWED_TAGS,
    allowedAttributes: {
      '*': ['dir', 'lang', 'title', 'align', 'valign', 'bgcolor', 'style'],
      a: ['href'],
      img: ['src', 'alt', 'width', 'height'],
      table: ['border', 'cellpadding', 'cellspacing', 'width'],
      td: ['colspan', 'rowspan', 'width', 'height'],
      th: ['colspan', 'rowspan', 'width', 'height'],
      font: ['color', 'size', 'face'],
    },
    allowedStyles: {
      '*': {
        color: [COLOUR],
        'background-color': [COLOUR],
        'font-family': [/^[\w\s,'"-]{1,100}$/],
        'font-size': [LENGTHS],
        'font-style': [WORD],
        'font-weight': [WORD],
        'line-height': [/^[\d.]{1,6}(?:px|pt|em|%)?$/],
        'text-align': [WORD],
        'text-decoration': [WORD],
        'vertical-align': [WORD],
        margin: [LENGTHS],
        padding: [LENGTHS],
      },
    },
    allowedSchemes: ['http', 'https', 'mailto', 'tel'],
    // Without a mail of its own there is no file that `cid:` could name.
    allowedSchemesByTag: { img: ['https'] },
    allowProtocolRelative: false,
    nonTextTags: NON_TEXT_TAGS,
    nestingLimit: 50,
    enforceHtmlBoundary: false,
  }).trim();
}

import sanitize from 'sanitize-html';
import { ALLOWED_TAGS, NON_TEXT_TAGS } from '../platform/html-policy.ts';

export { NON_TEXT_TAGS };

/** Not an allowed tag: an element renamed to it disappears. */
const DROPPED = 'x-dropped';

/** Images inside the HTML itself. SVG is left out: it is a document that can hold scripts. */
const EMBEDDED_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]*$/i;

const OPTIONS: sanitize.IOptions = {
  allowedTags: ALLOWED_TAGS,
  allowedAttributes: {
    '*': ['dir', 'lang', 'title', 'align', 'valign', 'bgcolor'],
    a: ['href', 'rel'],
    img: ['src', 'data-remote-src', 'alt', 'width', 'height'],
    table: ['border', 'cellpadding', 'cellspacing', 'width'],
    td: ['colspan', 'rowspan', 'width', 'height'],
    th: ['colspan', 'rowspan', 'width', 'height'],
    col: ['span', 'width'],
    font: ['color', 'size', 'face'],
    ol: ['start', 'type'],
  },
  allowedSchemes: ['http', 'https', 'mailto', 'tel'],
  allowedSchemesByTag: { img: ['cid', 'data'] },
  allowProtocolRelative: false,
  nonTextTags: NON_TEXT_TAGS,
  parseStyleAttributes: false,
  // Outlook quotes nest by tables; what lies deeper than this is kept as text without its elements.
  nestingLimit: 200,
  enforceHtmlBoundary: false,
  transformTags: { a: secureLink, img: holdBackImage },
};

/**
 * HTML that is safe to put into a page. Scripts, styles, forms and frames are gone; links go to `http`, `https`, `mailto`
 * and `tel` only and carry `rel="noopener noreferrer nofollow"`.
 *
 * Remote images do not load, since loading one tells its owner that and where the mail was read: their address moves to
 * `data-remote-src`, for a reader who asks for them. Images of one pixel serve nothing else and are dropped. `cid:`
 * images (RFC 2392) stay as they are: they name an attachment of the same mail.
 *
 * The style attribute is dropped as well: it can load images and lay text over the page around it.
 */
export function sanitizeMailHtml(html: string): string {
  return sanitize(html, OPTIONS);
}

/** A link without a scheme would lead into the site of whoever shows the mail. */
function secureLink(tagName: string, { href, ...rest }: sanitize.Attributes): sanitize.Tag {
  const address = href?.trim() ?? '';
  const isWhole = /^(?:https?:\/\/|mailto:|tel:)/i.test(address);
  return {
    tagName,
    attribs: { ...(isWhole && { href: address }), ...rest, rel: 'noopener noreferrer nofollow' },
  };
}

function holdBackImage(tagName: string, attribs: sanitize.Attributes): sanitize.Tag {
  const { src = '', 'data-remote-src': _forged, ...rest } = attribs;
  const address = src.trim();
  if (isTrackingPixel(attribs)) return { tagName: DROPPED, attribs: {} };
  if (/^(?:https?:)?\/\//i.test(address)) {
    return {
      tagName,
      attribs: { ...rest, 'data-remote-src': address.startsWith('//') ? `https:${address}` : address },
    };
  }
  const isKept = /^cid:/i.test(address) || EMBEDDED_IMAGE.test(address);
  return { tagName, attribs: isKept ? { ...rest, src: address } : rest };
}

/** An image that nobody can see, by its attributes or its inline style. */
function isTrackingPixel({ width, height, style = '' }: sanitize.Attributes): boolean {
  const isTiny = (size: string | undefined) =>
    size !== undefined && /^\s*0*[01](?:\.\d+)?\s*(?:px)?\s*$/i.test(size);
  const isHidden =
    /(?:display\s*:\s*none|visibility\s*:\s*hidden|(?:^|[;\s])(?:width|height)\s*:\s*[01](?:\.\d+)?px)/i;
  return isTiny(width) || isTiny(height) || isHidden.test(style.slice(0, 2_000));
}

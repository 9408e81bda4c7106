import { InvalidInputError } from '../errors.ts';
import { escapeHtml } from './text-html.ts';

/** Tags as the sanitiser writes them: attributes in double quotes, without `<` and `>` in their values. */
const IMAGE = /<img\b[^<>]*>/gi;
/**
 * An attribute as the sanitiser writes it. A tag is read attribute by attribute: looked for as text, `src="` would be found
 * inside a description of somebody's choice as well, and what follows would end up outside of the quotes.
 */
const ATTRIBUTE = / ([a-z][a-z-]*)(?:="([^"]*)")?/gi;

/** As an author writes it, before it is sanitised. One run of each kind of character: no input makes this slow. */
const EMBEDDED = /<img\b[^<>]*\ssrc\s*=["'\s]*data:/i;

/**
 * Refuses images that stand in the author's HTML itself (`data:`, as editors paste them): Gmail and Outlook do not show
 * them, and nobody here would know. Throws InvalidInputError.
 */
export function refuseEmbeddedImages(html: string): void {
  if (!EMBEDDED.test(html)) return;
  throw new InvalidInputError(
    'html',
    'The HTML holds an image itself (`data:`); Gmail, Outlook and others do not show such images.',
    'Upload the image with createUpload, name the upload in `uploadIds`, and show it with `cid:` and its id as the address of the image.',
  );
}

/** The `cid:` names in sanitised HTML, each once, in their order (RFC 2392). */
export function imageNamesIn(html: string): string[] {
  return [...new Set([...html.matchAll(IMAGE)].flatMap(([tag]) => cidOf(tag) ?? []))];
}

/**
 * Sanitised HTML as it is sent: images are named by the content ids of the mail's own files, those without a file become
 * their description, and remote images are what they were before they were held back: in mail that goes out again, whether
 * to load them is the reader's choice.
 */
export function withImages(html: string, contentIds: ReadonlyMap<string, string>): string {
  return html.replace(IMAGE, (tag) => {
    const name = cidOf(tag);
    if (name === null) return renamed(tag, 'data-remote-src', (value) => ` src="${value}"`);
    const contentId = contentIds.get(name);
    if (contentId === undefined) return descriptionOf(tag);
    return renamed(tag, 'src', () => ` src="cid:${escapeHtml(encodeURI(contentId))}"`);
  });
}

/** The tag with one attribute written anew; `value` is written as HTML. */
function renamed(tag: string, wanted: string, written: (value: string) => string): string {
  return tag.replace(ATTRIBUTE, (attribute, name: string, value: string | undefined) =>
    name.toLowerCase() === wanted ? written(value ?? '') : attribute,
  );
}

function attributeOf(tag: string, wanted: string): string | null {
  for (const [, name = '', value = ''] of tag.matchAll(ATTRIBUTE)) {
    if (name.toLowerCase() === wanted) return value;
  }
  return null;
}

function descriptionOf(tag: string): string {
  const alt = attributeOf(tag, 'alt')?.trim();
  return alt ? `[${alt}]` : '';
}

function cidOf(tag: string): string | null {
  const src = attributeOf(tag, 'src') ?? '';
  if (!/^cid:/i.test(src)) return null;
  const name = src.slice('cid:'.length).replaceAll('&amp;', '&').trim();
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

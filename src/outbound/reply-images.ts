import { escapeHtml } from './text-html.ts';

/** Tags as the sanitiser writes them: attributes in double quotes, without `<` and `>` in their values. */
const IMAGE = /<img\b[^<>]*>/gi;

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
    if (name === null) return tag.replace(/ data-remote-src="/i, ' src="');
    const contentId = contentIds.get(name);
    if (contentId === undefined) return descriptionOf(tag);
    return tag.replace(/ src="[^"]*"/i, ` src="cid:${escapeHtml(encodeURI(contentId))}"`);
  });
}

function descriptionOf(tag: string): string {
  const alt = / alt="([^"]*)"/i.exec(tag)?.[1]?.trim();
  return alt ? `[${alt}]` : '';
}

function cidOf(tag: string): string | null {
  const written = / src="cid:([^"]*)"/i.exec(tag)?.[1];
  if (written === undefined) return null;
  const name = written.replaceAll('&amp;', '&').trim();
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

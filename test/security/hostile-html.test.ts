import sanitize from 'sanitize-html';
import { expect, test } from 'vitest';
import { prepareBodies } from '../../src/ticketing/bodies.ts';
import { sanitizeMailHtml } from '../../src/ticketing/html-sanitizing.ts';
import { HOSTILE_HTML } from './hostile-html.ts';

const ELSEWHERE = /evil\.example/;

test.each(HOSTILE_HTML)('nothing of it runs, loads or leads into our site: %s', (hostile) => {
  const { html } = prepareBodies({ contentType: 'html', content: hostile }, null);
  const elements: [string, Record<string, string>][] = [];
  // Read with everything allowed: what is there, not what is hoped for.
  sanitize(html ?? '', {
    allowedTags: false,
    allowedAttributes: false,
    allowVulnerableTags: true,
    allowedSchemes: false as never,
    transformTags: {
      '*': (tagName, attribs) => {
        elements.push([tagName, attribs]);
        return { tagName, attribs };
      },
    },
  });
  for (const [name, attributes] of elements) {
    expect(name).not.toMatch(
      /script|style|iframe|object|embed|form|input|button|svg|math|link|meta|base$|video|audio|template|textarea|noscript|select|title|xmp/,
    );
    for (const attribute of Object.keys(attributes)) {
      expect(attribute).not.toMatch(
        /^on|^style$|^id$|^name$|^class$|srcset|background$|action|target|ping|xlink/i,
      );
    }
    const { href, src, rel } = attributes;
    if (name === 'a') expect(rel).toBe('noopener noreferrer nofollow');
    if (href !== undefined) expect(href).toMatch(/^(https?:\/\/|mailto:|tel:)/);
    if (src !== undefined) {
      expect(src).toMatch(/^(cid:|data:image\/(png|jpeg|gif|webp);base64,)/);
      expect(src).not.toMatch(ELSEWHERE);
    }
  }
});

test.each(HOSTILE_HTML)('sanitising twice changes nothing more: %s', (hostile) => {
  const once = sanitizeMailHtml(hostile);
  // A held-back address is ours to write, so one that comes from outside is dropped.
  expect(sanitizeMailHtml(once)).toBe(once.replace(/ data-remote-src="[^"]*"/g, ''));
});

test.each([
  '/settings',
  'settings',
  '#top',
  '?a=b',
  '../x',
  '\u00a0javascript:x',
  'https:evil.example',
  'file:///etc/passwd',
])('a link without a whole address leads nowhere: %s', (href) => {
  expect(sanitizeMailHtml(`<a href="${href}">x</a>`)).toBe('<a rel="noopener noreferrer nofollow">x</a>');
});

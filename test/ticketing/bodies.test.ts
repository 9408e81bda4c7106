import { describe, expect, test } from 'vitest';
import { MAX_HTML_LENGTH, prepareBodies } from '../../src/ticketing/bodies.ts';
import { sanitizeMailHtml } from '../../src/ticketing/html-sanitizing.ts';

const html = (content: string) => ({ contentType: 'html' as const, content });
const text = (content: string) => ({ contentType: 'text' as const, content });

describe('sanitised HTML runs nothing and loads nothing', () => {
  const attacks: [name: string, attack: string][] = [
    ['script', '<script>alert(1)</script>'],
    ['script inside a broken tag', '<scr<script>ipt>alert(1)</scr</script>ipt>'],
    ['unclosed script', '<script>alert(1)'],
    ['event handler', '<img src=x onerror=alert(1)>'],
    ['event handler with a slash', '<svg/onload=alert(1)>'],
    ['event handler with a new line', '<p\nonclick\n=\nalert(1)>x</p>'],
    ['autofocus', '<input autofocus onfocus=alert(1)>'],
    ['javascript link', '<a href="javascript:alert(1)">x</a>'],
    ['javascript link in capitals and entities', '<a href="JaVaScRiPt&#58;alert(1)">x</a>'],
    [
      'javascript link with control characters',
      '<a href="java\tscript:alert(1)">x</a><a href="\u0001javascript:alert(1)">x</a>',
    ],
    ['vbscript link', '<a href="vbscript:msgbox(1)">x</a>'],
    ['data link', '<a href="data:text/html,<script>alert(1)</script>">x</a>'],
    ['data image that is SVG', '<img src="data:image/svg+xml;base64,PHN2Zy8+">'],
    ['data image that is HTML', '<img src="data:text/html;base64,PHNjcmlwdD4=">'],
    [
      'iframe',
      '<iframe src="https://evil.example"></iframe><iframe srcdoc="<script>alert(1)</script>"></iframe>',
    ],
    ['object and embed', '<object data="x.swf"></object><embed src="x.swf"><applet code=x></applet>'],
    [
      'form',
      '<form action="https://evil.example"><input name=password><button formaction="javascript:alert(1)">',
    ],
    [
      'style element',
      '<style>@import "https://evil.example/x.css"; body{background:url(//evil.example)}</style>',
    ],
    ['style attribute', '<p style="background:url(https://evil.example/x.png);position:fixed;inset:0">x</p>'],
    [
      'base and meta',
      '<base href="https://evil.example"><meta http-equiv=refresh content="0;url=https://evil.example">',
    ],
    ['link element', '<link rel=stylesheet href="https://evil.example/x.css">'],
    ['background attribute', '<table background="https://evil.example/x.png"><tr><td>x</td></tr></table>'],
    [
      'srcset and picture',
      '<picture><source srcset="https://evil.example/x.png"><img srcset="https://evil.example/x.png"></picture>',
    ],
    [
      'video and audio',
      '<video src="https://evil.example/x" poster="https://evil.example/x"></video><audio src="https://evil.example/x">',
    ],
    [
      'MathML',
      '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    ],
    ['SVG with a script', '<svg><script>alert(1)</script><a xlink:href="javascript:alert(1)">x</a></svg>'],
    ['SVG with a foreign style', '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">'],
    ['noscript', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">'],
    ['conditional comment', '<!--[if gte mso 9]><script>alert(1)</script><![endif]-->'],
    ['template', '<template><img src=x onerror=alert(1)></template>'],
    ['clobbering of names', '<a id="location" name="document">x</a>'],
    ['protocol-relative link', '<img src="//evil.example/x.png">'],
    ['blob and file links', '<a href="file:///etc/passwd">x</a><a href="blob:https://x">x</a>'],
  ];
  test.each(attacks)('%s', (_name, attack) => {
    const safe = sanitizeMailHtml(attack);
    expect(safe).not.toMatch(
      /<(?:script|style|iframe|object|embed|applet|form|input|button|svg|math|base|meta|link|template|video|audio|source)/i,
    );
    expect(safe).not.toMatch(
      /<[^>]*\s(?:on\w+|style|id|name|srcset|background|poster|xlink:href|formaction)\s*=/i,
    );
    for (const [, address] of safe.matchAll(/\s(?:href|src|data-remote-src)="([^"]*)"/g)) {
      expect(address).toMatch(/^(?:https?:|mailto:|tel:|cid:|data:image\/(?:png|jpeg|gif|webp);)/);
    }
    expect(safe).not.toMatch(/<img[^>]*\ssrc="(?:https?:)?\/\//i);
  });

  test('links keep their target and learn to keep quiet', () => {
    expect(
      sanitizeMailHtml('<a href="https://example.com/?a=1&amp;b=2" rel="opener" target="_self">x</a>'),
    ).toBe('<a href="https://example.com/?a=1&amp;b=2" rel="noopener noreferrer nofollow">x</a>');
    expect(sanitizeMailHtml('<a href="mailto:a@b.c">x</a><a href="tel:+49">y</a>')).toContain(
      'href="tel:+49"',
    );
  });

  test('remote images are held back, also those that claim to have been', () => {
    expect(sanitizeMailHtml('<img src="https://x.example/a.png" width="300" alt="Logo">')).toBe(
      '<img width="300" alt="Logo" data-remote-src="https://x.example/a.png" />',
    );
    expect(sanitizeMailHtml('<img data-remote-src="javascript:alert(1)">')).toBe('<img />');
  });

  test('tracking pixels are dropped', () => {
    const pixels = [
      '<img src="https://t.example/1" width="1" height="1">',
      '<img src="https://t.example/2" width=0>',
      '<img src="https://t.example/3" style="display:none">',
      '<img src="https://t.example/4" style="height: 1px; width:1px">',
    ];
    expect(sanitizeMailHtml(pixels.join(''))).toBe('');
    expect(sanitizeMailHtml('<img src="https://t.example/5" style="max-width:100px" width="10">')).toContain(
      't.example/5',
    );
  });

  test('inline images keep their cid and small embedded ones their data', () => {
    expect(sanitizeMailHtml('<img src="cid:logo@x">')).toBe('<img src="cid:logo@x" />');
    expect(sanitizeMailHtml('<img src="data:image/png;base64,iVBORw0K">')).toContain('data:image/png');
  });

  test('tables, lists, quotes and emphasis survive', () => {
    const rich =
      '<blockquote><ul><li><b>a</b></li></ul><table><tbody><tr><td colspan="2">b</td></tr></tbody></table></blockquote>';
    expect(sanitizeMailHtml(rich)).toBe(rich);
  });

  test('the title of the page is not text of the mail', () => {
    expect(
      prepareBodies(html('<html><head><title>T</title></head><body>B</body></html>'), null),
    ).toMatchObject({ html: 'B', text: 'B' });
  });
});

describe('the text', () => {
  test('is made of the HTML, with its links', () => {
    const { text: plain } = prepareBodies(
      html('<h1>Hi</h1><p>See <a href="https://example.com">here</a>.</p><script>x()</script>'),
      null,
    );
    expect(plain).toBe('Hi\n\nSee here [https://example.com].');
  });

  test('stays as it is for a mail without HTML, which then has none', () => {
    expect(prepareBodies(text('a <b> c\r\n& d'), null)).toEqual({
      html: null,
      text: 'a <b> c\n& d',
      strippedText: 'a <b> c\n& d',
      quotedText: null,
      signature: null,
      isShortened: false,
    });
  });
});

describe('the stripped text', () => {
  const quoted =
    'Thanks, that works.\n\nOn Mon, Nov 16, 2026 at 9:00 AM Support <support@example.com> wrote:\n> Try again.\n> Bye';

  test("is Outlook's unique body when there is one", () => {
    const body = html('<p>New</p><blockquote>Old</blockquote>');
    expect(
      prepareBodies(
        body,
        html('<html><head><title>T</title><style>p{}</style></head><body><p>New</p></body></html>'),
      ).strippedText,
    ).toBe('New');
  });

  test('falls back to recognising quotes when there is none, or it is empty', () => {
    expect(prepareBodies(text(quoted), null).strippedText).toBe('Thanks, that works.');
    expect(prepareBodies(text(quoted), html('<div>  </div>')).strippedText).toBe('Thanks, that works.');
  });

  test('is never cut to nothing', () => {
    for (const whole of ['> only\n> quotes', '-- \nonly a signature', 'Sent from my iPhone']) {
      expect(prepareBodies(text(whole), null).strippedText, whole).not.toBe('');
    }
  });
});

describe('hostile bodies take bounded time and are not lost', () => {
  const repeated = (piece: string, length: number) => piece.repeat(Math.ceil(length / piece.length));
  const bodies: [name: string, body: string, kind: 'html' | 'text'][] = [
    ['ten megabytes of elements', repeated('<b>x', 10_000_000), 'html'],
    ['ten megabytes of text', repeated('word ', 10_000_000), 'text'],
    ['ten megabytes of brackets', repeated('<', 10_000_000), 'html'],
    ['one element with many attributes', `<p ${repeated('x=y ', 5_000_000)}>z`, 'html'],
    ['deep nesting', `${repeated('<div>', 1_000_000)}z`, 'html'],
    ['regular expressions of the reply parser', repeated('Op schreef\n', 60_000), 'text'],
    ['marks of quotes', repeated('<div id=', 5_000_000), 'html'],
    ['introductions', repeated('On 1.1 a@b wrote:\n', 1_000_000), 'text'],
    ['quoted introductions', repeated('On 1.1 a@b wrote:\n> x\n', 1_000_000), 'text'],
    ['blank lines', `${repeated('\n', 60_000)}x`, 'text'],
    ['one long line', `On ${repeated('a b ', 60_000)}`, 'text'],
  ];
  test.each(bodies)('%s', (_name, content, contentType) => {
    // Computing, not the clock: on a busy machine the same work takes longer.
    const begin = process.cpuUsage();
    const bodies = prepareBodies({ contentType, content }, null);
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1_000).toBeLessThan(5_000);
    expect(bodies.strippedText).not.toBe('');
    expect((bodies.html ?? '').length).toBeLessThan(5 * MAX_HTML_LENGTH);
    expect(bodies.text.length).toBeLessThan(MAX_HTML_LENGTH);
  });

  test('what is cut off is said', () => {
    const { html: kept, text: plain } = prepareBodies(
      html(repeated(`<p>${'word '.repeat(20)}</p>`, 2_000_000)),
      null,
    );
    expect(kept).toContain('cut off');
    expect(plain).toContain('cut off');
  });
});

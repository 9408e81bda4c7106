import { describe, expect, test } from 'vitest';
import { composeBody, type ReplyParts, replyReferences, replySubject } from '../../src/outbound/compose.ts';
import { attributionOf, quoteMail } from '../../src/outbound/quote.ts';
import { imageNamesIn, refuseEmbeddedImages, withImages } from '../../src/outbound/reply-images.ts';
import { htmlOfText } from '../../src/outbound/text-html.ts';
import { sanitizeMailHtml } from '../../src/ticketing/html-sanitizing.ts';
import { splitText } from '../../src/ticketing/quoted-text.ts';
import { ticketNumbersIn } from '../../src/ticketing/subject.ts';

describe('the subject of a reply', () => {
  test.each([
    ['Printer', 'Re: Printer [#12]'],
    ['Re: Printer', 'Re: Printer [#12]'],
    ['AW: Re: WG: Printer', 'Re: Printer [#12]'],
    ['RE: [EXTERNAL] Printer [#12]', 'Re: Printer [#12]'],
    ['Re: Printer [#99] and [#12]', 'Re: Printer and [#12]'],
    ['', 'Re: [#12]'],
    ['  spaced \n out ', 'Re: spaced out [#12]'],
    ['İstanbul: Re: x', 'Re: İstanbul: Re: x [#12]'],
  ])('%j becomes %j', (subject, expected) => {
    expect(replySubject(subject, 12)).toBe(expected);
    expect(replySubject(expected, 12)).toBe(expected);
  });

  test('a long one is cut, and keeps its token', () => {
    const subject = replySubject('x'.repeat(1_000), 123_456);
    expect(subject.length).toBeLessThanOrEqual(255);
    expect(ticketNumbersIn(subject)).toEqual([123_456]);
  });
});

describe('References', () => {
  test('are those of the answered mail and that mail itself, last', () => {
    const answered = { internetMessageId: '<c@x>', references: ['<a@x>', '<b@x>'], earlier: ['<z@x>'] };
    expect(replyReferences(answered)).toEqual(['<a@x>', '<b@x>', '<c@x>']);
  });

  test('are the ticket’s earlier mails where the answered one names none', () => {
    const answered = { internetMessageId: '<c@x>', references: [], earlier: ['<a@x>', '<b@x>', '<a@x>'] };
    expect(replyReferences(answered)).toEqual(['<a@x>', '<b@x>', '<c@x>']);
  });

  test('of a long conversation keep the first and the last ones', () => {
    const references = Array.from({ length: 80 }, (_, i) => `<${i}@x>`);
    const chain = replyReferences({ internetMessageId: '<last@x>', references, earlier: [] });
    expect(chain).toHaveLength(50);
    expect([chain[0], chain[1], chain.at(-1)]).toEqual(['<0@x>', '<32@x>', '<last@x>']);
  });

  test('are none of a first mail', () => {
    expect(replyReferences({ internetMessageId: null, references: [], earlier: [] })).toEqual([]);
  });
});

const AT = new Date('2026-11-21T13:05:00Z');
const carol = { name: 'Carol Customer', emailAddress: 'carol@fabrikam.example' };

describe('the quoted history', () => {
  test.each([
    ['UTC', 'On Sat, 21 Nov 2026 at 13:05 UTC, Carol Customer wrote:'],
    ['Europe/Berlin', 'On Sat, 21 Nov 2026 at 14:05 CET, Carol Customer wrote:'],
    ['Asia/Tokyo', 'On Sat, 21 Nov 2026 at 22:05 GMT+9, Carol Customer wrote:'],
  ])('says who wrote when, as clocks of %s show it', (timeZone, line) => {
    expect(attributionOf(carol, AT, timeZone)).toBe(line);
  });

  test('names the address of who has no name, on one line', () => {
    expect(attributionOf({ ...carol, name: null }, AT, 'UTC')).toContain(', carol@fabrikam.example wrote:');
    expect(attributionOf({ ...carol, name: 'A\r\nBcc: x' }, AT, 'UTC')).toContain(', A Bcc: x wrote:');
  });

  test('is marked line by line, and found again by whoever folds quotes', () => {
    const { text, attribution } = quoteMail(
      { from: carol, at: AT, text: 'one\n> older\n\ntwo', strippedText: 'one', html: null },
      'UTC',
    );
    expect(text).toBe('> one\n>> older\n>\n> two');
    const parts = splitText(`My answer\n\n${attribution}\n\n${text}`);
    expect(parts.own).toBe('My answer');
    expect(parts.quoted).toContain('wrote:');
  });

  test('is HTML in a blockquote, of text or of the mail’s own', () => {
    const mail = { from: { ...carol, name: '<b>C</b>' }, at: AT, text: 'a < b', strippedText: 'a < b' };
    const plain = quoteMail({ ...mail, html: null }, 'UTC').html;
    expect(plain).toContain('&lt;b&gt;C&lt;/b&gt; wrote:');
    expect(plain).toMatch(/<blockquote type="cite"[^>]*><p>a &lt; b<\/p><\/blockquote>/);
    expect(quoteMail({ ...mail, html: '<p>rich</p>' }, 'UTC').html).toContain('<p>rich</p></blockquote>');
  });

  test('is bounded: of a very long mail its own words', () => {
    const long = 'history\n'.repeat(100_000);
    const quote = quoteMail(
      {
        from: carol,
        at: AT,
        text: `new\n${long}`,
        strippedText: 'new',
        html: `<p>${'h'.repeat(300_000)}</p>`,
      },
      'UTC',
    );
    expect(quote.isShortened).toBe(true);
    expect(quote.text).toBe('> new');
    expect(quote.html.length).toBeLessThan(1_000);
    const all = quoteMail({ from: carol, at: AT, text: long, strippedText: long, html: null }, 'UTC');
    expect(all.text.length).toBeLessThan(150_000);
    expect(all.text).toMatch(/\[…\]$/);
  });
});

describe('the body', () => {
  const parts: ReplyParts = {
    text: 'Hello',
    html: null,
    signature: { text: null, html: null },
    quote: null,
    contentIds: new Map(),
  };

  test('of text is HTML that looks the same and cannot be more than text', () => {
    expect(htmlOfText('a <b> & "c"\n  two  spaces\n\nnext https://x.example/?a=1&b=2.')).toBe(
      '<p>a &lt;b&gt; &amp; &quot;c&quot;<br>\n&nbsp;&nbsp;two &nbsp;spaces</p>\n' +
        '<p>next <a href="https://x.example/?a=1&amp;b=2">https://x.example/?a=1&amp;b=2</a>.</p>',
    );
  });

  test('in a script that runs from the right is shown so, in the message of the ticket as well', () => {
    const body = composeBody({ ...parts, text: 'שלום, עולם!' });
    expect(sanitizeMailHtml(body.html)).toBe('<div dir="auto"><p>שלום, עולם!</p></div>');
    const evil = { name: 'Carol\u202e lorac\u2066', emailAddress: 'c@x.example' };
    expect(attributionOf(evil, AT, 'UTC')).toBe('On Sat, 21 Nov 2026 at 13:05 UTC, Carol lorac wrote:');
  });

  test('of HTML is sanitised, and text is made of it', () => {
    const html = '<p onclick="x()">Hi <b>you</b><script>alert(1)</script></p>';
    const body = composeBody({ ...parts, text: null, html });
    expect(body.html).toContain('<p>Hi <b>you</b></p>');
    expect(body.html).not.toContain('script');
    expect(body.text).toBe('Hi you');
  });

  test('has the signature between what was written and the quote', () => {
    const quote = quoteMail({ from: carol, at: AT, text: 'Q', strippedText: 'Q', html: null }, 'UTC');
    const body = composeBody({ ...parts, signature: { text: 'The Desk', html: null }, quote });
    expect(body.text).toBe(`Hello\n\n-- \nThe Desk\n\n${quote.attribution}\n\n> Q`);
    expect(body.html.indexOf('Hello')).toBeLessThan(body.html.indexOf('The Desk'));
    expect(body.html.indexOf('The Desk')).toBeLessThan(body.html.indexOf('<blockquote'));
    expect(body.ownText).toBe('Hello');
    expect(splitText(body.text)).toEqual({
      own: 'Hello',
      signature: expect.stringContaining('The Desk'),
      quoted: expect.stringContaining('> Q'),
    });
  });

  test('makes each form of a signature of the other', () => {
    const body = composeBody({ ...parts, signature: { text: null, html: '<p>The <i>Desk</i></p>' } });
    expect(body.text).toBe('Hello\n\n-- \nThe Desk');
    expect(body.html).toContain('<p>The <i>Desk</i></p>');
  });
});

describe('images', () => {
  test('are shown by the content ids of the mail’s own files', () => {
    const html = '<p><img src="cid:one%40x" alt="One" /><img src="cid:two" /></p>';
    expect(imageNamesIn(html)).toEqual(['one@x', 'two']);
    expect(withImages(html, new Map([['one@x', 'new@deskgraph']]))).toBe(
      '<p><img src="cid:new@deskgraph" alt="One" /></p>',
    );
  });

  test('without a file become their description; remote ones are as before', () => {
    expect(withImages('<img src="cid:gone" alt="A &quot;plan&quot;" />', new Map())).toBe(
      '[A &quot;plan&quot;]',
    );
    expect(withImages('<img data-remote-src="https://x.example/a.png" />', new Map())).toBe(
      '<img src="https://x.example/a.png" />',
    );
  });

  test('a description that looks like an attribute lets nothing out of the quotes', () => {
    const name = 'x onerror=alert(1) y';
    const html = sanitizeMailHtml(
      `<img alt=" src=" src="cid:${name}"><img alt=" src=" title=" data-remote-src=" src="https://x.example/a onerror=b">`,
    );
    expect(imageNamesIn(html)).toEqual([name]);
    expect(withImages(html, new Map([[name, 'new@deskgraph']]))).toBe(
      '<img alt=" src=" src="cid:new@deskgraph" />' +
        '<img alt=" src=" title=" data-remote-src=" src="https://x.example/a onerror=b" />',
    );
  });

  test('in the HTML itself are refused, however they are written; text about them is not', () => {
    const embedded = [
      '<p><img alt="x" src="data:image/png;base64,AAAA"></p>',
      "<IMG\nSRC = 'DATA:image/svg+xml,<svg/>'>",
      '<img src=data:image/gif;base64,AAAA>',
    ];
    for (const html of embedded) {
      expect(() => refuseEmbeddedImages(html)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    }
    refuseEmbeddedImages(
      '<p>&lt;img src="data:x"&gt; <img src="cid:a" alt="data:"> <a href="https://x/?src=data:">a</a></p>',
    );
    refuseEmbeddedImages(`<img ${' src='.repeat(50_000)}${' '.repeat(50_000)}`);
  });
});

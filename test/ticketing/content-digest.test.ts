import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { MailBody } from '../../src/microsoft365/mail.ts';
import { comparableText, contentDigestsOf, hasDigest } from '../../src/ticketing/content-digest.ts';

const summary = { internetMessageId: '<one@fabrikam.example>', fromAddress: 'carol@fabrikam.example' };
const html = (content: string): MailBody => ({ contentType: 'html', content });
const text = (content: string): MailBody => ({ contentType: 'text', content });
const digestOf = (body: MailBody) => contentDigestsOf({ body }, summary).contentDigest;

/** A link as Safe Links makes it for one recipient. */
function safeLink(url: string, recipient: string): string {
  const data = encodeURIComponent(`05|02|${recipient}|8f3a|0|0|638000000000000000|Unknown`);
  return `https://eur04.safelinks.protection.outlook.com/?url=${encodeURIComponent(url)}&data=${data}&sdata=${recipient.length}%3D&reserved=0`;
}

const TIP = `<div><table border="0"><tbody><tr><td style="background:#A6A6A6"></td><td><div>You don't often get email from
 carol@fabrikam.example. <a href="https://aka.ms/LearnAboutSenderIdentification">Learn why this is important</a></div></td>
 </tr></tbody></table></div>`;

describe('copies of one mail have one digest', () => {
  test.each<[string, MailBody, MailBody]>([
    [
      'though Safe Links names each recipient in every link',
      html(
        `<p>See <a href="${safeLink('https://fabrikam.example/a?x=1', 'support@contoso.example')}" originalsrc="https://fabrikam.example/a?x=1" shash="abc">the offer</a>.</p>`,
      ),
      html(
        `<p>See <a href="${safeLink('https://fabrikam.example/a?x=1', 'sales@contoso.example')}" originalsrc="https://fabrikam.example/a?x=1" shash="xyz=">the offer</a>.</p>`,
      ),
    ],
    [
      'though only one of the mailboxes is covered by Safe Links',
      html('<p>See <a href="https://fabrikam.example">the offer</a>.</p>'),
      html(
        `<p>See <a href="${safeLink('https://fabrikam.example/', 'sales@contoso.example')}" originalsrc="https://fabrikam.example">the offer</a>.</p>`,
      ),
    ],
    [
      'in plain text, with the link in the middle and at the end of a sentence',
      text('See https://fabrikam.example/Offer%20A?n=1&m=2 or (https://fabrikam.example).\r\nCarol'),
      text(
        `See ${safeLink('https://fabrikam.example/Offer%20A?n=1&m=2', 'sales@contoso.example')} or (${safeLink('https://fabrikam.example/', 'sales@contoso.example')}).\nCarol`,
      ),
    ],
    [
      'though one recipient hardly knows the sender',
      html('<html><body><p>Hello</p></body></html>'),
      html(`<html><body>${TIP}<p>Hello</p></body></html>`),
    ],
    [
      'though the tip comes in another language, and its link is rewritten',
      html('<p>Hello</p>'),
      html(
        `<div>Sie erhalten nicht oft E-Mails. <a href="${safeLink('https://aka.ms/LearnAboutSenderIdentification', 'x@y.example')}">Mehr</a></div><p>Hello</p>`,
      ),
    ],
    [
      'though the tip stands in plain text',
      text('Hello'),
      text(
        "[You don't often get email from c@f.example. Learn why this is important at https://aka.ms/LearnAboutSenderIdentification ]\n\nHello",
      ),
    ],
    [
      'though a rule warns one of the recipients of mail from outside',
      html('<p>Hello</p>'),
      html(
        '<div style="background:yellow"><b>CAUTION:</b> This email originated from outside of the organization. Do not click links.</div><p>Hello</p>',
      ),
    ],
    [
      'with other characters for the same text',
      html('<p>A&nbsp;&amp;&#32;B</p>'),
      html('<p>A &#38; B</p>\n'),
    ],
  ])('%s', (_name, one, other) => {
    expect(digestOf(one)).toBe(digestOf(other));
  });
});

describe('other mails have other digests', () => {
  test.each<[string, MailBody, MailBody]>([
    ['by their text', html('<p>Disk 1 is full</p>'), html('<p>Disk 2 is full</p>')],
    [
      'by an address that a robot has written out',
      text('Alert: https://monitor.example/alert/1'),
      text('Alert: https://monitor.example/alert/2'),
    ],
    [
      'by what a rewritten address leads to',
      text(`Alert: ${safeLink('https://monitor.example/alert/1', 'a@contoso.example')}`),
      text(`Alert: ${safeLink('https://monitor.example/alert/2', 'a@contoso.example')}`),
    ],
    ['by their pictures, where there is no text', html('<img src="a.png">'), html('<img src="b.png">')],
    [
      'by what they say further down about outside, organization and email',
      text('a\nb\nc\nYour email to the external organization failed at 1'),
      text('a\nb\nc\nYour email to the external organization failed at 2'),
    ],
  ])('%s', (_name, one, other) => {
    expect(digestOf(one)).not.toBe(digestOf(other));
  });
});

test('the digest of a mail that the ledger has from before is recognised for the same bytes, and only for them', () => {
  const content = '<p>See <a href="https://fabrikam.example">it</a></p>';
  const stored = createHash('sha256')
    .update(JSON.stringify([summary.internetMessageId, summary.fromAddress, content]))
    .digest('hex');
  expect(hasDigest(contentDigestsOf({ body: html(content) }, summary), stored)).toBe(true);
  expect(hasDigest(contentDigestsOf({ body: html(`${content} `) }, summary), stored)).toBe(false);
});

test('mail without a Message-ID has no digest, and is the same as nothing', () => {
  const digests = contentDigestsOf({ body: text('Hello') }, { ...summary, internetMessageId: null });
  expect(digests).toEqual({ contentDigest: null, formerDigest: null });
  expect(hasDigest(digests, null)).toBe(false);
});

test.each([
  ['unclosed tags', '<a'.repeat(2_000_000)],
  ['an endless address', `http://${'.'.repeat(2_000_000)}a`],
  [
    'a rewritten address of many parts',
    `https://x.safelinks.protection.outlook.com/?${'&a=b'.repeat(1_000_000)}`,
  ],
  ['one long line', 'email external '.repeat(300_000)],
  ['many short lines', 'e\n'.repeat(2_000_000)],
  ['open entities', '&#'.repeat(2_000_000)],
])('4 MB of %s take no longer than reading them', (_name, content) => {
  const before = process.cpuUsage();
  comparableText(html(content));
  comparableText(text(content));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(10_000);
});

import { describe, expect, test } from 'vitest';
import { readAttachment, readId, readMail } from '../../src/microsoft365/mail-reading.ts';

const LEAST = { id: 'AAMk1', body: { contentType: 'html', content: '<p>Hi</p>' } };

describe('a mail', () => {
  test('is read when Microsoft sends the least there is', () => {
    expect(readMail(LEAST)).toEqual({
      graphMessageId: 'AAMk1',
      internetMessageId: null,
      conversationId: null,
      subject: '',
      from: null,
      replyTo: [],
      to: [],
      cc: [],
      receivedAt: null,
      sentAt: null,
      isDraft: false,
      hasAttachments: false,
      body: { contentType: 'html', content: '<p>Hi</p>' },
      uniqueBody: null,
      inReplyTo: [],
      references: [],
      headers: [],
    });
  });

  test('survives what may be odd', () => {
    const mail = readMail({
      ...LEAST,
      subject: null,
      from: { emailAddress: { name: '', address: ' Carol@Example.COM ' } },
      toRecipients: [{ emailAddress: null }, { emailAddress: { address: 'a@b.example' } }, null, 'nonsense'],
      ccRecipients: 'nonsense',
      receivedDateTime: 'yesterday',
      uniqueBody: { nothing: true },
      internetMessageHeaders: [
        { name: 'REFERENCES', value: '<a@b>\r\n\t<c@d>' },
        { name: 'references', value: '<e@f>' },
        { name: 'In-Reply-To', value: null },
      ],
    });
    expect(mail.from).toEqual({ name: null, emailAddress: 'carol@example.com' });
    expect(mail.to).toEqual([{ name: null, emailAddress: 'a@b.example' }]);
    expect(mail).toMatchObject({ subject: '', cc: [], receivedAt: null, inReplyTo: [] });
    expect(mail.references).toEqual(['<a@b>', '<c@d>', '<e@f>']);
  });

  test('from nobody is from its sender', () => {
    const sender = { emailAddress: { name: 'Robot', address: 'robot@example.com' } };
    expect(readMail({ ...LEAST, sender }).from).toEqual({ name: 'Robot', emailAddress: 'robot@example.com' });
  });

  test.each([
    ['an id', { body: LEAST.body }],
    ['a body', { id: 'AAMk1' }],
    ['anything', null],
  ])('without %s is refused', (_name, json) => {
    expect(() => readMail(json)).toThrow();
  });

  test('that is refused still tells its id', () => {
    expect(readId({ id: 'AAMk1' })).toBe('AAMk1');
    expect(readId(null)).toBeNull();
  });
});

test.each([
  ['#microsoft.graph.fileAttachment', 'FILE', 'application/octet-stream'],
  ['#microsoft.graph.itemAttachment', 'ITEM', 'message/rfc822'],
  ['#microsoft.graph.referenceAttachment', 'LINK', 'application/octet-stream'],
])('an attachment of the type %s is a %s', (type, kind, contentType) => {
  expect(readAttachment({ '@odata.type': type, id: 'a', contentId: '<logo@1>' })).toMatchObject({
    graphAttachmentId: 'a',
    kind,
    contentType,
    contentId: 'logo@1',
    name: '',
    sizeBytes: 0,
    isInline: false,
  });
});

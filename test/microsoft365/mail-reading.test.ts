import { expect, test } from 'vitest';
import { readMail } from '../../src/microsoft365/mail-reading.ts';

const SOUND = {
  id: 'AAkALg',
  subject: 'Hello',
  receivedDateTime: '2026-11-21T10:00:00Z',
  from: { emailAddress: { name: 'Carol', address: 'Carol@fabrikam.example' } },
  toRecipients: [{ emailAddress: { name: null, address: 'desk@contoso.example' } }],
  internetMessageHeaders: [{ name: 'In-Reply-To', value: '<a@b.example>' }],
  body: { contentType: 'text', content: 'Hello' },
};

test('a time of arrival from before there was mail is none: such mail counted as older than the mailbox, without a trace', () => {
  for (const receivedDateTime of ['0001-01-01T00:00:00Z', '1601-01-01T00:00:00Z', '1969-12-31T23:59:59Z']) {
    expect(readMail({ ...SOUND, receivedDateTime }).receivedAt).toBeNull();
  }
  expect(readMail(SOUND).receivedAt).toEqual(new Date('2026-11-21T10:00:00Z'));
});

test('what a mail can do without may be of any type; it does not make the mail unreadable', () => {
  const names = [
    ...[
      'internetMessageId',
      'conversationId',
      'subject',
      'from',
      'sender',
      'replyTo',
      'toRecipients',
      'ccRecipients',
    ],
    ...[
      'receivedDateTime',
      'sentDateTime',
      'isDraft',
      'hasAttachments',
      'uniqueBody',
      'internetMessageHeaders',
    ],
    '@odata.type',
  ];
  for (const name of names) {
    for (const value of [null, 7, true, 'x', [], {}, [null], [[]], { emailAddress: { address: 7 } }]) {
      expect(readMail({ ...SOUND, [name]: value }), `${name}: ${JSON.stringify(value)}`).toMatchObject({
        graphMessageId: SOUND.id,
        body: SOUND.body,
      });
    }
    const { [name]: _left, ...rest }: Record<string, unknown> = SOUND;
    expect(readMail(rest).graphMessageId).toBe(SOUND.id);
  }
});

test('one odd header or recipient does not take the others away', () => {
  const { inReplyTo, to } = readMail({
    ...SOUND,
    internetMessageHeaders: [
      7,
      { name: null, value: 'x' },
      ...SOUND.internetMessageHeaders,
      { name: 'X', value: 1 },
    ],
    toRecipients: [7, { emailAddress: { address: 7 } }, ...SOUND.toRecipients],
  });
  expect(inReplyTo).toEqual(['<a@b.example>']);
  expect(to).toEqual([{ name: null, emailAddress: 'desk@contoso.example' }]);
});

test('a mail without an id or a body is refused', () => {
  for (const odd of [{ id: '' }, { id: 7 }, { body: null }, { body: 'x' }, { body: { content: 7 } }]) {
    expect(() => readMail({ ...SOUND, ...odd })).toThrow();
  }
});

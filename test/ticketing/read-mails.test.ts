import { expect, test } from 'vitest';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { bareMail, isHeavyMail } from '../../src/ticketing/heavy-mail.ts';
import { readMail } from '../../src/ticketing/read-mail.ts';
import { readMails } from '../../src/ticketing/read-mails.ts';
import { computingOf, longestStretch } from '../support/computing.ts';
import { mail as mailLike } from './fixtures.ts';

function mailOf(parts: Partial<IncomingMail>): IncomingMail {
  return {
    graphMessageId: 'AAkALg',
    internetMessageId: '<a@fabrikam.example>',
    conversationId: 'c',
    subject: 'Re: Printer',
    from: { name: 'Carol', emailAddress: 'carol@fabrikam.example' },
    replyTo: [],
    to: [{ name: null, emailAddress: 'desk@contoso.example' }],
    cc: [],
    receivedAt: new Date('2026-11-21T10:00:00Z'),
    sentAt: new Date('2026-11-21T09:59:00Z'),
    isDraft: false,
    hasAttachments: false,
    body: { contentType: 'text', content: 'Hello' },
    uniqueBody: null,
    inReplyTo: ['<b@contoso.example>'],
    references: [],
    headers: [],
    ...parts,
  };
}

const html = (content: string): Partial<IncomingMail> => ({ body: { contentType: 'html', content } });
const text = (content: string): Partial<IncomingMail> => ({ body: { contentType: 'text', content } });
const report = [
  { name: 'Content-Type', value: 'multipart/report; report-type=delivery-status' },
  { name: 'Auto-Submitted', value: 'auto-replied' },
];

/** Two seconds of computing each, unless something stops it. */
const HOSTILE = html('<div>'.repeat(150_000));

test('a mail that takes two seconds to read holds up nobody; read at once, it does', async () => {
  const mail = mailOf(HOSTILE);
  await readMails([mailOf(html('<p>x</p>'.repeat(5_000)))]); // starts the thread
  const held = await longestStretch(() => readMails([mail]));
  const control = await longestStretch(() => void readMail(mail));
  expect(control).toBeGreaterThan(1_500);
  expect(held).toBeLessThan(200);
});

test('what a thread reads is what would have been read at once, down to the last property', async () => {
  const paragraph =
    '<p>Hello,</p><p>it burns. See <a href="https://contoso.example/x">this</a> <img src="cid:i"></p>';
  const quote =
    '<div id="divRplyFwdMsg"><b>From:</b> A<br><b>Sent:</b> Monday<br><b>To:</b> B</div><p>Old</p>';
  const heavy = [
    mailOf(html(paragraph.repeat(400) + quote.repeat(20))),
    mailOf({
      ...html(paragraph.repeat(400) + quote),
      uniqueBody: { contentType: 'html', content: paragraph },
    }),
    mailOf(
      text(
        `Hello\n\n-- \nCarol\n\nOn Mon, 2 Nov 2026, Support <a@b.example> wrote:\n${'> Really?\n'.repeat(2_000)}`,
      ),
    ),
    mailOf({
      ...text(`${'Undelivered.\n'.repeat(800)}Final-Recipient: rfc822; a@b.example\nStatus: 5.1.1\n`),
      headers: report,
    }),
    mailOf({
      to: Array.from({ length: 5_000 }, (_, i) => ({ name: `P ${i}`, emailAddress: `p${i}@b.example` })),
    }),
    mailOf({ references: Array.from({ length: 2_000 }, (_, i) => `<r${i}@b.example>`) }),
    mailOf({ subject: '\ud800\0'.repeat(40_000), receivedAt: null, sentAt: new Date(Number.NaN) }),
    mailOf({
      ...text('x'.repeat(9_000)),
      messageClass: 'IPM.Schedule.Meeting.Request',
      internetMessageId: null,
    }),
  ];
  const read = await readMails(heavy);
  for (const mail of heavy) {
    expect(isHeavyMail(mail)).toBe(true);
    expect(read.get(mail)).toEqual(readMail(mail));
  }
});

test('a mail of the usual size is read at once', () => {
  expect(isHeavyMail(mailOf({}))).toBe(false);
  expect(isHeavyMail(mailOf(html('<p>Hello</p>'.repeat(1_000))))).toBe(false);
});

test('a poisonous mail is told apart in a thread as well', async () => {
  const poison = mailOf({
    ...text('x'.repeat(9_000)),
    from: 7 as unknown as IncomingMail['from'],
    to: null as unknown as [],
  });
  const read = (await readMails([poison])).get(poison);
  expect(read && 'error' in read && read.error).toBeInstanceOf(Error);
});

test('one that is not even a mail stops no page', async () => {
  const poison = mailOf({ to: null as unknown as [] });
  const good = mailOf({});
  const read = await readMails([poison, good]);
  expect(read.get(poison)).toHaveProperty('error');
  expect(read.get(good)).toHaveProperty('prepared');
});

test('a mail that cannot be read in a thread is kept as its beginning, and counts as shortened, its files unknown', async () => {
  // What no thread takes: nothing that Microsoft sends.
  const odd = { ...mailOf(text('x'.repeat(9_000))), odd: () => undefined };
  const read = (await readMails([odd])).get(odd);
  expect(read).toMatchObject({
    prepared: { bodies: { isShortened: true, html: null }, mayHaveAttachments: true },
  });
  expect(read && 'prepared' in read && read.prepared.bodies.text).toMatch(
    /^x{4000}\n\n\[This message could not/,
  );
});

test('a long report is read in a thread, as a long body is', () => {
  expect(isHeavyMail(mailOf({ report: '\n'.repeat(100_000) }))).toBe(true);
  expect(bareMail(mailOf({ report: 'x'.repeat(200_000) })).report?.length).toBeLessThan(50_000);
});

test('lines of dashes, as many as a mail may have, take no minutes', () => {
  const mail = mailOf(text('-- \n'.repeat(125_000)));
  expect(computingOf(() => readMail(mail))).toBeLessThan(5_000);
});

test('while a page is read, everybody else has their turn between two mails', async () => {
  const mails = Array.from({ length: 5 }, () => mailLike({}));
  let turns = 0;
  let isReading = true;
  const others = (async () => {
    while (isReading) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
  })();
  const read = await readMails(mails);
  isReading = false;
  await others;
  expect(turns).toBeGreaterThanOrEqual(mails.length);
  expect([...read.keys()]).toEqual(mails);
});

test('reading a page ends with the signal', async () => {
  const mails = Array.from({ length: 5 }, () => mailLike({}));
  await expect(readMails(mails, AbortSignal.abort(new Error('the process stops')))).rejects.toThrow(
    'the process stops',
  );
});

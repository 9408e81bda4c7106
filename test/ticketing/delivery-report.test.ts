import { expect, test } from 'vitest';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { readDeliveryReport } from '../../src/ticketing/delivery-report.ts';
import { prepareMail } from '../../src/ticketing/prepare-mail.ts';
import { computingOf } from '../support/computing.ts';

const report = (...parts: string[]) =>
  [
    'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="b"',
    '',
    'For old programs.',
    ...parts.flatMap((part) => ['--b', part]),
    '--b--',
    '',
  ].join('\r\n');
const STATUS = `Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example\r
\r
Final-Recipient: rfc822; reached@x.example\r
Action: relayed\r
\r
Final-Recipient: rfc822; lost@x.example\r
Action: failed\r
Diagnostic-Code: smtp; 550 5.1.1 no such\r
 person\r
`;
const RETURNED = `Content-Type: message/rfc822\r
\r
Message-ID:\r
 <sent@x.example>\r
\r
Message-ID: <quoted-in-its-body@x.example>\r
`;

test('of several recipients the one that failed is told, its lines unfolded, and which mail it is about', () => {
  expect(readDeliveryReport(report('\r\nHello', STATUS, RETURNED))).toEqual({
    fields:
      'Final-Recipient: rfc822; lost@x.example\nAction: failed\nDiagnostic-Code: smtp; 550 5.1.1 no such person',
    originalIds: ['<sent@x.example>'],
    isSuccess: false,
  });
});

test('what is cut off, has no boundary or is no report at all says nothing, and is read in no time', () => {
  const nothing = { fields: '', originalIds: [], isSuccess: false };
  expect(readDeliveryReport('')).toEqual(nothing);
  expect(readDeliveryReport('Content-Type: multipart/report\r\n\r\n--b\r\n')).toEqual(nothing);
  expect(readDeliveryReport(report())).toEqual(nothing);
  const milliseconds = computingOf(() => {
    for (const text of ['\n', '\n ', '\n--b', '= ', 'boundary ', '\n \n']) {
      readDeliveryReport(report(`Content-Type: message/delivery-status\n\n${text.repeat(60_000)}`));
    }
  });
  expect(milliseconds).toBeLessThan(3_000);
});

test('a report that says that all went well is known as one, and one that also tells of a failure is not', () => {
  const delivered = STATUS.replace('Action: failed', 'Action: delivered');
  expect(readDeliveryReport(report('\r\nHello', delivered)).isSuccess).toBe(true);
  expect(readDeliveryReport(report('\r\nHello', STATUS)).isSuccess).toBe(false);
  expect(readDeliveryReport(report('\r\nHello')).isSuccess).toBe(false);
});

test('a report of success in whatever language is no bounce: nothing that arrived is marked as lost', () => {
  const source = report(
    '\r\nBericht',
    STATUS.replace('Action: failed', 'Action: delivered').replace(/^Diagnostic.*\r\n person\r\n/m, ''),
    RETURNED,
  );
  const mail: IncomingMail = {
    graphMessageId: 'graph-1',
    internetMessageId: '<report@x.example>',
    conversationId: null,
    subject: 'Zustellbestätigung',
    from: { name: null, emailAddress: 'mailer-daemon@x.example' },
    replyTo: [],
    to: [],
    cc: [],
    receivedAt: null,
    sentAt: null,
    isDraft: false,
    hasAttachments: false,
    body: { contentType: 'text', content: 'Ihre Nachricht wurde zugestellt.' },
    uniqueBody: null,
    inReplyTo: [],
    references: [],
    headers: [{ name: 'Content-Type', value: 'multipart/report; report-type=delivery-status; boundary="b"' }],
  };
  const { machine, bounce } = prepareMail({ ...mail, report: source });
  expect([machine.kind, bounce]).toEqual(['READ_RECEIPT', null]);
  expect(prepareMail({ ...mail, report: report('\r\nBericht', STATUS, RETURNED) }).bounce?.action).toBe(
    'FAILED',
  );
});

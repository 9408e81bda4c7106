import { describe, expect, test } from 'vitest';
import {
  type AutomaticKind,
  classifyMachineMail,
  type MachineMail,
  OWN_MAIL_HEADER,
  withOwnSenders,
} from '../../src/ticketing/machine-mail.ts';
import { computingOf } from '../support/computing.ts';
import { MACHINE_MAILS, machineMail } from './machine-mails.ts';

const EXPECTED: Record<string, AutomaticKind | 'NONE'> = {
  'exchange-out-of-office': 'OUT_OF_OFFICE',
  'exchange-out-of-office-german': 'OUT_OF_OFFICE',
  'exchange-rule-reply': 'AUTO_REPLY',
  'exchange-rule-forward': 'AUTO_GENERATED',
  'redirected-by-rule': 'NONE',
  'gmail-vacation': 'AUTO_REPLY',
  'old-autoresponder': 'AUTO_REPLY',
  'postfix-bounce': 'BOUNCE',
  'exchange-ndr-english': 'BOUNCE',
  'exchange-ndr-german': 'BOUNCE',
  'exim-bounce': 'BOUNCE',
  delayed: 'BOUNCE',
  'delivery-receipt': 'READ_RECEIPT',
  'read-receipt': 'READ_RECEIPT',
  'meeting-accepted': 'CALENDAR_RESPONSE',
  'github-notification': 'LIST_MAIL',
  'mailchimp-newsletter': 'LIST_MAIL',
  'jira-notification': 'AUTO_GENERATED',
  'monitoring-alert': 'AUTO_GENERATED',
  'cron-mail': 'AUTO_GENERATED',
  person: 'NONE',
  'person-at-postmaster': 'NONE',
  'person-answering-absence': 'NONE',
};

const us = { organizationId: 'our-organization', addresses: new Set(['support@contoso.example']) };
const plain: MachineMail = {
  headers: [],
  senderAddress: 'carla@customer.example',
  subject: 'Help',
  messageClass: null,
};
const withHeader = (name: string, value: string) =>
  classifyMachineMail({ ...plain, headers: [{ name, value }] });

test('every real mail of the collection has an expected kind', () => {
  expect(MACHINE_MAILS.toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
});

test.each(Object.entries(EXPECTED))('%s is %s', (name, kind) => {
  const finding = classifyMachineMail(machineMail(name));
  expect(finding).toMatchObject({ kind, sentBy: null });
  expect(finding.evidence === '').toBe(kind === 'NONE');
});

test.each([
  ['REPORT.IPM.Note.NDR', 'BOUNCE'],
  ['REPORT.IPM.Note.SMIME.NDR', 'BOUNCE'],
  ['report.ipm.note.delayed', 'BOUNCE'],
  ['REPORT.IPM.Note.DR', 'READ_RECEIPT'],
  ['REPORT.IPM.Note.IPNRN', 'READ_RECEIPT'],
  ['REPORT.IPM.Note.IPNNRN', 'READ_RECEIPT'],
  ['IPM.Note.Rules.OofTemplate.Microsoft', 'OUT_OF_OFFICE'],
  ['IPM.Note.Rules.ReplyTemplate.Microsoft', 'AUTO_REPLY'],
  ['IPM.Schedule.Meeting.Resp.Tent', 'CALENDAR_RESPONSE'],
  ['IPM.Schedule.Meeting.Request', 'NONE'],
  ['IPM.Note', 'NONE'],
  ['IPM.Note.SMIME', 'NONE'],
])('the message class %s says %s', (messageClass, kind) => {
  expect(classifyMachineMail({ ...plain, messageClass }).kind).toBe(kind);
});

test.each([
  ['Auto-Submitted', 'auto-replied (vacation)', 'AUTO_REPLY'],
  ['AUTO-SUBMITTED', 'auto-replied; owner-email="a@b.example"', 'AUTO_REPLY'],
  ['Auto-Submitted', 'auto-notified; owner-email="a@b.example"', 'AUTO_GENERATED'],
  ['Auto-Submitted', ' NO ', 'NONE'],
  ['Auto-Submitted', '', 'NONE'],
  ['X-Autoreply', 'yes', 'AUTO_REPLY'],
  ['X-Autoreply', 'no', 'NONE'],
  ['Delivered-To', 'Autoresponder', 'AUTO_REPLY'],
  ['Delivered-To', 'support@contoso.example', 'NONE'],
  ['X-Auto-Response-Suppress', 'DR, RN, NRN, OOF, AutoReply', 'AUTO_GENERATED'],
  ['X-Auto-Response-Suppress', 'None', 'NONE'],
  ['Precedence', 'first-class', 'NONE'],
  ['Precedence', 'junk', 'AUTO_GENERATED'],
  ['Return-Path', '<>', 'AUTO_GENERATED'],
  ['Return-Path', '<carla@customer.example>', 'NONE'],
  ['Content-Type', 'multipart/report; report-type="feedback-report"', 'NONE'],
])('the header "%s: %s" says %s', (name, value, kind) => {
  expect(withHeader(name, value).kind).toBe(kind);
});

describe('a subject that robots write', () => {
  const answering = [{ name: 'In-Reply-To', value: '<x@y.example>' }];
  const automatic = [{ name: 'Auto-Submitted', value: 'auto-generated' }];
  const found = (subject: string, headers: MachineMail['headers']) => {
    const { kind, isGuess = false } = classifyMachineMail({ ...plain, subject, headers });
    return isGuess ? `perhaps ${kind}` : kind;
  };

  test.each([
    ['Automatic reply: Help', [...answering, ...automatic], 'OUT_OF_OFFICE'],
    ['Automatic reply: Help', automatic, 'perhaps OUT_OF_OFFICE'],
    ['Automatic reply: Help', answering, 'perhaps OUT_OF_OFFICE'],
    ['Automatic reply: Help', [], 'NONE'],
    ['Absence du bureau : Help', [...answering, ...automatic], 'OUT_OF_OFFICE'],
    ['Absence: leave request of Anna', [...answering, ...automatic], 'perhaps OUT_OF_OFFICE'],
    ['Absence: leave request of Anna', automatic, 'AUTO_GENERATED'],
    ['Abwesenheit: Antrag', answering, 'NONE'],
    ['Auto: Schadenmeldung 4711', [{ name: 'Precedence', value: 'bulk' }], 'AUTO_GENERATED'],
    ['Auto: Schadenmeldung 4711', [], 'NONE'],
  ])('%s with %j is %s', (subject, headers, kind) => {
    expect(found(subject, headers)).toBe(kind);
  });
});

describe('our own mail', () => {
  test('is known by the header that Deskgraph sends, whatever else it looks like', () => {
    const sent = classifyMachineMail({
      ...machineMail('exchange-out-of-office'),
      headers: [{ name: OWN_MAIL_HEADER.toLowerCase(), value: ' our-organization ' }],
    });
    expect(withOwnSenders(sent, 'x@y.example', us)).toMatchObject({ kind: 'OWN_MAIL' });
  });

  test('is not what another Deskgraph sends us', () => {
    const other = withHeader(OWN_MAIL_HEADER, 'another-organization');
    expect(withOwnSenders(other, 'desk@other.example', us).kind).toBe('NONE');
  });

  test('is what one of our mailboxes wrote, unless a robot answered from there', () => {
    const from = (finding: ReturnType<typeof classifyMachineMail>) =>
      withOwnSenders(finding, 'support@contoso.example', us).kind;
    expect(from(classifyMachineMail(plain))).toBe('OWN_MAIL');
    expect(from(withHeader('List-Id', '<all.contoso.example>'))).toBe('OWN_MAIL');
    expect(from(classifyMachineMail(machineMail('gmail-vacation')))).toBe('AUTO_REPLY');
    // A robot that writes from there is no person, and nor is another Deskgraph that has the mailbox as well.
    expect(from(withHeader('X-Auto-Response-Suppress', 'All'))).toBe('AUTO_GENERATED');
    expect(from(withHeader(OWN_MAIL_HEADER, 'another-organization'))).toBe('AUTO_GENERATED');
    expect(withOwnSenders(classifyMachineMail(plain), null, us).kind).toBe('NONE');
  });
});

test('hostile headers neither throw nor take long', () => {
  const value = `multipart/report; ${'report-type '.repeat(100_000)}`;
  const headers = Array.from({ length: 500 }, () => ({ name: 'Content-Type', value }));
  const mail = { ...plain, headers, subject: 'auto '.repeat(200) };
  const milliseconds = computingOf(() => expect(classifyMachineMail(mail).kind).toBe('NONE'));
  expect(milliseconds).toBeLessThan(500);
});

import { describe, expect, test } from 'vitest';
import { prepareBodies } from '../../src/ticketing/bodies.ts';
import { bouncedMessageIds, parseBounce } from '../../src/ticketing/bounce.ts';
import { computingOf } from '../support/computing.ts';
import { machineMail, machineMailSource } from './machine-mails.ts';

const TO = [{ name: 'Support', emailAddress: 'support@contoso.example' }];

/** The body as Microsoft gives it: the first part of a report. */
function textOf(name: string): string {
  const source = machineMailSource(name).replaceAll('\r\n', '\n');
  const html = /<html>[\s\S]*<\/html>/.exec(source)?.[0];
  if (html !== undefined) return prepareBodies({ contentType: 'html', content: html }, null).text;
  const part = /\nContent-Type: text\/plain[^\n]*\n\n([\s\S]*?)(?:\n--[^-]|$)/.exec(source)?.[1];
  return part ?? source.slice(source.indexOf('\n\n'));
}

const parsed = (name: string) => parseBounce({ ...machineMail(name), text: textOf(name), to: TO });

describe('a report is read', () => {
  test.each([
    [
      'postfix-bounce',
      'FAILED',
      'nobody@fabrikam.example',
      '5.1.1',
      /^The address does not exist: 550 5\.1\.1 .*User unknown/,
    ],
    [
      'exchange-ndr-english',
      'FAILED',
      'nobody@fabrikam.example',
      '5.1.10',
      /^The address does not exist: .*RecipientNotFound/,
    ],
    [
      'exchange-ndr-german',
      'FAILED',
      'voll@fabrikam.example',
      '5.2.2',
      /^The mailbox is full: 554 5\.2\.2 mailbox full/,
    ],
    [
      'exim-bounce',
      'FAILED',
      'nobody@hoster.example',
      null,
      /^all relevant MX records point to non-existent hosts/,
    ],
    [
      'delayed',
      'DELAYED',
      'slow@fabrikam.example',
      '4.4.1',
      /^The mail server of the recipient does not answer/,
    ],
  ])('%s', (name, action, recipient, status, reason) => {
    expect(parsed(name)).toEqual({ action, recipient, status, reason: expect.stringMatching(reason) });
  });

  test('by the fields of RFC 3464 first, when the text has them', () => {
    const text =
      'Sorry, 500 4.0.0 nonsense\n\nFinal-Recipient: rfc822; <Nobody@X.example>\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 Relaying denied for you\n';
    expect(parseBounce({ headers: [], subject: 'x', text, to: TO })).toEqual({
      action: 'FAILED',
      recipient: 'nobody@x.example',
      status: '5.7.1',
      reason: 'The recipient does not accept mail from this sender: 550 5.7.1 Relaying denied for you',
    });
  });

  test('and an empty or hostile one says that it does not say', () => {
    const nothing = {
      action: 'FAILED',
      recipient: null,
      status: null,
      reason: 'The report does not say why.',
    };
    expect(parseBounce({ headers: [], subject: '', text: '', to: [] })).toEqual(nothing);
    const milliseconds = computingOf(() => {
      for (const text of [
        'a@'.repeat(200_000),
        '550 '.repeat(100_000),
        ' \t'.repeat(100_000),
        'error '.repeat(80_000),
      ]) {
        parseBounce({ headers: [], subject: '', text, to: [] });
        bouncedMessageIds(text);
      }
    });
    expect(milliseconds).toBeLessThan(2_000);
  });
});

test('the mail that bounced is named by the headers that a report quotes', () => {
  for (const name of ['exchange-ndr-english', 'exchange-ndr-german', 'exim-bounce']) {
    expect(bouncedMessageIds(textOf(name))).toEqual(['<original-1@contoso.example>']);
  }
  expect(
    bouncedMessageIds('> Message-Id: <quoted@x>\nOriginal-Message-ID: <b@y>\nnot message-id: <c@z>'),
  ).toEqual(['<quoted@x>', '<b@y>']);
});

test('no text keeps the reader busy: white space over many lines is read in no time', () => {
  const milliseconds = computingOf(() => {
    for (const unit of ['\n', '\r', ' \n', '>\n', '\u2028', 'Status:\n', '450 4.4.4\n ', 'a@b ']) {
      const text = `x${unit.repeat(50_000 / unit.length)}x`;
      parseBounce({ headers: [], subject: 'Undeliverable', text, to: TO });
      bouncedMessageIds(text);
    }
  });
  expect(milliseconds).toBeLessThan(3_000);
});

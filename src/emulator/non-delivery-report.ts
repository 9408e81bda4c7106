import { randomUUID } from 'node:crypto';
import { blankMail, type MailContent } from './mail-content.ts';
import type { MailAddress } from './mailbox.ts';

/** Why a mail did not reach somebody. */
export interface DeliveryFailure {
  recipient: string;
  /** Of RFC 3463; one with 4 is a delay. */
  status: string;
  /** The words of the server that refused it. */
  diagnostic: string;
}

/** Exchange sends its reports from this name at every tenant. */
const POSTMASTER = 'MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e';
const GENERATING_SERVER = 'AM0PR01MB0001.eurprd01.prod.outlook.example';
/** Exchange returns no more of the headers. */
const MOST_RETURNED_CHARACTERS = 50_000;

/** Words for people, as Exchange begins them. */
const REASONS: Readonly<Record<string, string>> = {
  '5.1.8': "wasn't recognized as a valid sender",
  '5.1.10': "wasn't found at",
  '5.1.90': 'The daily limit for message recipients is reached',
  '5.2.2': "The recipient's mailbox is full and can't accept messages now.",
};

/**
 * The report that Exchange puts into the sender's Inbox (RFC 3464): text for people, `message/delivery-status`, and the
 * headers of the mail that did not arrive.
 */
export function nonDeliveryReport(
  mail: MailContent,
  sender: MailAddress,
  { recipient, status, diagnostic }: DeliveryFailure,
  now: number,
): MailContent {
  const domain = sender.address.slice(sender.address.lastIndexOf('@') + 1);
  const postmaster = { name: 'Microsoft Outlook', address: `${POSTMASTER}@${domain}` };
  const isDelay = status.startsWith('4.');
  const blank = blankMail(now);
  const subject = `${isDelay ? 'Delivery delayed' : 'Undeliverable'}: ${mail.subject}`;
  const returned = mail.headers
    .map(({ name, value }) => `${name ?? ''}: ${(value ?? '').replaceAll(/[\r\n]+/g, ' ')}`)
    .join('\r\n')
    .slice(0, MOST_RETURNED_CHARACTERS);
  const words = wordsFor(recipient, status, isDelay);
  const html = htmlFor(words, recipient, diagnostic, returned);
  const boundary = randomUUID();
  const headers = [
    ['From', `${postmaster.name} <${postmaster.address}>`],
    ['To', sender.address],
    ['Subject', subject],
    ['Date', new Date(now).toUTCString().replace('GMT', '+0000')],
    ['Message-ID', blank.internetMessageId],
    ['In-Reply-To', mail.internetMessageId],
    ['References', mail.internetMessageId],
    ['Return-Path', '<>'],
    ['Auto-Submitted', 'auto-replied'],
    ['X-MS-Exchange-Message-Is-Ndr', ''],
    ['X-Auto-Response-Suppress', 'DR, OOF, AutoReply'],
    ['MIME-Version', '1.0'],
    ['Content-Type', `multipart/report; report-type=delivery-status; boundary="${boundary}"`],
  ].map(([name = '', value = '']) => ({ name, value }));
  const statusFields = [
    `Reporting-MTA: dns; ${GENERATING_SERVER}`,
    `Arrival-Date: ${new Date(mail.sentAt).toUTCString().replace('GMT', '+0000')}`,
    '',
    `Final-Recipient: rfc822; ${recipient}`,
    `Action: ${isDelay ? 'delayed' : 'failed'}`,
    `Status: ${status}`,
    `Diagnostic-Code: smtp; ${diagnostic}`,
    `X-Display-Name: ${recipient}`,
    '',
  ].join('\r\n');
  const part = (type: string, content: string) =>
    `--${boundary}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${content}\r\n`;
  const source = [
    ...headers.map(({ name, value }) => `${name}: ${encodedWord(value)}`),
    '',
    `${part('text/html; charset=utf-8', html)}${part('message/delivery-status', statusFields)}${part('message/rfc822', `${returned}\r\n\r\n`)}--${boundary}--`,
    '',
  ].join('\r\n');
  return {
    ...blank,
    subject,
    from: postmaster,
    sender: postmaster,
    to: [sender],
    headers,
    body: { contentType: 'html', content: html },
    source: Buffer.from(source),
    extendedProperties: new Map([['String 0x001A', 'REPORT.IPM.Note.NDR']]),
  };
}

function wordsFor(recipient: string, status: string, isDelay: boolean): string {
  const [local = '', domain = ''] = recipient.split('@');
  if (isDelay) return `Your message to ${recipient} is delayed; there is nothing to do yet.`;
  if (status === '5.1.10') return `${local} ${REASONS[status] ?? ''} ${domain}.`;
  return REASONS[status] ?? 'The message was refused.';
}

function htmlFor(words: string, recipient: string, diagnostic: string, returned: string): string {
  return [
    `<html><body><p>Your message to ${escaped(recipient)} couldn't be delivered.</p>`,
    `<p>${escaped(words)}</p>`,
    '<p><b>Diagnostic information for administrators:</b></p>',
    `<p>Generating server: ${GENERATING_SERVER}</p>`,
    `<p>${escaped(recipient)}<br>Remote server returned '${escaped(diagnostic)}'</p>`,
    '<p>Original message headers:</p>',
    `<pre>${escaped(returned)}</pre></body></html>`,
  ].join('\r\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** RFC 2047, for a header that is not plain ASCII. */
function encodedWord(value: string): string {
  if (/^[\t -~]*$/.test(value)) return value;
  return `=?utf-8?B?${Buffer.from(value).toString('base64')}?=`;
}

import type { MailAddress } from '../microsoft365/mail.ts';
import { messageIdsIn } from './message-id.ts';

/** Whether delivery failed for good or is still being tried. */
export const BOUNCE_ACTIONS = ['FAILED', 'DELAYED'] as const;
export type BounceAction = (typeof BOUNCE_ACTIONS)[number];

/** What a report says about a mail that could not be delivered. */
export interface Bounce {
  action: BounceAction;
  /** Who did not get it, in lower case; null when the report does not say. */
  recipient: string | null;
  /** The enhanced status code of RFC 3463, such as `5.1.1`; null when the report does not say. */
  status: string | null;
  /** Why, in words. */
  reason: string;
}

/** What of a report is read. */
export interface BounceReport {
  headers: readonly { name: string; value: string }[];
  subject: string;
  /** The fields of the recipient, where there are some (see delivery-report.ts), and the body as plain text. */
  text: string;
  /** Whom the report was sent to: the sender of the mail that bounced. */
  to: readonly MailAddress[];
}

/** Reports are short; what is longer quotes the mail that bounced. */
const MAX_TEXT_LENGTH = 50_000;
const MAX_REASON_LENGTH = 300;

/**
 * Reads a non-delivery report: RFC 3464's fields where the text has them, else what Exchange, Postfix, Exim and their like
 * write into the text. Never throws; what a report does not say is null, and `reason` is then told by the status code.
 */
export function parseBounce({ headers, subject, text, to }: BounceReport): Bounce {
  const body = text.slice(0, MAX_TEXT_LENGTH);
  const status = statusIn(body);
  const action = /^[ \t]*action:[ \t]*(failed|delayed)\b/im.exec(body)?.[1]?.toLowerCase();
  // What was tried for days and then given up has `failed` beside a status that calls it temporary.
  const isDelayed =
    action === undefined
      ? status?.startsWith('4.') === true ||
        /^\s*(delayed|verzögert|warning:.*delayed|delivery (status notification )?\(?delay)/iu.test(subject)
      : action === 'delayed';
  return {
    action: isDelayed ? 'DELAYED' : 'FAILED',
    recipient: recipientIn(headers, body, to),
    status,
    reason: reasonIn(body, status),
  };
}

/**
 * The Message-IDs of the mail that bounced, as the text of the report quotes them: Exchange shows the original's headers,
 * others return them. `In-Reply-To` and `References` come first and are the caller's.
 */
export function bouncedMessageIds(text: string): string[] {
  const quoted = text
    .slice(0, MAX_TEXT_LENGTH)
    .matchAll(/^[ \t>]*(?:original-|x-original-)?message-id:[ \t]*\n?[ \t]*(<[^<>\s]{1,998}>)/gim);
  return messageIdsIn([...quoted].slice(0, 5).map(([, id = '']) => id));
}

/** `Status:` of RFC 3464 before a status in an SMTP answer (`550 5.1.1`), before one that stands by itself. */
function statusIn(body: string): string | null {
  return (
    /^[ \t]*status:[ \t]*([245]\.\d{1,3}\.\d{1,3})\b/im.exec(body)?.[1] ??
    /\b[245]\d\d[ -]#?([245]\.\d{1,3}\.\d{1,3})\b/.exec(body)?.[1] ??
    /[(#]([245]\.\d{1,3}\.\d{1,3})[)\s]/.exec(body)?.[1] ??
    null
  );
}

const ADDRESS = '[^\\s<>()\\[\\]",;:]{1,64}@[^\\s<>()\\[\\]",;:]{1,255}';
const FINAL_RECIPIENT = new RegExp(
  `^[ \\t]*(?:final|original)-recipient:[ \\t]*(?:rfc822|utf-8);[ \\t]*<?(${ADDRESS})>?`,
  'im',
);
/** Postfix and qmail begin a line with it, Exim stands it alone in one. */
const LISTED = new RegExp(`^[ \\t]{0,4}<?(${ADDRESS})>?(?::[ \\t]|:?[ \\t]*$)`, 'm');
/** Exim says why in the line below the address. */
const SAID_BELOW = new RegExp(`^[ \\t]{1,4}${ADDRESS}[ \\t]*\\n[ \\t]{3,10}(\\S[^\\n]*)`, 'm');
const FIRST = new RegExp(`(${ADDRESS})`, 'g');

function recipientIn(
  headers: BounceReport['headers'],
  body: string,
  to: readonly MailAddress[],
): string | null {
  const failed = headers
    .find(({ name }) => name.toLowerCase() === 'x-failed-recipients')
    ?.value.split(',')[0];
  if (failed?.includes('@')) return clean(failed);
  const field = FINAL_RECIPIENT.exec(body)?.[1] ?? LISTED.exec(body)?.[1];
  if (field !== undefined) return clean(field);
  const senders = new Set(to.map(({ emailAddress }) => emailAddress.toLowerCase()));
  for (const [, address = ''] of body.matchAll(FIRST)) {
    const candidate = clean(address);
    // The report also names its own addresses; a Message-ID looks like one, but stands in brackets after its header.
    if (!senders.has(candidate) && /^[^@]+@[a-z0-9.-]+\.[a-z]{2,}$/.test(candidate)) return candidate;
  }
  return null;
}

function clean(address: string): string {
  return address
    .trim()
    .replace(/[.'’»]+$/, '')
    .toLowerCase()
    .slice(0, 320);
}

/** The server's own words where there are some, else what the status code means. */
function reasonIn(body: string, status: string | null): string {
  const said =
    /^[ \t]*diagnostic-code:[ \t]*(?:smtp|x-[\w-]{1,60})[ \t]*;[ \t]*(.+)$/im.exec(body)?.[1] ??
    /^[ \t]*(?:error|fehler|erreur|remote server returned|der remoteserver hat)\b[^:\n]{0,40}:?\s*['"]?(.*\b[45]\.\d{1,3}\.\d{1,3}.*)$/imu.exec(
      body,
    )?.[1] ??
    /\b([45]\d\d[ -]#?[45]\.\d{1,3}\.\d{1,3}[^\n]*(?:\n[ \t]+\S[^\n]*)*)/.exec(body)?.[1] ??
    SAID_BELOW.exec(body)?.[1];
  const words = said?.replaceAll(/\s+/g, ' ').trim() ?? '';
  const meaning = status === null ? null : meaningOf(status);
  if (words.length > 14) {
    const cut = words.length > MAX_REASON_LENGTH ? `${words.slice(0, MAX_REASON_LENGTH)}…` : words;
    return meaning === null ? cut : `${meaning}: ${cut}`;
  }
  return meaning ?? 'The report does not say why.';
}

/** RFC 3463, 3; what Exchange means by them where that is more. */
const MEANINGS: readonly (readonly [string, string])[] = [
  ['1.1', 'The address does not exist'],
  ['1.2', 'The domain of the address does not exist'],
  ['1.10', 'The address does not exist'],
  ['1.3', 'The address is not valid'],
  ['1.', 'The address was refused'],
  ['2.1', 'The mailbox is switched off'],
  ['2.2', 'The mailbox is full'],
  ['2.3', 'The message is too large for the mailbox'],
  ['2.', 'The mailbox could not take the message'],
  ['3.4', 'The message is too large'],
  ['3.', 'The mail system of the recipient could not take the message'],
  ['4.1', 'The mail server of the recipient does not answer'],
  ['4.4', 'There is no way to the mail server of the recipient'],
  ['4.6', 'The message went round in a loop'],
  ['4.7', 'Delivery was tried for too long'],
  ['4.', 'The mail server of the recipient could not be reached'],
  ['5.', 'The mail servers did not understand each other'],
  ['6.', 'The recipient cannot take this kind of content'],
  ['7.1', 'The recipient does not accept mail from this sender'],
  ['7.', 'It was refused for reasons of security or policy'],
];

function meaningOf(status: string): string | null {
  const detail = status.slice(2);
  return (
    MEANINGS.find(([code]) => (code.endsWith('.') ? detail.startsWith(code) : detail === code))?.[1] ?? null
  );
}

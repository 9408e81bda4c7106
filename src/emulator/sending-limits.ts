import { GraphFault } from './graph-fault.ts';
import type { MailContent } from './mail-content.ts';
import type { SendingRules } from './sending-rules.ts';
import type { SendingState, SendingUsage } from './sending-state.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** What Exchange does with a mail that is to be sent. */
export type Admission =
  | { is: 'TAKEN'; startAt: number }
  | { is: 'BOUNCED'; status: string; diagnostic: string };

/**
 * Counts a mail against the limits of its mailbox: it leaves now, or when the minute allows, or comes back.
 * Throws 403 `ErrorAccountSuspend`, 413 `ErrorMessageSizeExceeded`, 429 `ErrorExceededMessageLimit`, 507 `ErrorQuotaExceeded`.
 */
export function admitMail(
  sending: SendingState,
  ownerId: string,
  rules: SendingRules,
  mail: MailContent,
  now: number,
): Admission {
  assertRoom(rules, mail);
  if (rules.blocked === 'REFUSED') {
    throw new GraphFault(403, 'ErrorAccountSuspend', 'The account is suspended and cannot send mail.');
  }
  if (rules.blocked === 'BOUNCED') {
    return { is: 'BOUNCED', status: '5.1.8', diagnostic: '550 5.1.8 Access denied, bad outbound sender' };
  }
  const usage = usageOf(sending, ownerId, now);
  const count = mail.to.length + mail.cc.length + mail.bcc.length;
  const today = usage.recipients.reduce((sum, one) => sum + one.count, 0);
  if (today + count > rules.recipientsPerDay) {
    const freeAt = (usage.recipients[0]?.at ?? now) + DAY_MS;
    if (rules.overLimit === 'REFUSE') throw overLimit(freeAt - now);
    return {
      is: 'BOUNCED',
      status: '5.1.90',
      diagnostic:
        "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    };
  }
  const before = usage.startedAt.at(-rules.messagesPerMinute);
  const startAt = before === undefined ? now : Math.max(now, before + MINUTE_MS);
  if (startAt > now && rules.overLimit === 'REFUSE') throw overLimit(startAt - now);
  usage.startedAt.push(startAt);
  usage.recipients.push({ at: now, count });
  return { is: 'TAKEN', startAt };
}

/** What a mailbox has used of its limits. */
export function usedOf(sending: SendingState, ownerId: string, now: number) {
  const { startedAt, recipients } = usageOf(sending, ownerId, now);
  return {
    messagesInLastMinute: startedAt.filter((at) => at > now - MINUTE_MS && at <= now).length,
    recipientsInLastDay: recipients.reduce((sum, one) => sum + one.count, 0),
  };
}

/** Throws 413 when a mail is larger than its mailbox sends, 507 when there is no room for it. */
export function assertRoom(
  rules: SendingRules,
  mail: Pick<MailContent, 'body' | 'attachments'>,
  more = 0,
): void {
  if (rules.isFull) {
    throw new GraphFault(507, 'ErrorQuotaExceeded', 'The mailbox has exceeded its storage quota.');
  }
  const bytes = mail.attachments.reduce((sum, { content }) => sum + content.length, more);
  if (bytes + Buffer.byteLength(mail.body.content ?? '') > rules.maxMessageBytes) {
    throw new GraphFault(413, 'ErrorMessageSizeExceeded', 'The message exceeds the maximum supported size.');
  }
}

function usageOf(sending: SendingState, ownerId: string, now: number): SendingUsage {
  const usage = sending.usage.get(ownerId) ?? { startedAt: [], recipients: [] };
  sending.usage.set(ownerId, usage);
  const current = usage.startedAt.findIndex((at) => at > now - MINUTE_MS);
  usage.startedAt.splice(0, current === -1 ? usage.startedAt.length : current);
  const recent = usage.recipients.findIndex(({ at }) => at > now - DAY_MS);
  usage.recipients.splice(0, recent === -1 ? usage.recipients.length : recent);
  return usage;
}

function overLimit(waitMs: number): GraphFault {
  return new GraphFault(
    429,
    'ErrorExceededMessageLimit',
    'The message cannot be sent: the mailbox has exceeded its limit of messages.',
    { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  );
}

import type { Problem } from '../platform/problem.ts';

export const DRAFT_DELETED = 'DRAFT_DELETED';
export const SEND_UNCLEAR = 'SEND_UNCLEAR';
/** Of a mail that counts as sent, and not for certain. */
export const SEND_NOT_CONFIRMED = 'SEND_NOT_CONFIRMED';
/** As Microsoft's own limits are named when it is Microsoft that keeps them. */
export const SENDING_LIMIT = 'SENDING_LIMIT_REACHED';

/** Why a mail waits that has not failed. */
export type WaitingCode = typeof DRAFT_DELETED | typeof SEND_UNCLEAR | typeof SENDING_LIMIT;

/** What is said of a mail, and what to do. */
export const OUTBOUND_WORDS: Record<
  WaitingCode | typeof SEND_NOT_CONFIRMED,
  readonly [message: string, remedy: string]
> = {
  [DRAFT_DELETED]: [
    'The draft of the mail is not in the mailbox any more: somebody has deleted it, or sent it by hand.',
    'Nothing to do: after a moment it is looked for in Sent Items, and written anew if it is not there. Use cancelOutboundMessage if it shall not be sent.',
  ],
  [SEND_UNCLEAR]: [
    'Microsoft 365 was told to send the mail and gave no answer; the draft still lies in the mailbox.',
    'Nothing to do: it is looked at again, and sent if it has not left Drafts by then.',
  ],
  [SEND_NOT_CONFIRMED]: [
    'Microsoft 365 was told to send the mail and gave no answer. The draft has left Drafts since, and no copy of the mail is to be seen: whether it was sent is not certain.',
    'Wait for some minutes: this goes away when the copy is found. If it stays, ask the recipient, or let an administrator look for the Message-ID in the message trace of the Exchange admin center; if it did not go out, write it again. It is not sent again by itself, so that nobody gets it twice.',
  ],
  [SENDING_LIMIT]: [
    'The mailbox has sent as much as Exchange Online allows for now.',
    'Nothing to do: it is sent as soon as the limit allows it. See Mailbox.outgoing for how much of it is used.',
  ],
};

/** The problem of a mail that waits, and until when. */
export function sendingProblem(code: WaitingCode, now: Date, milliseconds: number): Problem {
  const [message, remedy] = OUTBOUND_WORDS[code];
  return {
    code,
    message,
    remedy,
    since: now.toISOString(),
    retryAt: new Date(now.getTime() + milliseconds).toISOString(),
  };
}

/** The problem of a mail that counts as sent because its draft is gone, and of which no copy was seen. */
export function notConfirmed(now: Date): Problem {
  const [message, remedy] = OUTBOUND_WORDS[SEND_NOT_CONFIRMED];
  return { code: SEND_NOT_CONFIRMED, message, remedy, since: now.toISOString() };
}

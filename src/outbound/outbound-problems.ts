import type { Problem } from '../platform/problem.ts';

export const DRAFT_DELETED = 'DRAFT_DELETED';
export const SEND_UNCLEAR = 'SEND_UNCLEAR';
/** As Microsoft's own limits are named when it is Microsoft that keeps them. */
export const SENDING_LIMIT = 'SENDING_LIMIT_REACHED';

/** Why a mail waits that has not failed. */
export type WaitingCode = typeof DRAFT_DELETED | typeof SEND_UNCLEAR | typeof SENDING_LIMIT;

const WORDS: Record<WaitingCode, readonly [message: string, remedy: string]> = {
  [DRAFT_DELETED]: [
    'The draft of the mail is not in the mailbox any more: somebody has deleted it, or sent it by hand.',
    'Nothing to do: after a moment it is looked for in Sent Items, and written anew if it is not there. Use cancelOutboundMessage if it shall not be sent.',
  ],
  [SEND_UNCLEAR]: [
    'Microsoft 365 was told to send the mail and gave no answer; the draft still lies in the mailbox.',
    'Nothing to do: it is looked at again, and sent if it has not left Drafts by then.',
  ],
  [SENDING_LIMIT]: [
    'The mailbox has sent as much as Exchange Online allows for now.',
    'Nothing to do: it is sent as soon as the limit allows it. See Mailbox.outgoing for how much of it is used.',
  ],
};

/** The problem of a mail that waits, and until when. */
export function sendingProblem(code: WaitingCode, now: Date, milliseconds: number): Problem {
  const [message, remedy] = WORDS[code];
  return {
    code,
    message,
    remedy,
    since: now.toISOString(),
    retryAt: new Date(now.getTime() + milliseconds).toISOString(),
  };
}

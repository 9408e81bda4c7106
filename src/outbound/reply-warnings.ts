import type { ChosenIdentity } from '../mailboxes/choose-identity.ts';
import type { Problem } from '../platform/problem.ts';
import { isByPerson } from '../ticketing/automatic-mail.ts';
import type { Quote } from './quote.ts';
import type { ChosenRecipients } from './recipients.ts';
import type { ReplyAddress } from './reply-address.ts';
import type { ReplyThread } from './reply-thread.ts';

/** What the author of a reply should know before it goes out. */
export const REPLY_WARNINGS = [
  'LAST_MESSAGE_AUTOMATIC',
  'LAST_MESSAGE_NOT_ANSWERED',
  'RECIPIENTS_DROPPED',
  'QUOTE_SHORTENED',
  'IMAGES_LEFT_OUT',
  'IDENTITY_UNVERIFIED',
  'ANOTHER_ADDRESS',
  'ANSWERS_NOT_RECEIVED',
  'LARGE_FILES',
  'EARLIER_MESSAGE_WAITS',
] as const;
export type ReplyWarningKind = (typeof REPLY_WARNINGS)[number];

/** A warning in words. */
export interface ReplyWarning {
  kind: ReplyWarningKind;
  message: string;
}

/** What of a reply is looked at. */
export interface WarnedReply {
  thread: Pick<ReplyThread, 'mails' | 'related' | 'answered'>;
  chosen: ChosenIdentity;
  address: ReplyAddress;
  recipients: ChosenRecipients;
  quoted: { quote: Quote; isAnyImageLeftOut: boolean } | null;
  /** The bytes of its files where they may be too many for the mailbox; null: they are not. */
  riskyBytes: number | null;
  /** A mail of the ticket that has to go first, and waits because something is the matter with it. */
  stuck: { subject: string; problem: Problem } | null;
}

/** Everything to know of a reply. Pure. */
export function warningsOf(reply: WarnedReply): ReplyWarning[] {
  const { quoted, chosen, recipients, riskyBytes, stuck } = reply;
  const { identity } = chosen;
  const { dropped } = recipients;
  const warnings: (ReplyWarning | false)[] = [
    ...aboutThread(reply.thread),
    dropped.length > 0 && {
      kind: 'RECIPIENTS_DROPPED',
      message: `It does not go to ${dropped
        .map(({ correspondent }) => correspondent.emailAddress)
        .slice(0, 10)
        .join(', ')}.`,
    },
    quoted?.quote.isShortened === true && {
      kind: 'QUOTE_SHORTENED',
      message: 'The message that is answered is long: it is quoted in part.',
    },
    quoted?.isAnyImageLeftOut === true && {
      kind: 'IMAGES_LEFT_OUT',
      message: 'Some images of the quoted message are large or not here: they are left out.',
    },
    identity.status === 'UNVERIFIED' && {
      kind: 'IDENTITY_UNVERIFIED',
      message: `Nobody knows yet whether Microsoft lets the mailbox send as ${identity.emailAddress}.`,
    },
    ...aboutAddress(reply),
    riskyBytes !== null && {
      kind: 'LARGE_FILES',
      message: `The files have ${Math.round(riskyBytes / 1_000_000)} MB together. Exchange takes 35 MB from a mailbox unless an administrator has raised that (Set-Mailbox -MaxSendSize), and none that large has been sent from ${chosen.mailbox.emailAddress} yet: it may fail. Other mail systems often take no more than 25 MB.`,
    },
    stuck !== null && {
      kind: 'EARLIER_MESSAGE_WAITS',
      message: `An earlier mail of the ticket, “${stuck.subject}”, is not sent yet, and this one goes after it. ${stuck.problem.message} To send only this one, cancel that one with cancelOutboundMessage.`,
    },
  ];
  return warnings.filter((warning) => warning !== false);
}

function aboutThread({ mails, related }: WarnedReply['thread']): (ReplyWarning | false)[] {
  const last = mails[0];
  return [
    last?.kind === 'INBOUND' &&
      !isByPerson(last.automatic) && {
        kind: 'LAST_MESSAGE_AUTOMATIC',
        message:
          'The last message of the ticket was written by a machine: perhaps nobody waits for an answer.',
      },
    last?.kind === 'INBOUND' &&
      !related.includes(last) && {
        kind: 'LAST_MESSAGE_NOT_ANSWERED',
        message: `The last message of the ticket is of ${last.from?.emailAddress ?? 'somebody'}, who stands in no mail with the requester: it is not quoted, and they get no copy. To answer it, name it in \`inReplyToMessageId\`.`,
      },
  ];
}

function aboutAddress({ thread, chosen, address }: WarnedReply): (ReplyWarning | false)[] {
  const { emailAddress } = chosen.from;
  const theirMailbox = thread.answered?.message.mailbox?.id ?? null;
  const answersGoTo = chosen.replyTo[0]?.emailAddress ?? emailAddress;
  const elsewhere =
    answersGoTo === emailAddress
      ? ''
      : ` Answers go to ${answersGoTo}${address.areBouncesTakenIn ? '.' : `; should it come back undelivered, only ${emailAddress} learns of that.`}`;
  return [
    theirMailbox !== null &&
      theirMailbox !== chosen.mailbox.id && {
        kind: 'ANOTHER_ADDRESS',
        message: `It is sent as ${emailAddress}, from another mailbox than the one that was written to.${elsewhere}`,
      },
    !address.areAnswersTakenIn && {
      kind: 'ANSWERS_NOT_RECEIVED',
      message: `Answers go to ${answersGoTo}, where Deskgraph takes in no mail as far as it knows: they will not become part of the ticket, nor will the report if it cannot be delivered.`,
    },
  ];
}

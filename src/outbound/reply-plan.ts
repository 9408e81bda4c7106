import { InvalidInputError } from '../errors.ts';
import { type ChosenIdentity, chooseIdentity } from '../mailboxes/choose-identity.ts';
import type { EntityManager } from '../platform/database.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { Message } from '../ticketing/message.entity.ts';
import type { Ticket } from '../ticketing/ticket.entity.ts';
import { composeBody, type ReplyBody, readAuthoredHtml, replyReferences, replySubject } from './compose.ts';
import { type Quote, quoteMail } from './quote.ts';
import { type ChosenRecipients, chooseRecipients } from './recipients.ts';
import {
  loadReplyFiles,
  MAX_FILES_BYTES,
  nameImages,
  quotedImages,
  type ReplyFile,
  sizeOf,
} from './reply-files.ts';
import { refuseEmbeddedImages, withImages } from './reply-images.ts';
import type { ReplyInput } from './reply-input.ts';
import { loadReplyThread, type ReplyThread, type ThreadMail } from './reply-thread.ts';

/** What the author of a reply should know before it goes out. */
export const REPLY_WARNINGS = [
  'LAST_MESSAGE_AUTOMATIC',
  'LAST_MESSAGE_NOT_ANSWERED',
  'RECIPIENTS_DROPPED',
  'QUOTE_SHORTENED',
  'IMAGES_LEFT_OUT',
  'IDENTITY_UNVERIFIED',
  'ANOTHER_ADDRESS',
] as const;
export type ReplyWarningKind = (typeof REPLY_WARNINGS)[number];

/** A warning in words. */
export interface ReplyWarning {
  kind: ReplyWarningKind;
  message: string;
}

/** A reply as it would be sent. */
export interface ReplyPlan {
  chosen: ChosenIdentity;
  recipients: ChosenRecipients;
  subject: string;
  body: ReplyBody;
  quote: Quote | null;
  files: ReplyFile[];
  answered: ThreadMail | null;
  inReplyTo: string | null;
  references: string[];
  answersGraphMessageId: string | null;
  warnings: ReplyWarning[];
}

/** Who replies, and whether it is for good: then files that are used cannot go away meanwhile. */
export interface ReplyContext {
  organizationId: string;
  userId: string;
  now: Date;
  isForGood: boolean;
}

/**
 * Works out a reply without writing anything: what is sent, as what, to whom and in answer to what.
 *
 * Throws what `chooseIdentity`, `chooseRecipients`, `loadReplyThread` and `loadReplyFiles` throw, and InvalidInputError.
 */
export async function planReply(
  em: EntityManager,
  ticket: Ticket,
  input: ReplyInput,
  { organizationId, userId, now, isForGood }: ReplyContext,
): Promise<ReplyPlan> {
  const thread = await loadReplyThread(em, organizationId, ticket, input.inReplyToMessageId ?? null);
  const { mails, related, answered } = thread;
  const chosen = await chooseIdentity(em, {
    organizationId,
    mailboxId: answered?.message.mailbox?.id ?? ticket.mailbox?.id ?? null,
    addressedTo: addressesWrittenTo(thread),
    wantedIdentityId: input.identityId ?? null,
    userId,
    now,
  });
  // Not the contact itself: what is chosen is stored as it is, and the row would go with it, its organization included.
  const { name, emailAddress } = await ticket.requester.loadOrFail();
  const requester = { name: name || null, emailAddress };
  const recipients = chooseRecipients(
    { to: input.to ?? null, cc: input.cc ?? null, bcc: input.bcc ?? null },
    {
      requester,
      answered,
      isNamed: thread.isNamed,
      isOpen: thread.isOpen,
      thread: mails,
      ownAddresses: thread.ownAddresses,
    },
  );
  if (input.html != null) refuseEmbeddedImages(input.html);
  const authored = input.html == null ? null : readAuthoredHtml(input.html);
  const wanted = await loadReplyFiles(em, input, { userId, now, isLocking: isForGood });
  const contentIds = nameImages(authored?.html ?? null, wanted, input.fileIdOf);
  const room = MAX_FILES_BYTES - sizeOf(wanted.files);
  const quoted =
    input.includeQuote && answered ? await quoteOf(em, answered, chosen.mailbox.timeZone, room) : null;
  const body = composeBody({
    text: input.text ?? null,
    html: input.html ?? null,
    signature: chosen.signature,
    quote: quoted?.quote ?? null,
    contentIds,
  });
  if (body.ownText === '' && wanted.files.length === 0) {
    throw new InvalidInputError('text', 'The reply says nothing.', 'Give `text` or `html`.');
  }
  const anchor = answered?.message.internetMessageId
    ? answered
    : (related.find(({ message }) => message.internetMessageId) ?? null);
  const anchorId = anchor?.message.internetMessageId ?? null;
  return {
    chosen,
    recipients,
    subject: replySubject(ticket.subject, ticket.number),
    body,
    quote: quoted?.quote ?? null,
    files: [...wanted.files, ...(quoted?.files ?? [])],
    answered,
    inReplyTo: anchorId,
    references: replyReferences({
      internetMessageId: anchorId,
      references: anchor?.references ?? [],
      earlier: anchor ? earlierIds(related, anchor) : [],
    }),
    answersGraphMessageId: await graphMessageIdOf(em, anchor, chosen.mailbox.id),
    warnings: warningsOf(thread, chosen, recipients, quoted),
  };
}

/** The nearest first: what the answered mail was sent to, then what the conversation began with. */
function addressesWrittenTo({ related, answered }: ReplyThread): string[] {
  const inbound = related.filter(({ kind }) => kind === 'INBOUND');
  const from = answered?.kind === 'INBOUND' ? [answered, ...inbound] : inbound;
  const addresses = from.flatMap(({ to, cc }) => [...to, ...cc].map(({ emailAddress }) => emailAddress));
  return [...new Set(addresses)];
}

function earlierIds(mails: readonly ThreadMail[], anchor: ThreadMail): string[] {
  const before = mails.slice(mails.indexOf(anchor) + 1);
  return before.flatMap(({ message }) => message.internetMessageId ?? []).toReversed();
}

/** Graph's id of the mail, where it lies in the mailbox that sends: Exchange then threads by itself. */
async function graphMessageIdOf(
  em: EntityManager,
  anchor: ThreadMail | null,
  mailboxId: string,
): Promise<string | null> {
  if (anchor?.kind !== 'INBOUND') return null;
  const row = await em.findOne(
    InboundMessage,
    { message: anchor.message.id, mailbox: mailboxId },
    { orderBy: { createdAt: 'asc' } },
  );
  return row?.graphMessageId ?? null;
}

async function quoteOf(
  em: EntityManager,
  { message, from }: ThreadMail,
  timeZone: string,
  roomBytes: number,
) {
  const whole = await em.findOneOrFail(
    Message,
    { id: message.id },
    { populate: ['text', 'html', 'strippedText'] },
  );
  const [text, html, strippedText] = [whole.text, whole.html ?? null, whole.strippedText].map(
    (body) => (body as unknown as string | null) ?? null,
  );
  const images = html == null ? null : await quotedImages(em, message, html, roomBytes);
  const quote = quoteMail(
    {
      from,
      at: message.sentAt ?? message.receivedAt ?? message.createdAt,
      text: text ?? '',
      strippedText: strippedText ?? '',
      html: html == null ? null : withImages(html, images?.contentIds ?? new Map()),
    },
    timeZone,
  );
  const isShown = quote.html.includes('src="cid:');
  return {
    quote,
    files: isShown ? (images?.files ?? []) : [],
    isAnyImageLeftOut: images?.isAnyLeftOut ?? false,
  };
}

function warningsOf(
  { mails, related, answered }: ReplyThread,
  { identity, mailbox }: ChosenIdentity,
  { dropped }: ChosenRecipients,
  quoted: { quote: Quote; isAnyImageLeftOut: boolean } | null,
): ReplyWarning[] {
  const last = mails[0];
  const theirMailbox = answered?.message.mailbox?.id ?? null;
  const warnings: (ReplyWarning | false)[] = [
    last?.kind === 'INBOUND' &&
      last.automatic !== null && {
        kind: 'LAST_MESSAGE_AUTOMATIC',
        message:
          'The last message of the ticket was written by a machine: perhaps nobody waits for an answer.',
      },
    last?.kind === 'INBOUND' &&
      !related.includes(last) && {
        kind: 'LAST_MESSAGE_NOT_ANSWERED',
        message: `The last message of the ticket is of ${last.from?.emailAddress ?? 'somebody'}, who stands in no mail with the requester: it is not quoted, and they get no copy. To answer it, name it in \`inReplyToMessageId\`.`,
      },
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
    theirMailbox !== null &&
      theirMailbox !== mailbox.id && {
        kind: 'ANOTHER_ADDRESS',
        message: `It is sent as ${identity.emailAddress}, from another mailbox than the one that was written to.`,
      },
  ];
  return warnings.filter((warning) => warning !== false);
}

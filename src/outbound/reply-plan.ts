import { InvalidInputError } from '../errors.ts';
import { type ChosenIdentity, chooseIdentity } from '../mailboxes/choose-identity.ts';
import type { EntityManager } from '../platform/database.ts';
import { Message } from '../ticketing/message.entity.ts';
import type { Ticket } from '../ticketing/ticket.entity.ts';
import { composeBody, type ReplyBody, readAuthoredHtml, replySubject } from './compose.ts';
import { stuckBefore } from './outbound-waiting.ts';
import { type Quote, quoteMail } from './quote.ts';
import { type ChosenRecipients, chooseRecipients } from './recipients.ts';
import { replyAddressOf } from './reply-address.ts';
import {
  loadReplyFiles,
  MAX_FILES_BYTES,
  mayBeTooLarge,
  nameImages,
  quotedImages,
  type ReplyFile,
  sizeOf,
} from './reply-files.ts';
import { refuseEmbeddedImages, withImages } from './reply-images.ts';
import type { ReplyInput } from './reply-input.ts';
import { type MailReferences, referencesOf } from './reply-references.ts';
import { loadReplyThread, type ThreadMail } from './reply-thread.ts';
import { type ReplyWarning, warningsOf } from './reply-warnings.ts';
import { replyOrigin } from './ticket-identities.ts';

/** A reply as it would be sent. */
export interface ReplyPlan extends MailReferences {
  /** With the reply address that {@link replyAddressOf} gives it. */
  chosen: ChosenIdentity;
  recipients: ChosenRecipients;
  subject: string;
  body: ReplyBody;
  quote: Quote | null;
  files: ReplyFile[];
  answered: ThreadMail | null;
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
  const { mails, answered } = thread;
  const origin = replyOrigin(thread, ticket);
  const sender = await chooseIdentity(em, {
    organizationId,
    ...origin,
    wantedIdentityId: input.identityId ?? null,
    userId,
    now,
  });
  const address = await replyAddressOf(em, organizationId, sender, {
    mailboxIds: [origin.mailboxId, ticket.mailbox?.id ?? null],
    writtenTo: origin.addressedTo,
    mails,
  });
  const chosen = { ...sender, replyTo: address.replyTo };
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
  const files = [...wanted.files, ...(quoted?.files ?? [])];
  const isRisky = await mayBeTooLarge(em, organizationId, chosen.mailbox.id, sizeOf(files));
  return {
    chosen,
    recipients,
    subject: replySubject(ticket.subject, ticket.number),
    body,
    quote: quoted?.quote ?? null,
    files,
    answered,
    ...(await referencesOf(em, thread, chosen.mailbox.id)),
    warnings: warningsOf({
      thread,
      chosen,
      address,
      recipients,
      quoted,
      riskyBytes: isRisky ? sizeOf(files) : null,
      stuck: await stuckBefore(em, organizationId, ticket.id, chosen.mailbox.id),
    }),
  };
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

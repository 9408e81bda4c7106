import type { InputFieldBuilder, InputShapeFromFields } from '@pothos/core';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType, type SchemaTypes } from '../graphql/builder.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { decodeId, parseGlobalId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { TicketStatusEnum } from '../graphql/ticket-status.graphql.ts';
import { CannotSendError } from '../mailboxes/sending-errors.ts';
import { Message } from '../ticketing/message.entity.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { OutboundMessage } from './outbound-message.entity.ts';
import type { ChosenRecipients } from './recipients.ts';
import { replyToTicket } from './reply.ts';
import {
  FileNotStoredError,
  IdempotencyKeyReusedError,
  MessageTooLargeError,
  NoRecipientError,
  TooManyRecipientsError,
  UploadIncompleteError,
} from './reply-errors.ts';
import type { ReplyWarning } from './reply-warnings.ts';

errorType(NoRecipientError, 'There is nobody whom the reply could go to.');
errorType(TooManyRecipientsError, 'The mail has more recipients than Exchange takes.');
errorType(MessageTooLargeError, 'The files of the mail are larger together than can be sent.');
errorType(FileNotStoredError, 'The content of a file that is to be sent is not here.');
errorType(UploadIncompleteError, 'The content of an upload has not come yet.');
errorType(IdempotencyKeyReusedError, 'The idempotency key belongs to another mail.');

const AddedReasonEnum = enumType('RecipientAddedReason', 'Why somebody gets a reply whom nobody named.', {
  REQUESTER: 'They asked.',
  SENDER: 'They wrote the message that is answered.',
  REPLY_TO: 'The sender of the message wants answers there (`Reply-To`).',
  REPLY_ALL: 'They take part in the message that is answered.',
});

const DroppedReasonEnum = enumType('RecipientDroppedReason', 'Why somebody does not get a reply.', {
  OWN_ADDRESS: "It is one of the organization's own addresses: mail to it would come back as a new message.",
  MACHINE: 'Only machines have written from there. Name it in `to` to write to it all the same.',
  INVALID_ADDRESS: 'No mail can be delivered there.',
});

const WarningEnum = enumType('ReplyWarningKind', 'What the author of a reply should know.', {
  LAST_MESSAGE_AUTOMATIC: 'The last message of the ticket was written by a machine.',
  LAST_MESSAGE_NOT_ANSWERED:
    'The last message of the ticket is of somebody who stands in no mail with the requester, such as a supplier who was asked: it is not answered unless it is named.',
  RECIPIENTS_DROPPED: 'It does not go to everybody who was named; `droppedRecipients` says to whom.',
  QUOTE_SHORTENED: 'The message that is answered is long, and quoted in part.',
  IMAGES_LEFT_OUT: 'Images of the quoted message are left out.',
  IDENTITY_UNVERIFIED: 'Nothing was sent as the identity before; Microsoft may refuse it.',
  ANOTHER_ADDRESS:
    'It is sent from another mailbox than the one that was written to. Where that one takes no mail in, and the other does, answers go to the other (`replyTo` of the preview).',
  ANSWERS_NOT_RECEIVED:
    'Nobody takes in what is answered to it, as far as is known, nor the report that it could not be delivered: set a reply address in the sender profile, or take mail in from the mailbox.',
  LARGE_FILES:
    'The files are larger together than the 35 MB that Exchange takes unless an administrator has raised that, and none that large was sent from the mailbox yet.',
  EARLIER_MESSAGE_WAITS:
    'An earlier mail of the ticket from the same mailbox waits because something is the matter with it, and goes first.',
});

export const AddedRecipientType = builder
  .objectRef<ChosenRecipients['added'][number]>('AddedRecipient')
  .implement({
    description: 'Somebody who gets a reply without being named.',
    authScopes: { permission: 'ticket:read' },
    fields: (t) => ({
      correspondent: t.expose('correspondent', { type: CorrespondentType, description: 'Who.' }),
      reason: t.expose('reason', { type: AddedReasonEnum, description: 'Why.' }),
    }),
  });

export const DroppedRecipientType = builder
  .objectRef<ChosenRecipients['dropped'][number]>('DroppedRecipient')
  .implement({
    description: 'Somebody who does not get a reply.',
    authScopes: { permission: 'ticket:read' },
    fields: (t) => ({
      correspondent: t.expose('correspondent', { type: CorrespondentType, description: 'Who.' }),
      reason: t.expose('reason', { type: DroppedReasonEnum, description: 'Why.' }),
    }),
  });

export const ReplyWarningType = builder.objectRef<ReplyWarning>('ReplyWarning').implement({
  description: 'Something to know of a reply; it does not keep it from being sent.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    kind: t.expose('kind', { type: WarningEnum, description: 'What it is.' }),
    message: t.exposeString('message', { description: 'The same as a sentence.' }),
  }),
});

const CorrespondentInput = builder.inputType('CorrespondentInput', {
  description: 'A recipient.',
  fields: (t) => ({
    name: t.string({ description: 'The name; at most 200 characters.' }),
    emailAddress: t.string({ required: true, description: 'The address.' }),
  }),
});

/** The fields that a reply and its preview have in common. */
export function replyFields(t: InputFieldBuilder<SchemaTypes, 'InputObject'>) {
  return {
    ticketId: t.id({ required: true, description: 'Which ticket.' }),
    text: t.string({ description: 'What to say, as plain text; at most 100,000 characters.' }),
    html: t.string({
      description:
        'What to say, as HTML; at most 500,000 characters. It is sanitised. An image whose address is `cid:` and the id of one of `attachmentIds` or `uploadIds` is shown there; one that stands in the HTML itself (`data:`) is refused, since many mail programs do not show it. Where only one of `text` and `html` is given, the other is made of it.',
    }),
    to: t.field({
      type: [CorrespondentInput],
      description:
        'To whom; left out: to the requester, or with `inReplyToMessageId` to the sender of that message, where they want answers.',
    }),
    cc: t.field({
      type: [CorrespondentInput],
      description:
        'Who gets a copy; left out: everybody else of the message that is answered, or nobody where `to` is given.',
    }),
    bcc: t.field({
      type: [CorrespondentInput],
      description: 'Who gets a copy that the others do not see. All recipients together are 500 at most.',
    }),
    attachmentIds: t.idList({
      description: 'Files of messages of the organization to send along, at most 100.',
    }),
    uploadIds: t.idList({
      description:
        'Files that you uploaded for it (`createUpload`), at most 100; each can be used once. All files together have 150 MB (150,000,000 bytes) at most.',
    }),
    identityId: t.id({
      description:
        'What to send as; left out: the address that was written to, else the default of its mailbox, else that of the organization.',
    }),
    inReplyToMessageId: t.id({
      description:
        'The message of the ticket to answer; left out: the last one that a person outside wrote, of the requester and those who stand in one mail with them.',
    }),
    includeQuote: t.boolean({
      defaultValue: true,
      description: 'Whether the message that is answered is quoted below.',
    }),
  };
}

/** Input of a reply with the ids of rows. Throws NotFoundError for an id that is none. */
export function replyInputOf(input: InputShapeFromFields<ReturnType<typeof replyFields>>) {
  const { text, html, to, cc, bcc, includeQuote } = input;
  return {
    text,
    html,
    to,
    cc,
    bcc,
    includeQuote: includeQuote ?? true,
    ticketId: decodeId('Ticket', input.ticketId),
    attachmentIds: (input.attachmentIds ?? []).map((id) => decodeId('Attachment', id)),
    uploadIds: (input.uploadIds ?? []).map((id) => decodeId('Upload', id)),
    identityId: input.identityId ? decodeId('Identity', input.identityId) : null,
    inReplyToMessageId: input.inReplyToMessageId ? decodeId('Message', input.inReplyToMessageId) : null,
    fileIdOf: (name: string) => parseGlobalId(name)?.id ?? null,
  };
}

/** Why a reply cannot be sent, and so cannot be shown before. */
export const REPLY_ERRORS = [
  InvalidInputError,
  NotFoundError,
  CannotSendError,
  NoRecipientError,
  TooManyRecipientsError,
  MessageTooLargeError,
  FileNotStoredError,
  UploadIncompleteError,
];

mutation('replyToTicket', {
  description:
    'Answers by mail: the reply becomes a message of the ticket and waits in the outbox, from which it is sent exactly once. A closed ticket opens again unless `status` says otherwise.',
  permission: 'ticket:reply',
  input: (t) => ({
    ...replyFields(t),
    note: t.string({
      description:
        'A note to add as well, which only people of the organization see; at most 100,000 characters.',
    }),
    status: t.field({ type: TicketStatusEnum, description: 'Where the ticket stands now.' }),
    idempotencyKey: t.string({
      description:
        'A name for this reply, 1 to 200 characters, such as a UUID: repeating the request with it (a double click, a lost answer) sends nothing twice and answers the same; with another content it is refused.',
    }),
  }),
  payload: {
    message: { type: Message, description: 'The reply as a message of the ticket.' },
    outboundMessage: { type: OutboundMessage, description: 'The mail, and where it stands.' },
    ticket: { type: Ticket, description: 'The ticket as it is now.' },
    addedRecipients: { type: [AddedRecipientType], description: 'Who gets it without being named, and why.' },
    droppedRecipients: { type: [DroppedRecipientType], description: 'Who does not get it, and why.' },
    warnings: { type: [ReplyWarningType], description: 'What to know of it.' },
  },
  errors: [...REPLY_ERRORS, IdempotencyKeyReusedError],
  resolve: async (input, { em, actor, services }) => {
    const { added, dropped, ...reply } = await replyToTicket(
      em,
      {
        ...replyInputOf(input),
        note: input.note,
        status: input.status,
        idempotencyKey: input.idempotencyKey,
      },
      { actor, now: services.clock.now() },
    );
    return { ...reply, addedRecipients: added, droppedRecipients: dropped };
  },
});

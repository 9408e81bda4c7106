import { User } from '../access/user.entity.ts';
import { builder, enumType } from '../graphql/builder.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { encodeGlobalId } from '../graphql/global-id.ts';
import { MAX_MESSAGE_BYTES } from '../graphql/limits.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Attachment } from './attachment.entity.ts';
import type { Bounce } from './bounce.ts';
import { isContentTypeMismatch } from './content-type.ts';
import { Message } from './message.entity.ts';
import { messageBodies } from './message-bodies.ts';
import { attachmentsOf } from './message-list.ts';
import { Ticket } from './ticket.entity.ts';

const MessageKindEnum = enumType('MessageKind', 'What a message is.', {
  INBOUND: 'Mail from outside.',
  OUTBOUND: 'Mail to outside.',
  NOTE: 'Written here, seen by people of the organization only.',
});

const AttachmentStateEnum = enumType('AttachmentState', 'Where the content of a file is.', {
  PENDING: 'Still at Microsoft; it is being fetched.',
  STORED: 'Here; it can be downloaded.',
  TOO_LARGE: 'Over the limit; it was left at Microsoft.',
  LINK: 'Only a link to a file elsewhere.',
  FAILED: 'It could not be fetched; `problem` says why.',
});

const AutomaticKindEnum = enumType('AutomaticKind', 'What kind of machine wrote a message.', {
  AUTO_REPLY: 'A robot that answers mail.',
  OUT_OF_OFFICE: 'An out-of-office reply.',
  READ_RECEIPT: 'A receipt: a message was delivered or read.',
  BOUNCE: 'A report that a message could not be delivered.',
  CALENDAR_RESPONSE: 'An answer to an invitation.',
  OWN_MAIL:
    "Written with one of the organization's own mailboxes, by a colleague: as mail of anybody else, but that nothing answers it by itself.",
  LIST_MAIL: 'A mailing list, a newsletter, or what people write to a list.',
  AUTO_GENERATED: 'A program, such as monitoring or a shop.',
  STORM: 'Too many messages of one sender within an hour.',
});

CorrespondentType.implement({
  description: 'A mail address, with the name that it was written with.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    name: t.exposeString('name', { nullable: true, description: 'The name; null when none was given.' }),
    emailAddress: t.exposeString('emailAddress', {
      description: 'The address as the mail says it, in lower case. Anybody can write any address.',
    }),
  }),
});

const BounceActionEnum = enumType('BounceAction', 'Where delivery stands, by the word of a report.', {
  FAILED: 'It failed for good.',
  DELAYED: 'It is still being tried.',
});

const BounceType = builder.objectRef<Bounce>('Bounce').implement({
  description: 'Why a mail did not arrive.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    action: t.expose('action', { type: BounceActionEnum, description: 'Whether it failed for good.' }),
    recipient: t.exposeString('recipient', {
      nullable: true,
      description: 'Who did not get it, in lower case; null when the report does not say.',
    }),
    status: t.exposeString('status', {
      nullable: true,
      description: 'The status code of RFC 3463, such as `5.1.1`; null when the report does not say.',
    }),
    reason: t.exposeString('reason', { description: 'Why, in words.' }),
  }),
});

/** The one reader of bodies in the API: all fields share its budget. */
export const bodyOf = messageBodies(MAX_MESSAGE_BYTES);

builder.node(Message, {
  name: 'Message',
  description: 'One mail or note of a ticket.',
  authScopes: { permission: 'ticket:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Message),
  fields: (t) => ({
    ticket: t.field({
      type: Ticket,
      description: 'The ticket that it belongs to.',
      resolve: ({ ticket }) => ticket.loadOrFail(),
    }),
    kind: t.expose('kind', { type: MessageKindEnum, description: 'What it is.' }),
    from: t.field({
      type: CorrespondentType,
      nullable: true,
      description: 'Who sent it, by its own word; null for notes and for mail that does not say.',
      resolve: ({ from }) => from ?? null,
    }),
    to: t.field({ type: [CorrespondentType], description: 'To whom it went.', resolve: ({ to }) => to }),
    cc: t.field({ type: [CorrespondentType], description: 'Who got a copy.', resolve: ({ cc }) => cc }),
    author: t.field({
      type: User,
      nullable: true,
      description: 'Who wrote it here; null for mail from outside.',
      resolve: ({ author }) => author?.loadOrFail() ?? null,
    }),
    subject: t.exposeString('subject', { description: 'Its subject, as the mail has it.' }),
    text: t.string({
      description: 'The whole body as plain text.',
      resolve: ({ id: messageId }, _args, { em, actor: { organizationId } }) =>
        bodyOf(em, { organizationId, messageId, field: 'text' }),
    }),
    html: t.string({
      nullable: true,
      description:
        'The body as HTML that is safe to show: no scripts, styles or forms. Remote images have their address in `data-remote-src`; `cid:` addresses name the `contentId` of an attachment. Null when the mail had none.',
      resolve: ({ id: messageId }, _args, { em, actor: { organizationId } }) =>
        bodyOf(em, { organizationId, messageId, field: 'html' }),
    }),
    strippedText: t.string({
      description: 'What it adds, without quoted history. Never empty when `text` is not.',
      resolve: ({ id: messageId }, _args, { em, actor: { organizationId } }) =>
        bodyOf(em, { organizationId, messageId, field: 'strippedText' }),
    }),
    attachments: t.field({
      type: [Attachment],
      description: 'Its files, in their order. They follow within moments of the message.',
      complexity: { field: 1, multiplier: 3 }, // most messages have few files, and a page's are one query
      resolve: ({ id }, _args, { em }) => attachmentsOf(em, id),
    }),
    automatic: t.expose('automatic', {
      type: AutomaticKindEnum,
      nullable: true,
      description:
        'The kind of machine that wrote it; null for people. Such a message is never answered by itself, and only `OWN_MAIL`, `LIST_MAIL` and `AUTO_GENERATED` open a closed ticket again.',
    }),
    bounce: t.field({
      type: BounceType,
      nullable: true,
      description:
        'Of a report that a mail could not be delivered: what it says. Of a mail that was sent: why it did not arrive. Null for everything else.',
      resolve: ({ bounce }) => bounce ?? null,
    }),
    internetMessageId: t.exposeString('internetMessageId', {
      nullable: true,
      description: 'The Message-ID of RFC 5322 with its angle brackets; null for notes.',
    }),
    isImported: t.exposeBoolean('isImported', {
      description: 'Whether it is history that was imported: nobody was notified, and nothing answers it.',
    }),
    sentAt: t.expose('sentAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was sent, by its own word.',
    }),
    receivedAt: t.expose('receivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When Exchange received it; null for what was written here.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it became known here.' }),
  }),
});

builder.node(Attachment, {
  name: 'Attachment',
  description: 'A file of a message.',
  authScopes: { permission: 'ticket:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Attachment),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'A file name that is safe on every system.' }),
    contentType: t.exposeString('contentType', {
      description: 'Its media type, by the word of the mail. Do not trust it.',
    }),
    detectedContentType: t.exposeString('detectedContentType', {
      nullable: true,
      description:
        'What its content says that it is; null until it is stored, and when the content does not tell, as with plain text.',
    }),
    contentTypeMismatch: t.boolean({
      description:
        'Whether the content is something else than `contentType` or the name says: an image that is a web page, an invoice that is a program. Warn of it.',
      resolve: ({ contentType, name, detectedContentType }) =>
        isContentTypeMismatch(contentType, name, detectedContentType ?? null),
    }),
    sizeBytes: t.exposeInt('sizeBytes', {
      description: 'Its size in bytes: exact once it is stored, as Microsoft tells it before.',
    }),
    contentId: t.exposeString('contentId', {
      nullable: true,
      description: 'How `cid:` addresses in the HTML name it.',
    }),
    isInline: t.exposeBoolean('isInline', { description: 'Whether it is shown inside the body.' }),
    state: t.expose('state', { type: AttachmentStateEnum, description: 'Where its content is.' }),
    sha256: t.exposeString('sha256', {
      nullable: true,
      description: 'The SHA-256 of its content in hexadecimal; null until it is stored.',
    }),
    link: t.exposeString('link', {
      nullable: true,
      description: 'Where the file is when it is only a link; null when Microsoft does not tell.',
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description:
        'Why its content is not here; of a file that is here, what to know of it, such as that only Outlook opens it.',
      resolve: ({ problem }) => problem ?? null,
    }),
    downloadUrl: t.string({
      nullable: true,
      description: 'Where to download it, with the same Authorization header; null until it is stored.',
      resolve: ({ id, state }, _args, { services }) =>
        state === 'STORED' ? `${services.publicUrl}/attachments/${encodeGlobalId('Attachment', id)}` : null,
    }),
  }),
});

import { builder } from '../graphql/builder.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { Identity } from '../mailboxes/identity.entity.ts';
import {
  AddedRecipientType,
  DroppedRecipientType,
  REPLY_ERRORS,
  ReplyWarningType,
  replyFields,
  replyInputOf,
} from './reply.graphql.ts';
import { previewReply } from './reply.ts';
import type { ReplyFile } from './reply-files.ts';
import type { ReplyPlan } from './reply-plan.ts';

const FileType = builder.objectRef<ReplyFile>('ReplyFile').implement({
  description: 'A file that a reply would carry.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    contentType: t.exposeString('contentType', { description: 'Its media type.' }),
    sizeBytes: t.exposeInt('sizeBytes', { description: 'Its size in bytes.' }),
    isInline: t.exposeBoolean('isInline', { description: 'Whether the text shows it.' }),
  }),
});

const PreviewType = builder.objectRef<ReplyPlan>('ReplyPreview').implement({
  description: 'A reply as it would be sent.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    identity: t.field({
      type: Identity,
      description: 'What it is sent as.',
      resolve: ({ chosen }) => chosen.identity,
    }),
    from: t.field({
      type: CorrespondentType,
      description: 'Whom recipients see as its sender; Exchange has the last word, see `sendTestEmail`.',
      resolve: ({ chosen }) => chosen.from,
    }),
    replyTo: t.field({
      type: [CorrespondentType],
      description: 'Where answers go; empty: to `from`.',
      resolve: ({ chosen }) => chosen.replyTo,
    }),
    to: t.field({
      type: [CorrespondentType],
      description: 'To whom it goes.',
      resolve: ({ recipients }) => recipients.to,
    }),
    cc: t.field({
      type: [CorrespondentType],
      description: 'Who gets a copy.',
      resolve: ({ recipients }) => recipients.cc,
    }),
    bcc: t.field({
      type: [CorrespondentType],
      description: 'Who gets a copy that the others do not see.',
      resolve: ({ recipients }) => recipients.bcc,
    }),
    subject: t.exposeString('subject', { description: 'Its subject, with the token of the ticket.' }),
    html: t.string({
      description: 'The body: what was written, the signature, the quoted history.',
      resolve: ({ body }) => body.html,
    }),
    text: t.string({ description: 'The same as plain text.', resolve: ({ body }) => body.text }),
    files: t.expose('files', {
      type: [FileType],
      description: 'Its files, with the images of the quoted message.',
    }),
    inReplyTo: t.exposeString('inReplyTo', {
      nullable: true,
      description: 'The Message-ID of the message that it answers; null when there is none.',
    }),
    references: t.exposeStringList('references', {
      description: 'The Message-IDs of the conversation, the oldest first.',
    }),
    addedRecipients: t.field({
      type: [AddedRecipientType],
      description: 'Who gets it without being named, and why.',
      resolve: ({ recipients }) => recipients.added,
    }),
    droppedRecipients: t.field({
      type: [DroppedRecipientType],
      description: 'Who does not get it, and why.',
      resolve: ({ recipients }) => recipients.dropped,
    }),
    warnings: t.expose('warnings', {
      type: [ReplyWarningType],
      description: 'What to know before sending it.',
    }),
  }),
});

const PreviewReplyInput = builder.inputType('PreviewReplyInput', {
  description: 'A reply that is not sent.',
  fields: replyFields,
});

builder.queryField('previewReply', (t) =>
  t.field({
    type: PreviewType,
    description: 'What `replyToTicket` would send. Nothing is written, and uploads stay to be used.',
    authScopes: { permission: 'ticket:reply' },
    errors: { types: REPLY_ERRORS },
    args: { input: t.arg({ type: PreviewReplyInput, required: true, description: 'The reply.' }) },
    resolve: (_root, { input }, { em, actor, services }) =>
      previewReply(em, replyInputOf(input), { actor, now: services.clock.now() }),
  }),
);

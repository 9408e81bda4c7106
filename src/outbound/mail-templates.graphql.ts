import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, ErrorInterface, enumType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { MAX_TEMPLATE_LENGTH } from './liquid.ts';
import {
  previewMailTemplate,
  type RenderedMail,
  resetMailTemplate,
  type UsedTemplate,
  updateMailTemplate,
  usedTemplate,
} from './mail-templates.ts';
import { NOTIFICATION_KINDS } from './notification.entity.ts';
import { NotificationKindEnum } from './notification-kind.graphql.ts';
import { TemplateError } from './template-error.ts';
import { type TemplateVariable, VARIABLES } from './template-variables.ts';

const PartEnum = enumType('MailTemplatePart', 'A part of a template.', {
  SUBJECT: 'The subject.',
  HTML: 'The body as HTML.',
  TEXT: 'The body as plain text.',
});

builder.objectType(TemplateError as new (...args: unknown[]) => TemplateError, {
  name: 'TemplateError',
  description: 'A template is not Liquid, asks for tags or filters that there are not, or does too much.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    part: t.expose('part', { type: PartEnum, description: 'Which part of it.' }),
    line: t.exposeInt('line', {
      nullable: true,
      description: 'In which line, from 1; null when the fault has no place.',
    }),
    column: t.exposeInt('column', {
      nullable: true,
      description: 'At which character of the line, from 1; null when the fault has no place.',
    }),
  }),
});

const VariableType = builder.objectRef<TemplateVariable>('MailTemplateVariable').implement({
  description: 'Something that a template can show, as `{{ name }}`.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'How the template names it.' }),
    description: t.exposeString('description', { description: 'What it is.' }),
    example: t.exposeString('example', { description: 'What a preview without a ticket shows.' }),
  }),
});

const MailTemplateType = builder.objectRef<UsedTemplate>('MailTemplate').implement({
  description: `What notifications of a kind say, in Liquid (https://shopify.github.io/liquid). Without tags that read other templates. In HTML everything that is shown is escaped; the filter \`paragraphs\` shows a text with its lines. What there is not is empty. Each part has at most ${MAX_TEMPLATE_LENGTH} characters.`,
  authScopes: { permission: 'template:manage' },
  fields: (t) => ({
    kind: t.expose('kind', { type: NotificationKindEnum, description: 'Which notifications.' }),
    subject: t.exposeString('subject', {
      description:
        'The subject. Mail to customers gets the token of its ticket at the end unless it is in it.',
    }),
    html: t.exposeString('html', {
      nullable: true,
      description: 'The body as HTML; null: HTML is made of the text.',
    }),
    text: t.exposeString('text', { description: 'The body as plain text.' }),
    isDefault: t.boolean({
      description: 'Whether it is the one that Deskgraph brings along.',
      resolve: ({ changedAt }) => changedAt === null,
    }),
    changedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When your organization last changed it; null when it is the one of Deskgraph.',
      resolve: ({ changedAt }) => changedAt,
    }),
    variables: t.field({
      type: [VariableType],
      description: 'What it can show.',
      resolve: ({ kind }) => [...VARIABLES[kind]],
    }),
  }),
});

const PreviewType = builder.objectRef<RenderedMail>('MailTemplatePreview').implement({
  description: 'A mail that a template becomes, without the signature of the sender. Nothing was sent.',
  authScopes: { permission: 'template:manage' },
  fields: (t) => ({
    subject: t.exposeString('subject', { description: 'The subject.' }),
    html: t.exposeString('html', {
      description:
        'The body as HTML, as it would be sent: whoever shows it shows it in a frame without scripts.',
    }),
    text: t.exposeString('text', { description: 'The body as plain text.' }),
  }),
});

builder.queryFields((t) => ({
  mailTemplates: t.field({
    type: [MailTemplateType],
    description: 'What notifications say, one template for each kind.',
    authScopes: { permission: 'template:manage' },
    resolve: (_root, _args, { em }) => Promise.all(NOTIFICATION_KINDS.map((kind) => usedTemplate(em, kind))),
  }),
  previewMailTemplate: t.field({
    type: PreviewType,
    description: 'What a template becomes with a ticket. Nothing is saved or sent.',
    authScopes: { permission: 'template:manage' },
    complexity: 50,
    args: {
      kind: t.arg({ type: NotificationKindEnum, required: true, description: 'Which notifications.' }),
      subject: t.arg.string({ description: 'In the place of the saved subject.' }),
      html: t.arg.string({
        description: 'In the place of the saved HTML; null: HTML is made of the text.',
      }),
      text: t.arg.string({ description: 'In the place of the saved text.' }),
      ticketId: t.arg.id({ description: 'The ticket to show; examples when left out.' }),
    },
    errors: {
      types: [NotFoundError, TemplateError] as (new (...args: unknown[]) => NotFoundError | TemplateError)[],
    },
    resolve: (_root, { ticketId, ...change }, { em, actor }) =>
      previewMailTemplate(em, actor.organizationId, {
        ...change,
        ticketId: ticketId == null ? null : decodeId('Ticket', ticketId),
      }),
  }),
}));

mutation('updateMailTemplate', {
  description:
    'Changes what notifications of a kind say, from now on; parts that are left out stay. It is tried with examples first.',
  permission: 'template:manage',
  input: (t) => ({
    kind: t.field({ type: NotificationKindEnum, required: true, description: 'Which notifications.' }),
    subject: t.string({ description: 'The subject, in Liquid.' }),
    html: t.string({ description: 'The body as HTML, in Liquid; null: HTML is made of the text.' }),
    text: t.string({ description: 'The body as plain text, in Liquid.' }),
  }),
  payload: { mailTemplate: { type: MailTemplateType, description: 'The template as it is now.' } },
  errors: [InvalidInputError, TemplateError],
  resolve: async ({ kind, ...change }, { em, actor }) => ({
    mailTemplate: await updateMailTemplate(em, actor.organizationId, kind, change),
  }),
});

mutation('resetMailTemplate', {
  description: 'Gives a kind of notifications the template back that Deskgraph brings along.',
  permission: 'template:manage',
  input: (t) => ({
    kind: t.field({ type: NotificationKindEnum, required: true, description: 'Which notifications.' }),
  }),
  payload: { mailTemplate: { type: MailTemplateType, description: 'The template as it is now.' } },
  errors: [InvalidInputError],
  resolve: async ({ kind }, { em }) => ({ mailTemplate: await resetMailTemplate(em, kind) }),
});

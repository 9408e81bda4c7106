import { builder, enumType } from '../graphql/builder.ts';
import { encodeGlobalId } from '../graphql/global-id.ts';
import { Attachment } from './attachment.entity.ts';
import { type InlineImage, inlineImagesOf } from './inline-images.ts';
import { Message } from './message.entity.ts';
import { detailsOf } from './message-details.ts';
import { attachmentsOf } from './message-list.ts';
import { bodyOf } from './messages.graphql.ts';
import { protectionByFiles } from './protection.ts';

const ProtectionEnum = enumType(
  'MessageProtection',
  'How a mail is protected. Deskgraph keeps it as it is: it neither opens nor verifies it.',
  {
    SMIME_SIGNED: 'Signed with S/MIME.',
    SMIME_ENCRYPTED: 'Encrypted with S/MIME: its content is in the attached file.',
    PGP_SIGNED: 'Signed with PGP.',
    PGP_ENCRYPTED: 'Encrypted with PGP: its content is in the text or in the attached file.',
    RIGHTS_PROTECTED:
      'Protected by Microsoft Purview or rights management: its content is in the attached `.rpmsg` file, which opens in Outlook.',
  },
);

const InlineImageType = builder.objectRef<InlineImage>('InlineImage').implement({
  description: 'An image that the HTML of a message shows within its text.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    contentId: t.exposeString('contentId', { description: 'What `cid:` addresses in the HTML name it by.' }),
    url: t.string({
      description:
        'An address for `<img src>`: it needs no header, shows this image only, and ends at `expiresAt`. Whoever has it sees the image.',
      resolve: ({ path }, _args, { services }) => `${services.publicUrl}${path}`,
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'When the address stops working: within the hour. Ask again for a new one.',
    }),
    attachment: t.expose('attachment', { type: Attachment, description: 'The file.' }),
  }),
});

builder.objectFields(Message, (t) => ({
  hasQuotedText: t.boolean({
    description: 'Whether `strippedText` leaves out quoted history.',
    resolve: async ({ id }, _args, { em, actor: { organizationId } }) =>
      (await detailsOf(em, organizationId, id)).hasQuotedText,
  }),
  quotedText: t.string({
    nullable: true,
    description: 'The quoted history that `strippedText` leaves out; null when there is none.',
    resolve: ({ id: messageId }, _args, { em, actor: { organizationId } }) =>
      bodyOf(em, { organizationId, messageId, field: 'quotedText' }),
  }),
  signature: t.string({
    nullable: true,
    description:
      'Signature, "sent from" line and disclaimer, which `strippedText` leaves out; null when there is none.',
    resolve: ({ id: messageId }, _args, { em, actor: { organizationId } }) =>
      bodyOf(em, { organizationId, messageId, field: 'signature' }),
  }),
  isShortened: t.boolean({
    description:
      'Whether the mailbox has more of it than is kept here: it is longer than that, could not be read in time, or holds larger images within its text. The text says where. Such a mail is never deleted from the mailbox.',
    resolve: async ({ id }, _args, { em, actor: { organizationId } }) =>
      (await detailsOf(em, organizationId, id)).isShortened,
  }),
  protection: t.field({
    type: ProtectionEnum,
    nullable: true,
    description: 'Whether it is signed or encrypted; null when neither.',
    resolve: async ({ id }, _args, { em, actor: { organizationId } }) =>
      (await detailsOf(em, organizationId, id)).protection ?? protectionByFiles(await attachmentsOf(em, id)),
  }),
  inlineImages: t.field({
    type: [InlineImageType],
    description:
      'The images that `html` names by `cid:`, with addresses to put in their place. They follow within moments of the message.',
    complexity: { field: 1, multiplier: 3 },
    resolve: async ({ id }, _args, { em, services, actor: { organizationId } }) =>
      inlineImagesOf(
        await attachmentsOf(em, id),
        organizationId,
        (attachmentId) => encodeGlobalId('Attachment', attachmentId),
        services.links,
        services.clock.now(),
      ),
  }),
}));

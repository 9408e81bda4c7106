import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { OutgoingSettingsType } from '../graphql/outgoing-settings-type.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Identity } from './identity.entity.ts';
import { Mailbox } from './mailbox.entity.ts';
import { updateOutgoingPolicy } from './outgoing-policy.ts';
import { outgoingProblem, updateOutgoingSettings } from './outgoing-settings.ts';
import { MAX_FROM_NAME } from './sender-profiles.ts';
import { CannotSendError } from './sending-errors.ts';

// How much of its limits a mailbox uses is added by the outbox.
OutgoingSettingsType.implement({
  description: 'Whether and as what mail is sent from a mailbox; apart from incoming mail.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    enabled: t.exposeBoolean('outgoingEnabled', { description: 'Whether anything is sent from it.' }),
    defaultIdentity: t.field({
      type: Identity,
      nullable: true,
      description:
        'What it sends as where the customer wrote to none of its identities; null: its primary address.',
      resolve: ({ defaultIdentityId }, _args, { em }) =>
        defaultIdentityId == null ? null : em.findOne(Identity, { id: defaultIdentityId }),
    }),
    fromName: t.string({
      nullable: true,
      description: 'The name that recipients see where the sender profile has none; null: the display name.',
      resolve: ({ outgoingFromName }) => outgoingFromName ?? null,
    }),
    personalUser: t.field({
      type: User,
      nullable: true,
      description: 'The user whose own mailbox it is: nobody else sends from it. Null: it is the team’s.',
      resolve: ({ personalUserId }, _args, { em }) =>
        personalUserId == null ? null : em.findOne(User, { id: personalUserId }),
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why nothing can be sent from it now; null when it can.',
      resolve: (mailbox) => outgoingProblem(mailbox),
    }),
  }),
});

builder.objectFields(Mailbox, (t) => ({
  outgoing: t.field({
    type: OutgoingSettingsType,
    description: 'The settings of outgoing mail.',
    resolve: (mailbox) => mailbox,
  }),
}));

const OutgoingPolicyType = builder.objectRef<Organization>('OutgoingPolicy').implement({
  description: 'How an organization sends.',
  fields: (t) => ({
    defaultIdentity: t.field({
      type: Identity,
      nullable: true,
      description: 'What is sent as where neither the conversation nor its mailbox has anything to send as.',
      resolve: ({ defaultIdentityId }, _args, { em }) =>
        defaultIdentityId == null ? null : em.findOne(Identity, { id: defaultIdentityId }),
    }),
    allowsPersonalSenders: t.exposeBoolean('allowsPersonalSenders', {
      description: 'Whether people may answer from their own mailboxes.',
    }),
  }),
});

builder.objectField(Organization, 'outgoingPolicy', (t) =>
  t.field({
    type: OutgoingPolicyType,
    description: 'How it sends.',
    resolve: (organization) => organization,
  }),
);

mutation('updateOutgoingSettings', {
  description:
    'Changes the settings of outgoing mail; what is left out stays, null takes it away. Enabling is refused with the reason while nothing could be sent: a permission that was not granted, a lost sign-in, or no identity that can send. Incoming mail is not touched.',
  permission: 'mailbox:manage',
  input: (t) => ({
    mailboxId: t.id({ required: true, description: 'Which mailbox.' }),
    enabled: t.boolean({ description: 'Whether anything is sent from it.' }),
    defaultIdentityId: t.id({
      description:
        'One of its identities, to send as unless the customer wrote to another; null: the primary.',
    }),
    fromName: t.string({
      description: `The name that recipients see where the sender profile has none: at most ${MAX_FROM_NAME} characters on one line. \`Identity.appearance\` tells what Exchange makes of it.`,
    }),
    personalUserId: t.id({
      description:
        'The user whose own mailbox it is, who may answer customers; only where the organization allows personal senders. Null: it is the team’s.',
    }),
  }),
  payload: { mailbox: { type: Mailbox, description: 'The mailbox with its settings as they are now.' } },
  errors: [NotFoundError, InvalidInputError, CannotSendError],
  resolve: async ({ mailboxId, defaultIdentityId, personalUserId, ...rest }, { em, services }) => ({
    mailbox: await updateOutgoingSettings(
      em,
      decodeId('Mailbox', mailboxId),
      {
        ...rest,
        defaultIdentityId:
          defaultIdentityId == null ? defaultIdentityId : decodeId('Identity', defaultIdentityId),
        personalUserId: personalUserId == null ? personalUserId : decodeId('User', personalUserId),
      },
      services.clock.now(),
    ),
  }),
});

mutation('updateOutgoingPolicy', {
  description:
    'Changes how the organization sends; what is left out stays, what is so already changes nothing.',
  permission: 'organization:manage',
  input: (t) => ({
    defaultIdentityId: t.id({
      description: 'What is sent as where neither the conversation nor its mailbox has anything; null: none.',
    }),
    allowsPersonalSenders: t.boolean({
      description:
        'Whether people may answer from their own mailboxes. Turning it off stops these mailboxes at once; their settings stay.',
    }),
  }),
  payload: { organization: { type: Organization, description: 'The organization as it is now.' } },
  errors: [NotFoundError, InvalidInputError, CannotSendError],
  resolve: async ({ defaultIdentityId, allowsPersonalSenders }, { em, actor }) => ({
    organization: await updateOutgoingPolicy(em, actor.organizationId, {
      allowsPersonalSenders,
      defaultIdentityId:
        defaultIdentityId == null ? defaultIdentityId : decodeId('Identity', defaultIdentityId),
    }),
  }),
});

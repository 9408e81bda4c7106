import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId, encodeGlobalId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { Identity } from './identity.entity.ts';
import { SenderProfile } from './sender-profile.entity.ts';
import {
  assignSenderProfile,
  createSenderProfile,
  deleteSenderProfile,
  listSenderProfiles,
  MAX_FROM_NAME,
  MAX_SENDER_PROFILES,
  MAX_SIGNATURE_HTML,
  MAX_SIGNATURE_TEXT,
  updateSenderProfile,
} from './sender-profiles.ts';
import {
  SenderProfileInUseError,
  SenderProfileNameTakenError,
  TooManySenderProfilesError,
} from './sending-errors.ts';

errorType(SenderProfileNameTakenError, 'Another sender profile of the organization has this name.');
errorType(SenderProfileInUseError, 'Identities use the sender profile; the message says how many.');
errorType(TooManySenderProfilesError, 'The organization has as many sender profiles as it may.');

builder.node(SenderProfile, {
  name: 'SenderProfile',
  description: 'The name, reply address and signature that identities are sent with.',
  authScopes: { permission: 'mailbox:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(SenderProfile),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What administrators call it; unique in the organization.' }),
    fromName: t.string({
      nullable: true,
      description: 'The name that recipients see; null: that of the mailbox.',
      resolve: ({ fromName }) => fromName ?? null,
    }),
    replyTo: t.string({
      nullable: true,
      description: 'Where answers go; null: to the address that the mail came from.',
      resolve: ({ replyTo }) => replyTo ?? null,
    }),
    signatureText: t.string({
      nullable: true,
      description: 'What stands below plain text; null: nothing.',
      resolve: ({ signatureText }) => signatureText ?? null,
    }),
    signatureHtml: t.string({
      nullable: true,
      description: 'What stands below HTML, sanitised; null: nothing.',
      resolve: ({ signatureHtml }) => signatureHtml ?? null,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

builder.queryField('senderProfiles', (t) =>
  t.connection(
    {
      type: SenderProfile,
      description:
        'The sender profiles of the organization by name. Each mailbox gets one when it is connected.',
      authScopes: { permission: 'mailbox:read' },
      resolve: (_root, args, { em }) => listSenderProfiles(em, args),
    },
    connectionType(SenderProfile, 'SenderProfile'),
  ),
);

mutation('createSenderProfile', {
  description: `Makes a sender profile; an organization has at most ${MAX_SENDER_PROFILES}.`,
  permission: 'mailbox:manage',
  input: (t) => ({
    name: t.string({ required: true, description: '1 to 100 characters on one line, used by no other.' }),
    fromName: t.string({
      description: `The name that recipients see, at most ${MAX_FROM_NAME} characters on one line; left out: that of the mailbox.`,
    }),
    replyTo: t.string({ description: 'The address that answers go to; left out: the sender’s.' }),
    signatureText: t.string({
      description: `What stands below plain text: at most ${MAX_SIGNATURE_TEXT} characters.`,
    }),
    signatureHtml: t.string({
      description: `What stands below HTML: at most ${MAX_SIGNATURE_HTML} characters. Scripts, forms and whatever else could harm are taken out; images must be of the web (https).`,
    }),
  }),
  payload: { senderProfile: { type: SenderProfile, description: 'The new sender profile.' } },
  errors: [InvalidInputError, SenderProfileNameTakenError, TooManySenderProfilesError],
  resolve: async (input, { em, actor }) => ({
    senderProfile: await createSenderProfile(em, actor.organizationId, input),
  }),
});

mutation('updateSenderProfile', {
  description:
    'Changes a sender profile, for mail that is written from now on. What is left out stays; null takes it away, but for the name.',
  permission: 'mailbox:manage',
  input: (t) => ({
    senderProfileId: t.id({ required: true, description: 'Which sender profile.' }),
    name: t.string({ description: '1 to 100 characters on one line, used by no other.' }),
    fromName: t.string({
      description: `The name that recipients see, at most ${MAX_FROM_NAME} characters on one line; null: that of the mailbox.`,
    }),
    replyTo: t.string({ description: 'The address that answers go to; null: the sender’s.' }),
    signatureText: t.string({
      description: `What stands below plain text: at most ${MAX_SIGNATURE_TEXT} characters.`,
    }),
    signatureHtml: t.string({
      description: `What stands below HTML: at most ${MAX_SIGNATURE_HTML} characters, sanitised.`,
    }),
  }),
  payload: { senderProfile: { type: SenderProfile, description: 'The sender profile as it is now.' } },
  errors: [InvalidInputError, NotFoundError, SenderProfileNameTakenError],
  resolve: async ({ senderProfileId, ...change }, { em }) => ({
    senderProfile: await updateSenderProfile(em, decodeId('SenderProfile', senderProfileId), change),
  }),
});

mutation('deleteSenderProfile', {
  description: 'Deletes a sender profile that no identity uses.',
  permission: 'mailbox:manage',
  input: (t) => ({ senderProfileId: t.id({ required: true, description: 'Which sender profile.' }) }),
  payload: { deletedSenderProfileId: { type: 'ID', description: 'The id that it had.' } },
  errors: [NotFoundError, SenderProfileInUseError],
  resolve: async ({ senderProfileId }, { em }) => {
    const id = decodeId('SenderProfile', senderProfileId);
    await deleteSenderProfile(em, id);
    return { deletedSenderProfileId: encodeGlobalId('SenderProfile', id) };
  },
});

mutation('assignSenderProfile', {
  description:
    'Gives an identity the sender profile that it is sent with; null takes it away, and it sends no more.',
  permission: 'mailbox:manage',
  input: (t) => ({
    identityId: t.id({ required: true, description: 'Which identity.' }),
    senderProfileId: t.id({ description: 'The sender profile; null: none.' }),
  }),
  payload: { identity: { type: Identity, description: 'The identity as it is now.' } },
  errors: [NotFoundError],
  resolve: async ({ identityId, senderProfileId }, { em }) => ({
    identity: await assignSenderProfile(
      em,
      decodeId('Identity', identityId),
      senderProfileId == null ? null : decodeId('SenderProfile', senderProfileId),
    ),
  }),
});

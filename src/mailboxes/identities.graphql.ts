import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { loadAppearance } from '../outbound/shown-sender.ts';
import { ticketIdentities } from '../outbound/ticket-identities.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import type { Appearance, AppearanceWarning } from './appearance.ts';
import { Identity } from './identity.entity.ts';
import { identityProblem, listIdentities } from './identity-list.ts';
import { Mailbox } from './mailbox.entity.ts';
import { readMailboxAddress } from './mailbox-address.ts';
import type { OfferedIdentity } from './reply-identities.ts';
import { addSendAsAddress, removeIdentity } from './send-as-addresses.ts';
import { SenderProfile } from './sender-profile.entity.ts';
import { CannotSendError, PrimaryIdentityError, TooManyIdentitiesError } from './sending-errors.ts';

errorType(CannotSendError, 'Nothing can be sent from there, or as this; the code says why.');
errorType(PrimaryIdentityError, 'The primary address of a mailbox cannot be taken from it.');
errorType(TooManyIdentitiesError, 'The mailbox has as many identities as it may.');

const IdentityKindEnum = enumType('IdentityKind', 'Where an identity comes from.', {
  PRIMARY: "The mailbox's own address.",
  ALIAS: 'Another address of the mailbox.',
  SEND_AS: 'Added by an administrator, such as the address of a distribution list.',
});

const IdentityStatusEnum = enumType('IdentityStatus', 'Whether an identity may be sent as.', {
  ACTIVE: 'It may.',
  UNVERIFIED: 'Probably: Exchange looks at the right only when a mail is sent. The first one decides.',
  DENIED: 'Microsoft refused; the problem says which right is missing, and what to run when it was given.',
  GONE: 'The mailbox no longer has the address.',
});

const AppearanceWarningKindEnum = enumType(
  'AppearanceWarningKind',
  'In what mail may look otherwise to recipients than it is set here.',
  {
    NAME_MAY_BE_REPLACED: 'The name is not that of the mailbox: Exchange may put that one in its place.',
    NAME_WAS_REPLACED: 'The last mail that was sent so showed another name.',
    ADDRESS_MAY_BE_REPLACED: 'It is an alias: Exchange may send as the primary address.',
    ADDRESS_WAS_REPLACED: 'The last mail that was sent so showed another address.',
    SENT_ON_BEHALF: 'The last mail from the address showed another sender beside it: “A on behalf of B”.',
  },
);

const AppearanceWarningType = builder.objectRef<AppearanceWarning>('AppearanceWarning').implement({
  description: 'Why mail may look otherwise to recipients than it is set here.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    kind: t.expose('kind', { type: AppearanceWarningKindEnum, description: 'For programs.' }),
    message: t.exposeString('message', { description: 'For people: what is shown instead.' }),
    remedy: t.exposeString('remedy', { description: 'What to do about it.' }),
  }),
});

const AppearanceType = builder.objectRef<Appearance>('IdentityAppearance').implement({
  description: 'What recipients see as the sender. Exchange has the last word on both name and address.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name.' }),
    emailAddress: t.exposeString('emailAddress', { description: 'The address.' }),
    seenAt: t.expose('seenAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When a sent mail was seen to look so; null: it is what is asked for, and no mail has shown it yet.',
    }),
    warnings: t.expose('warnings', {
      type: [AppearanceWarningType],
      description: 'In what it differs, or may differ, from what is asked for.',
    }),
  }),
});

builder.node(Identity, {
  name: 'Identity',
  description:
    'An address that a mailbox can send as. Its primary address and aliases are discovered; others are added.',
  authScopes: { permission: 'mailbox:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Identity),
  fields: (t) => ({
    emailAddress: t.exposeString('emailAddress', { description: 'The address.' }),
    kind: t.expose('kind', { type: IdentityKindEnum, description: 'Where it comes from.' }),
    status: t.expose('status', { type: IdentityStatusEnum, description: 'Whether it may be sent as.' }),
    mailbox: t.field({
      type: Mailbox,
      description: 'The mailbox that sends.',
      resolve: ({ mailbox }) => mailbox.loadOrFail(),
    }),
    senderProfile: t.field({
      type: SenderProfile,
      nullable: true,
      description: 'The name, reply address and signature that it is sent with; null: it does not send.',
      resolve: ({ senderProfile }) => senderProfile?.loadOrFail() ?? null,
    }),
    canSend: t.boolean({
      description: 'Whether mail can be sent as it now; `problem` says why not.',
      resolve: async (identity, _args, { em }) => (await identityProblem(em, identity)) === null,
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description:
        'Why nothing can be sent as it now, be it for its own sake or its mailbox; null when it can.',
      resolve: (identity, _args, { em }) => identityProblem(em, identity),
    }),
    appearance: t.field({
      type: AppearanceType,
      description:
        'What recipients will see: as the last sent copy shows it, else what is known of Exchange. Ask before saving what another name would do.',
      complexity: 5,
      args: {
        fromName: t.arg.string({ description: 'A name to think of; left out: the one that is set.' }),
      },
      resolve: (identity, { fromName }, { em }) => loadAppearance(em, identity, fromName ?? null),
    }),
    checkedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When Microsoft last told whether the mailbox has it or may send as it; null: never.',
      resolve: ({ checkedAt }) => checkedAt ?? null,
    }),
    removedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was removed; null while it is in use. Mail that was sent as it still names it.',
      resolve: ({ removedAt }) => removedAt ?? null,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was found or added.' }),
  }),
});

builder.objectFields(Mailbox, (t) => ({
  identities: t.field({
    type: [Identity],
    description: 'The addresses that it can send as, the primary one first. At most 500.',
    resolve: ({ id }, _args, { em }) => listIdentities(em, id),
  }),
  identitiesProblem: t.field({
    type: ProblemType,
    nullable: true,
    description: 'Why only its primary address is known; null when its other addresses may be read.',
    resolve: ({ addressesProblem }) => addressesProblem ?? null,
  }),
}));

const TicketIdentityType = builder.objectRef<OfferedIdentity>('TicketIdentity').implement({
  description: 'An identity that the caller may answer a ticket as, or may not at the moment.',
  authScopes: { permission: 'ticket:reply' },
  fields: (t) => ({
    identity: t.expose('identity', { type: Identity, description: 'The identity.' }),
    canSend: t.boolean({
      description: 'Whether the caller can answer as it now.',
      resolve: ({ reason }) => reason === null,
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why not; null when the caller can.',
      resolve: ({ reason, identity }) => reason?.toProblem(identity.updatedAt) ?? null,
    }),
    isChosen: t.exposeBoolean('isChosen', {
      description:
        'Whether it is taken by a reply that names neither an identity nor a message: at most one is.',
    }),
  }),
});

builder.objectFields(Ticket, (t) => ({
  identities: t.field({
    type: [TicketIdentityType],
    description:
      'What the caller may answer it as: the identities of the mailbox that the answered mail came to first, then those of other mailboxes that send and of the caller’s own. At most 200. The one that is chosen by itself is that of `previewReply`: the address that the customer wrote to, else the default of the mailbox, else of the organization.',
    complexity: 10,
    authScopes: { permission: 'ticket:reply' },
    resolve: (ticket, _args, { em, actor }) => ticketIdentities(em, ticket, actor.userId),
  }),
}));

mutation('addSendAsAddress', {
  description:
    'Lets a mailbox send as another address, such as that of a distribution list. A draft with that sender is made and deleted at once: where Microsoft refuses it, the identity is DENIED, and says which right is missing; otherwise it is UNVERIFIED until a mail was sent. Adding an address again checks it anew, and brings back one that was removed.',
  permission: 'mailbox:manage',
  input: (t) => ({
    mailboxId: t.id({ required: true, description: 'Which mailbox sends.' }),
    emailAddress: t.string({ required: true, description: 'The address that it shall send as.' }),
  }),
  payload: { identity: { type: Identity, description: 'The identity, with its status.' } },
  errors: [NotFoundError, InvalidInputError, TooManyIdentitiesError, GraphError],
  resolve: async ({ mailboxId, emailAddress }, { em, services, signal }) => ({
    identity: await addSendAsAddress(
      em,
      { sending: services.microsoft365.sending, signal, now: services.clock.now() },
      {
        mailboxId: decodeId('Mailbox', mailboxId),
        emailAddress: readMailboxAddress(emailAddress, 'emailAddress'),
      },
    ),
  }),
});

mutation('removeIdentity', {
  description:
    'Takes an identity out of use; mail that was sent as it still names it. A discovered alias stays away, too, until addSendAsAddress brings it back. Not for the primary address. A second time it changes nothing.',
  permission: 'mailbox:manage',
  input: (t) => ({ identityId: t.id({ required: true, description: 'Which identity.' }) }),
  payload: {
    identity: { type: Identity, description: 'The identity, removed.' },
    mailbox: { type: Mailbox, description: 'Its mailbox, with the identities that are left.' },
    wasMailboxDefault: {
      type: 'Boolean',
      description: 'Whether the mailbox sent as it by default, and sends as its primary address now.',
    },
    wasOrganizationDefault: {
      type: 'Boolean',
      description: 'Whether it was the default of the organization, which has none now.',
    },
  },
  errors: [NotFoundError, PrimaryIdentityError],
  resolve: ({ identityId }, { em, services }) =>
    removeIdentity(em, decodeId('Identity', identityId), services.clock.now()),
});

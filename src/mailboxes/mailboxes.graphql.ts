import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { Integration } from '../microsoft365/integration.entity.ts';
import type { MailFolder } from '../microsoft365/mail.ts';
import { CreateTicketsOffError } from '../sync/sync-errors.ts';
import { updateMailbox } from '../sync/update-mailbox.ts';
import { Group } from '../ticketing/group.entity.ts';
import { GroupNotAvailableError } from '../ticketing/group-errors.ts';
import { ExistingMailInput, ExistingMailType, wishOf } from './existing-mail.graphql.ts';
import { NEW_ONLY } from './existing-mail.ts';
import { InboundChannelChangeType } from './inbound-channel.graphql.ts';
import { createMailFolder } from './incoming-settings.ts';
import { type FolderChoice, Mailbox, type SyncIntervalMinutes } from './mailbox.entity.ts';
import {
  ArchiveFolderIsWatchedError,
  ArchiveFolderRequiredError,
  CopyFolderIsArchiveFolderError,
  CopyFolderIsWatchedError,
  InvalidFolderNameError,
  UnknownFolderError,
  UnknownTimeZoneError,
} from './mailbox-errors.ts';
import { listMailboxes, listMailboxesOf } from './mailbox-list.ts';
import { accessOf } from './mailboxes.ts';

errorType(UnknownFolderError, 'The mailbox has no such folder.');
errorType(ArchiveFolderRequiredError, 'Archiving was asked for without a folder to archive to.');
errorType(ArchiveFolderIsWatchedError, 'The archive folder is the folder that is watched.');
errorType(CopyFolderIsWatchedError, 'The copy folder is the folder that is watched.');
errorType(CopyFolderIsArchiveFolderError, 'The copy folder is the archive folder.');
errorType(UnknownTimeZoneError, 'There is no time zone of this name.');
errorType(
  InvalidFolderNameError,
  'The name of the folder is empty, too long or has characters that are refused.',
);

const MailboxKindEnum = enumType('MailboxKind', 'How a mailbox belongs to its account.', {
  PRIMARY: "The account's own mailbox.",
  SHARED: 'A mailbox that is shared with the account.',
  TENANT: 'A mailbox of the tenant, read by the app itself (application mode).',
});

const AfterProcessingEnum = enumType(
  'AfterProcessing',
  'What happens to a message in the mailbox once it is part of a ticket.',
  {
    KEEP: 'It stays where it is.',
    ARCHIVE: 'It is moved to the archive folder.',
    DELETE:
      'It is deleted as Outlook does it, to Deleted Items or Recoverable Items, once all of it, its files included, is stored here.',
  },
);

const SyncIntervalEnum = enumType('SyncInterval', 'How often the watched folder is read.', {
  MINUTES_1: 'Every minute.',
  MINUTES_5: 'Every 5 minutes.',
  MINUTES_15: 'Every 15 minutes.',
  MINUTES_30: 'Every 30 minutes.',
  MINUTES_60: 'Every hour.',
});

type SyncInterval = `MINUTES_${SyncIntervalMinutes}`;

const MailFolderType = builder.objectRef<MailFolder>('MailFolder').implement({
  description: 'A folder of a mailbox, as Exchange has it now.',
  authScopes: { permission: 'mailbox:manage' },
  fields: (t) => ({
    id: t.exposeID('id', { description: "Exchange's id of the folder; constant for the folder's life." }),
    displayName: t.exposeString('displayName', { description: 'Its name, in the language of the mailbox.' }),
    path: t.exposeString('path', { description: 'The names from the top of the mailbox, joined by " / ".' }),
    parentId: t.exposeID('parentId', { nullable: true, description: 'The folder above; null at the top.' }),
    wellKnownName: t.exposeString('wellKnownName', {
      nullable: true,
      description: 'The name that Exchange knows it by in every language, such as inbox.',
    }),
    depth: t.exposeInt('depth', { description: 'How many folders are above it: 0 at the top.' }),
    childFolderCount: t.exposeInt('childFolderCount', {
      description: 'How many folders lie directly below it, without hidden ones.',
    }),
    totalItemCount: t.exposeInt('totalItemCount', { description: 'How many items lie in it.' }),
    unreadItemCount: t.exposeInt('unreadItemCount', { description: 'How many of them are unread.' }),
  }),
});

const FolderChoiceType = builder.objectRef<FolderChoice>('ChosenFolder').implement({
  description: 'A folder that the settings name.',
  fields: (t) => ({
    id: t.exposeID('id', { description: "Exchange's id of the folder." }),
    displayName: t.exposeString('displayName', { description: 'Its name when it was chosen.' }),
  }),
});

const IncomingSettingsType = builder.objectRef<Mailbox>('IncomingSettings').implement({
  description:
    'Which mail of a mailbox becomes tickets, how often it is looked for, and what happens to it then.',
  fields: (t) => ({
    enabled: t.exposeBoolean('incomingEnabled', { description: 'Whether mail is taken in at all.' }),
    intervalMinutes: t.field({
      type: SyncIntervalEnum,
      description: 'How often the folder is read.',
      resolve: ({ syncIntervalMinutes }) => `MINUTES_${syncIntervalMinutes}` as SyncInterval,
    }),
    folder: t.field({
      type: FolderChoiceType,
      nullable: true,
      description: 'The watched folder; null until incoming mail is first enabled.',
      resolve: ({ folder }) => folder ?? null,
    }),
    createTickets: t.exposeBoolean('createTickets', {
      description: 'Whether new mail opens a ticket. Replies join their ticket in any case.',
    }),
    afterProcessing: t.expose('afterProcessing', {
      type: AfterProcessingEnum,
      description: 'What happens to a message once it is part of a ticket.',
    }),
    archiveFolder: t.field({
      type: FolderChoiceType,
      nullable: true,
      description: 'Where processed mail is moved to when archiving is on.',
      resolve: ({ archiveFolder }) => archiveFolder ?? null,
    }),
    copyFolder: t.field({
      type: FolderChoiceType,
      nullable: true,
      description:
        'Where a copy of every incoming mail is put, before the mail itself is archived or deleted; null: nowhere.',
      resolve: ({ copyFolder }) => copyFolder ?? null,
    }),
    group: t.field({
      type: Group,
      nullable: true,
      description:
        'The group that a ticket from new mail goes to, unless a mail rule names another; passed over while it is archived. Null: none.',
      resolve: ({ groupId }, _args, { em }) =>
        groupId == null ? null : em.getReference(Group, groupId, { wrapped: true }).load(),
    }),
    existingMail: t.field({
      type: ExistingMailType,
      description:
        'What was chosen for the mail that was in the folder before, when incoming mail was last enabled or with `importExistingMail`. For how far it has come see `Mailbox.lastImport`.',
      resolve: ({ existingMail }) => existingMail ?? NEW_ONLY,
    }),
    timeZone: t.exposeString('timeZone', {
      description:
        'The zone, by its IANA name, in which sentences of Deskgraph about this mailbox name times, and in which calendar times without a zone are read.',
    }),
    receiveFrom: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'Mail received before this instant is left alone, also when somebody moves it into the watched folder later: when incoming mail was last enabled. `importExistingMail` takes it in.',
      resolve: ({ receiveFrom }) => receiveFrom ?? null,
    }),
  }),
});

builder.node(Mailbox, {
  name: 'Mailbox',
  description: 'An Exchange mailbox that is connected through an account.',
  authScopes: { permission: 'mailbox:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Mailbox),
  fields: (t) => ({
    emailAddress: t.exposeString('emailAddress', { description: 'Its primary address.' }),
    displayName: t.exposeString('displayName', { description: 'Its name in Microsoft 365.' }),
    kind: t.expose('kind', { type: MailboxKindEnum, description: 'How it belongs to the account.' }),
    account: t.field({
      type: Account,
      nullable: true,
      description: 'The account that reads it; null for a removed mailbox whose integration was deleted.',
      resolve: ({ account }) => account?.loadOrFail() ?? null,
    }),
    incoming: t.field({
      type: IncomingSettingsType,
      description: 'The settings of incoming mail.',
      resolve: (mailbox) => mailbox,
    }),
    folders: t.field({
      type: [MailFolderType],
      description:
        'The tree of folders, asked of Microsoft now: each folder is followed by those below it. At most 1,000; hidden folders and search folders are left out. Empty for a removed mailbox: nothing is read from it any more.',
      complexity: 50,
      authScopes: { permission: 'mailbox:manage' },
      resolve: (mailbox, _args, { services, signal }) =>
        mailbox.removedAt ? [] : services.mail.listFolders(accessOf(mailbox), signal),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was connected.' }),
  }),
});

const MailboxConnection = connectionType(Mailbox, 'Mailbox');
builder.objectFields(Account, (t) => ({
  mailboxes: t.connection(
    {
      type: Mailbox,
      description: 'The mailboxes that it reads, the newest first.',
      resolve: ({ id }, args, { em }) => listMailboxesOf(em, { accountId: id }, args),
    },
    MailboxConnection,
  ),
}));

builder.objectFields(Integration, (t) => ({
  mailboxes: t.connection(
    {
      type: Mailbox,
      description: 'The mailboxes that are connected through it, the newest first.',
      resolve: ({ id }, args, { em }) => listMailboxesOf(em, { integrationId: id }, args),
    },
    MailboxConnection,
  ),
}));

builder.queryField('mailboxes', (t) =>
  t.connection(
    {
      type: Mailbox,
      description: 'The mailboxes of the organization, the newest first.',
      authScopes: { permission: 'mailbox:read' },
      resolve: (_root, args, { em }) => listMailboxes(em, args),
    },
    MailboxConnection,
  ),
);

const MINUTES_OF: Readonly<Record<SyncInterval, SyncIntervalMinutes>> = {
  MINUTES_1: 1,
  MINUTES_5: 5,
  MINUTES_15: 15,
  MINUTES_30: 30,
  MINUTES_60: 60,
};

mutation('updateIncomingSettings', {
  description:
    'Changes the settings of incoming mail; what is left out stays. Enabling takes mail in from that moment on: what is already in the folder is left alone. It also makes Microsoft 365 the inbound channel of the organization.',
  permission: 'mailbox:manage',
  input: (t) => ({
    mailboxId: t.id({ required: true, description: 'Which mailbox.' }),
    enabled: t.boolean({ description: 'Whether mail is taken in.' }),
    intervalMinutes: t.field({ type: SyncIntervalEnum, description: 'How often the folder is read.' }),
    folderId: t.id({
      description: 'The folder to watch: an id from `Mailbox.folders`, or a well-known name such as inbox.',
    }),
    createTickets: t.boolean({ description: 'Whether new mail opens a ticket.' }),
    afterProcessing: t.field({ type: AfterProcessingEnum, description: 'What happens to processed mail.' }),
    archiveFolderId: t.id({
      description:
        'Where processed mail is moved to: an id, or a well-known name such as archive. What could not be archived before is tried again.',
    }),
    copyFolderId: t.id({
      description:
        'Where every incoming mail is copied to: an id, or a well-known name; null ends it. What could not be copied before is tried again.',
    }),
    groupId: t.id({
      description: 'The group that a ticket from new mail goes to, not an archived one; null: none.',
    }),
    existingMail: t.field({
      type: ExistingMailInput,
      description:
        'What becomes of the mail that is already in the folder, chosen together with `enabled: true`: nothing when left out. Later use `importExistingMail`.',
    }),
    timeZone: t.string({
      description:
        "The zone in which people read times: IANA's name, such as Europe/Berlin, or the name that Windows has for it.",
    }),
  }),
  payload: {
    mailbox: { type: Mailbox, description: 'The mailbox with its settings as they are now.' },
    inboundChannelChanged: {
      type: InboundChannelChangeType,
      nullable: true,
      description:
        'Set when this made Microsoft 365 the inbound channel of the organization, and turned another one off.',
    },
  },
  errors: [
    NotFoundError,
    UnknownFolderError,
    ArchiveFolderRequiredError,
    ArchiveFolderIsWatchedError,
    CopyFolderIsWatchedError,
    CopyFolderIsArchiveFolderError,
    UnknownTimeZoneError,
    GroupNotAvailableError,
    CreateTicketsOffError,
    InvalidInputError,
    GraphError,
  ],
  resolve: ({ mailboxId, intervalMinutes, groupId, existingMail, ...change }, { em, services, signal }) =>
    updateMailbox(
      em,
      decodeId('Mailbox', mailboxId),
      {
        ...change,
        intervalMinutes: intervalMinutes ? MINUTES_OF[intervalMinutes] : null,
        groupId: groupId == null ? groupId : decodeId('Group', groupId),
        existingMail: wishOf(existingMail),
      },
      { mail: services.mail, clock: services.clock, signal },
    ),
});

mutation('createMailFolder', {
  description:
    'Makes a folder in the mailbox, such as processed-by-deskgraph: at the top, or below another one. An existing folder of that name is given back.',
  permission: 'mailbox:manage',
  input: (t) => ({
    mailboxId: t.id({ required: true, description: 'Which mailbox.' }),
    displayName: t.string({
      defaultValue: 'processed-by-deskgraph',
      required: true,
      description: 'The name of the folder, 1 to 200 characters.',
    }),
    parentFolderId: t.id({
      description:
        'The folder to make it in: an id from `Mailbox.folders`, or a well-known name such as inbox. Left out: the top.',
    }),
  }),
  payload: { folder: { type: MailFolderType, description: 'The folder.' } },
  errors: [NotFoundError, InvalidFolderNameError, UnknownFolderError, GraphError],
  resolve: async ({ mailboxId, displayName, parentFolderId }, { em, services, signal }) => ({
    folder: await createMailFolder(
      em,
      decodeId('Mailbox', mailboxId),
      { displayName, parentFolderId: parentFolderId ?? null },
      { mail: services.mail, signal },
    ),
  }),
});

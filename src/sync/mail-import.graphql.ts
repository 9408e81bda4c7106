import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { TicketStatusEnum } from '../graphql/ticket-status.graphql.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { getMailbox } from '../mailboxes/mailboxes.ts';
import { ImportEndedError, ImportFolderChangedError, ImportRunningError } from './import-errors.ts';
import { type ImportEvent, importEvents, lastImport } from './import-progress.ts';
import { MailImport } from './mail-import.entity.ts';
import { cancelImport, requestImport, resumeImport } from './request-import.ts';
import { CreateTicketsOffError, IncomingDisabledError } from './sync-errors.ts';

errorType(ImportRunningError, 'The mailbox imports its existing mail already, in another way.');
errorType(ImportEndedError, 'The import has ended: there is nothing to cancel or to resume.');
errorType(
  CreateTicketsOffError,
  'The mailbox opens no tickets, so importing its existing mail would only ignore it.',
);
errorType(ImportFolderChangedError, 'The import belongs to a folder that is no longer watched.');

const ImportModeEnum = enumType('ImportMode', 'As what existing mail is imported.', {
  ARCHIVE:
    'As history: tickets and messages keep the dates of the mail and are marked as imported, tickets get `targetStatus`, nobody is notified and nothing answers, streams stay quiet, and the mailbox is left as it is. With a `cutoff` only mail received before it; the other is taken in as new.',
  AS_NEW: 'As if it had come just now: open tickets, live events, and `afterProcessing` as the settings say.',
});

const ImportStateEnum = enumType('ImportState', 'Where an import stands.', {
  QUEUED: 'It waits for a worker.',
  RUNNING: 'It reads and stores mail.',
  PAUSED: 'It goes on by itself at `resumesAt`; `problem` says what it waits for.',
  CANCELLED:
    'Somebody ended it, or the settings have changed; `problem` says so then. `resumeImport` lets it go on.',
  SUCCEEDED: 'All existing mail has an outcome.',
  FAILED: 'It gave up; `problem` says why. `resumeImport` lets it go on.',
});

builder.node(MailImport, {
  name: 'MailImport',
  description:
    'An import of the mail that lay in the watched folder before incoming mail was enabled. It goes on in the background, the oldest mail first, and new mail does not wait for it. What is known already is never doubled.',
  authScopes: { permission: 'mailbox:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(MailImport),
  fields: (t) => ({
    mailbox: t.field({
      type: Mailbox,
      description: 'The mailbox.',
      resolve: ({ mailbox }) => mailbox.loadOrFail(),
    }),
    mode: t.expose('mode', { type: ImportModeEnum, description: 'As what mail is imported.' }),
    since: t.expose('since', {
      type: 'DateTime',
      nullable: true,
      description: 'Mail received before is left out; null: none is.',
    }),
    cutoff: t.expose('cutoff', {
      type: 'DateTime',
      nullable: true,
      description:
        'Mail received before is history, the other is taken in as new; null: all of it is history.',
    }),
    targetStatus: t.expose('targetStatus', {
      type: TicketStatusEnum,
      nullable: true,
      description: 'The status of the tickets of history; null when mail is taken in as new.',
    }),
    until: t.expose('until', {
      type: 'DateTime',
      description: 'Mail received from here on is not existing mail: then incoming mail was enabled.',
    }),
    state: t.expose('state', { type: ImportStateEnum, description: 'Where it stands.' }),
    seen: t.exposeInt('seen', { description: 'Mails that were read so far, each counted once.' }),
    estimated: t.exposeInt('estimated', {
      nullable: true,
      description: 'How many there were at the beginning; null until Microsoft has counted them.',
    }),
    created: t.exposeInt('created', { description: 'Mails that opened a ticket.' }),
    appended: t.exposeInt('appended', { description: 'Mails that joined a ticket.' }),
    ignored: t.exposeInt('ignored', { description: 'Mails that were left alone for a reason.' }),
    failed: t.exposeInt('failed', {
      description: 'Mails that could not be processed; they are tried again by themselves.',
    }),
    requests: t.exposeInt('requests', {
      description: 'HTTP requests to Microsoft Graph, without attachments.',
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why it failed or stopped, or what it waits for.',
      resolve: ({ problem }) => problem ?? null,
    }),
    resumesAt: t.expose('resumesAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it goes on while it is `PAUSED`.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it began.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
  }),
});

builder.objectFields(Mailbox, (t) => ({
  lastImport: t.field({
    type: MailImport,
    nullable: true,
    description: 'The newest import of existing mail, also while it goes on; null when there was none.',
    resolve: async ({ id }, _args, { em }) => (await lastImport(em, id)) ?? null,
  }),
}));

mutation('importExistingMail', {
  description:
    'Imports the mail that lay in the watched folder before incoming mail was enabled. Gives back the import, which goes on in the background: follow it live with `importProgressed`, or with `node(id:)`. Asked for the same again while it is not over, it gives back that import. Refused while the mailbox opens no tickets: its mail would be ignored for good.',
  permission: 'sync:run',
  input: (t) => ({
    mailboxId: t.id({ required: true, description: 'Which mailbox; its incoming mail must be enabled.' }),
    mode: t.field({ type: ImportModeEnum, required: true, description: 'As what.' }),
    since: t.field({ type: 'DateTime', description: 'Leaves out mail received before.' }),
    cutoff: t.field({
      type: 'DateTime',
      description: 'With `ARCHIVE`: only mail received before becomes history. All of it when left out.',
    }),
    targetStatus: t.field({
      type: TicketStatusEnum,
      description: 'With `ARCHIVE`: the status of its tickets; `CLOSED` when left out.',
    }),
  }),
  payload: { mailImport: { type: MailImport, description: 'The import.' } },
  errors: [
    NotFoundError,
    IncomingDisabledError,
    CreateTicketsOffError,
    ImportRunningError,
    InvalidInputError,
  ],
  resolve: async ({ mailboxId, mode, since, cutoff, targetStatus }, { em, services }) => ({
    mailImport: await requestImport(
      em,
      decodeId('Mailbox', mailboxId),
      { mode, since: since ?? null, cutoff: cutoff ?? null, targetStatus: targetStatus ?? null },
      services.clock,
    ),
  }),
});

mutation('cancelImport', {
  description: 'Ends an import where it is. What it has brought stays; `resumeImport` lets it go on.',
  permission: 'sync:run',
  input: (t) => ({ mailImportId: t.id({ required: true, description: 'Which import.' }) }),
  payload: { mailImport: { type: MailImport, description: 'The import.' } },
  errors: [NotFoundError, ImportEndedError],
  resolve: async ({ mailImportId }, { em, services }) => ({
    mailImport: await cancelImport(em, decodeId('MailImport', mailImportId), services.clock),
  }),
});

mutation('resumeImport', {
  description:
    'Lets an import that was cancelled or has failed go on from where it was. One that is not over is given back as it is.',
  permission: 'sync:run',
  input: (t) => ({ mailImportId: t.id({ required: true, description: 'Which import.' }) }),
  payload: { mailImport: { type: MailImport, description: 'The import.' } },
  errors: [
    NotFoundError,
    IncomingDisabledError,
    CreateTicketsOffError,
    ImportEndedError,
    ImportFolderChangedError,
    ImportRunningError,
  ],
  resolve: async ({ mailImportId }, { em, services }) => ({
    mailImport: await resumeImport(em, decodeId('MailImport', mailImportId), services.clock),
  }),
});

const ImportEventType = builder.objectRef<ImportEvent>('ImportEvent').implement({
  description: 'An import of existing mail has progressed.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    mailImport: t.field({
      type: MailImport,
      nullable: true,
      description: 'The import as it is now; null when its mailbox was removed meanwhile.',
      resolve: ({ mailImportId }, _args, { em }) => em.findOne(MailImport, { id: mailImportId }),
    }),
  }),
});

builder.subscriptionField('importProgressed', (t) =>
  t.field({
    type: ImportEventType,
    description:
      'The progress of the imports of a mailbox, or of all of them: an event with each page of up to 100 mails, and with each change of state.',
    authScopes: { permission: 'mailbox:read' },
    args: {
      mailboxId: t.arg.id({ description: 'Only this mailbox.' }),
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first.',
      }),
    },
    // An unknown mailbox is an error: silence for ever would be no answer.
    subscribe: async (_root, { mailboxId, after }, { em, actor, services, signal }) =>
      importEvents(
        services.events,
        { organizationId: actor.organizationId, after, signal },
        mailboxId ? (await getMailbox(em, decodeId('Mailbox', mailboxId))).id : null,
      ),
    resolve: (event) => event,
  }),
);

import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { getMailbox } from '../mailboxes/mailboxes.ts';
import { Reconciliation } from './reconciliation.entity.ts';
import { ReconciliationDay } from './reconciliation-day.entity.ts';
import { lastReconciliation, listReconciliationDays, listReconciliations } from './reconciliation-list.ts';
import { requestReconciliation } from './request-reconciliation.ts';
import { IncomingDisabledError } from './sync-errors.ts';
import { SyncStatus } from './sync-status.ts';

const ReconciliationTriggerEnum = enumType('ReconciliationTrigger', 'What made a reconciliation happen.', {
  MANUAL: 'A person asked for it, by `reconcileMailbox`.',
  NIGHTLY: 'Every mailbox has its turn between midnight and five (UTC).',
});

const ReconciliationStateEnum = enumType('ReconciliationState', 'Where a reconciliation stands.', {
  QUEUED: 'It waits for a worker.',
  RUNNING: 'It compares or repairs, or waits until Microsoft lets it go on; then `problem` says why.',
  SUCCEEDED: 'Everything was compared, and what differed was repaired as far as it could be.',
  FAILED: 'It gave up; `problem` says why.',
});

const ReconciledFolderEnum = enumType('ReconciledFolder', 'Where mail lies.', {
  WATCHED: 'The watched folder.',
  ARCHIVE: 'The archive folder, while processed mail is archived.',
  ELSEWHERE: 'Any other folder: mail whose message was lost here. Nothing is listed there.',
});

builder.objectType(ReconciliationDay, {
  name: 'ReconciliationDay',
  description:
    'The figures of one folder and day. In the watched and the archive folder: listed = stored + ignored + failed + unrelated + (missing - repaired).',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    folder: t.expose('folder', { type: ReconciledFolderEnum, description: 'Where the mail lies.' }),
    date: t.exposeString('date', {
      description: 'The day on which Exchange received it, in UTC, such as "2026-11-21".',
    }),
    listed: t.exposeInt('listed', { description: 'Mails that Microsoft listed.' }),
    stored: t.exposeInt('stored', { description: 'Of these, messages of a ticket.' }),
    ignored: t.exposeInt('ignored', { description: 'Of these, mails that were left alone for a reason.' }),
    failed: t.exposeInt('failed', { description: 'Of these, mails that could not be processed yet.' }),
    unrelated: t.exposeInt('unrelated', {
      description: 'Of these, mails that people filed in the archive folder and that never were ours.',
    }),
    missing: t.exposeInt('missing', { description: 'Mails without an outcome or without their message.' }),
    repaired: t.exposeInt('repaired', {
      description: 'Of the missing, those that have an outcome again: `stored`, `ignored` or `failed`.',
    }),
  }),
});

const ReconciliationDayConnection = connectionType(ReconciliationDay, 'ReconciliationDay');

builder.node(Reconciliation, {
  name: 'Reconciliation',
  description:
    "One comparison of a mailbox's folders with the ledger, and the repair of what differed. The figures are sums over the folders and days, and are complete when it has ended.",
  authScopes: { permission: 'mailbox:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Reconciliation),
  fields: (t) => ({
    mailbox: t.field({
      type: Mailbox,
      description: 'The mailbox.',
      resolve: ({ mailbox }) => mailbox.loadOrFail(),
    }),
    trigger: t.expose('trigger', { type: ReconciliationTriggerEnum, description: 'What made it happen.' }),
    state: t.expose('state', { type: ReconciliationStateEnum, description: 'Where it stands.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it began.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    since: t.expose('since', { type: 'DateTime', description: 'Mail received from here on is compared.' }),
    until: t.expose('until', {
      type: 'DateTime',
      nullable: true,
      description: 'Mail received until here is compared; null before it began.',
    }),
    isCut: t.exposeBoolean('isCut', {
      description:
        'Whether there was more mail, or more that differed, than is compared at a time: `until` says how far it came. Ask again with `since` from there.',
    }),
    requests: t.exposeInt('requests', { description: 'HTTP requests to Microsoft Graph.' }),
    listed: t.exposeInt('listed', { description: 'Mails that Microsoft listed.' }),
    stored: t.exposeInt('stored', { description: 'Of these, messages of a ticket.' }),
    ignored: t.exposeInt('ignored', { description: 'Of these, mails that were left alone for a reason.' }),
    failed: t.exposeInt('failed', { description: 'Of these, mails that could not be processed yet.' }),
    unrelated: t.exposeInt('unrelated', {
      description: 'Of these, mails that people filed in the archive folder and that never were ours.',
    }),
    missing: t.exposeInt('missing', {
      description: 'Mails without an outcome or without their message, wherever they lie.',
    }),
    repaired: t.exposeInt('repaired', { description: 'Of the missing, those that have an outcome again.' }),
    gone: t.exposeInt('gone', {
      description:
        'Mails of that time that are known here and lie in neither folder: moved or deleted by people. That is nothing wrong.',
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why it failed, or what it waits for.',
      resolve: ({ problem }) => problem ?? null,
    }),
    days: t.connection(
      {
        type: ReconciliationDay,
        description: 'The figures by folder and day, the latest day first.',
        resolve: ({ id }, args, { em }) => listReconciliationDays(em, { ...args, reconciliationId: id }),
      },
      ReconciliationDayConnection,
    ),
  }),
});

const ReconciliationConnection = connectionType(Reconciliation, 'Reconciliation');

builder.objectFields(Mailbox, (t) => ({
  reconciliations: t.connection(
    {
      type: Reconciliation,
      description: 'The reconciliations of this mailbox of the last 90 days, the newest first.',
      resolve: ({ id }, args, { em }) => listReconciliations(em, { ...args, mailboxId: id }),
    },
    ReconciliationConnection,
  ),
}));

builder.objectFields(SyncStatus, (t) => ({
  lastReconciliation: t.field({
    type: Reconciliation,
    nullable: true,
    description: 'The newest reconciliation, also while it runs; null before the first one.',
    resolve: async ({ mailboxId }, _args, { em }) => (await lastReconciliation(em, mailboxId)) ?? null,
  }),
}));

mutation('reconcileMailbox', {
  description:
    'Compares the watched folder, and the archive folder while processed mail is archived, with what is known here, and repairs what differs. Gives back the reconciliation, which goes on in the background: follow it with `node(id:)`, or live with `syncStatusChanged`. While one waits or runs, that one is given back.',
  permission: 'sync:run',
  input: (t) => ({
    mailboxId: t.id({ required: true, description: 'Which mailbox.' }),
    since: t.field({
      type: 'DateTime',
      description:
        'Compares mail received from here on; by default that of the last seven days. Mail from before incoming mail was enabled is compared only where it was imported.',
    }),
    takeInArchive: t.boolean({
      defaultValue: false,
      description:
        'Whether mail in the archive folder of which nothing is known here becomes tickets, too: after a loss of data. Mail that people filed there themselves cannot be told apart from it.',
    }),
  }),
  payload: { reconciliation: { type: Reconciliation, description: 'The reconciliation.' } },
  errors: [NotFoundError, IncomingDisabledError, InvalidInputError],
  resolve: async ({ mailboxId, since, takeInArchive }, { em, services }) => ({
    reconciliation: await requestReconciliation(
      em,
      await getMailbox(em, decodeId('Mailbox', mailboxId)),
      { trigger: 'MANUAL', since: since ?? null, takesInArchive: takeInArchive ?? false },
      services.clock.now(),
    ),
  }),
});

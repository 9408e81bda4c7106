import { NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { getAnyMailbox, getMailbox } from '../mailboxes/mailboxes.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { requestSync } from './request-sync.ts';
import { requestRetry } from './retry-inbound-message.ts';
import { InboundMessageNotFailedError, IncomingDisabledError, TicketNotOpenedError } from './sync-errors.ts';
import { SyncRun } from './sync-run.entity.ts';
import { listSyncRuns } from './sync-run-list.ts';
import { readSyncStatus, SyncStatus } from './sync-status.ts';
import { type SyncStatusEvent, syncStatusEvents } from './sync-status-stream.ts';

errorType(IncomingDisabledError, 'Incoming mail is switched off for the mailbox.');
errorType(InboundMessageNotFailedError, 'The message has not failed.');
errorType(TicketNotOpenedError, 'The message was ignored for a reason that nobody can overrule.');

const SyncTriggerEnum = enumType('SyncTrigger', 'What made a sync run happen.', {
  PUSH: 'Microsoft announced new mail, now or some seconds ago: mail that is announced and not shown yet is looked for again.',
  POLL: 'The polling interval had passed.',
  MANUAL: 'A person asked for it, by `runSyncNow` or by a change of the settings.',
  IMPORT:
    'An import of the mail that was already there has ended: see `importExistingMail`. Its figures are those of the whole import.',
  RECOVERY:
    'A gap is closed: an earlier run was cut off, the server started or its database came back, a subscription for notifications was made, Microsoft ended one or told that it had not announced everything, a reconciliation met mail that is unknown here, the watched folder was changed, or the account can be used again.',
});

const SyncRunStateEnum = enumType('SyncRunState', 'Where a sync run stands.', {
  QUEUED: 'It waits for a worker.',
  RUNNING: 'It is reading the folder.',
  SUCCEEDED: 'The folder was read to its end.',
  POSTPONED: 'Microsoft 365 asked to slow down: another run goes on at `resumesAt`. Nothing is wrong.',
  FAILED: 'Microsoft 365 refused; `problem` says why. The next poll tries again.',
  INTERRUPTED: 'The process was stopped in the middle; its successor went on from where it was.',
});

const SyncStateEnum = enumType('SyncState', 'What the sync of a mailbox does at the moment.', {
  DISABLED: 'Incoming mail is switched off.',
  IDLE: 'It waits for the next poll.',
  QUEUED: 'A run waits for a worker.',
  RUNNING: 'A run is reading the folder.',
  PAUSED: 'Microsoft 365 asked to slow down: it goes on by itself at `resumesAt`. Nothing is wrong.',
  FAILING: 'The last run failed; it is tried again by itself.',
});

builder.node(SyncRun, {
  name: 'SyncRun',
  description: "One pass over a mailbox's watched folder.",
  authScopes: { permission: 'mailbox:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(SyncRun),
  fields: (t) => ({
    trigger: t.expose('trigger', { type: SyncTriggerEnum, description: 'What made it happen.' }),
    state: t.expose('state', { type: SyncRunStateEnum, description: 'Where it stands.' }),
    mailbox: t.field({
      type: Mailbox,
      description: 'The mailbox.',
      resolve: ({ mailbox }) => mailbox.loadOrFail(),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it began.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    seen: t.exposeInt('seen', {
      description: 'Messages that Microsoft listed, those known before included.',
    }),
    created: t.exposeInt('created', { description: 'Messages that opened a ticket.' }),
    appended: t.exposeInt('appended', { description: 'Messages that joined a ticket.' }),
    ignored: t.exposeInt('ignored', { description: 'Messages that were left alone, each with its reason.' }),
    failed: t.exposeInt('failed', { description: 'Messages that could not be processed.' }),
    requests: t.exposeInt('requests', { description: 'HTTP requests to Microsoft Graph.' }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why it failed, or was postponed.',
      resolve: ({ problem }) => problem ?? null,
    }),
    resumesAt: t.expose('resumesAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When another run goes on where a postponed one stopped.',
    }),
  }),
});

builder.objectType(SyncStatus, {
  name: 'SyncStatus',
  description: 'The sync of a mailbox at a glance.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    state: t.expose('state', { type: SyncStateEnum, description: 'What it does at the moment.' }),
    lastRun: t.field({
      type: SyncRun,
      nullable: true,
      description: 'The last run that ended.',
      resolve: ({ lastRun }) => lastRun,
    }),
    nextPollAt: t.expose('nextPollAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the folder is read next at the latest.',
    }),
    resumesAt: t.expose('resumesAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Until when it is `PAUSED`, because Microsoft 365 asked to slow down; null when it is not.',
    }),
    lastSuccessAt: t.expose('lastSuccessAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the folder was last read to its end.',
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'What keeps it from working.',
      resolve: ({ problem }) => problem,
    }),
  }),
});

const SyncRunConnection = connectionType(SyncRun, 'SyncRun');

builder.objectFields(Mailbox, (t) => ({
  syncStatus: t.field({
    type: SyncStatus,
    description: 'Whether mail flows, and if not, why.',
    complexity: 10,
    resolve: async ({ id }, _args, { em }) => (await readSyncStatus(em, id)) as SyncStatus,
  }),
  syncRuns: t.connection(
    {
      type: SyncRun,
      description: 'The runs of this mailbox, the newest first.',
      resolve: ({ id }, args, { em }) => listSyncRuns(em, { ...args, mailboxId: id }),
    },
    SyncRunConnection,
  ),
}));

builder.queryField('syncRuns', (t) =>
  t.connection(
    {
      type: SyncRun,
      description: 'The sync runs of the organization, or of one mailbox, the newest first.',
      authScopes: { permission: 'mailbox:read' },
      args: { mailboxId: t.arg.id({ description: 'Only the runs of this mailbox.' }) },
      resolve: (_root, { mailboxId, ...args }, { em }) =>
        listSyncRuns(em, { ...args, mailboxId: mailboxId ? decodeId('Mailbox', mailboxId) : null }),
    },
    SyncRunConnection,
  ),
);

mutation('runSyncNow', {
  description:
    'Reads the watched folder now. Gives back the run, which goes on in the background: follow it with `node(id:)`, or live with `syncStatusChanged`. Asked for again before it has begun, it gives back the same run.',
  permission: 'sync:run',
  input: (t) => ({ mailboxId: t.id({ required: true, description: 'Which mailbox.' }) }),
  payload: { syncRun: { type: SyncRun, description: 'The run that will do it.' } },
  errors: [NotFoundError, IncomingDisabledError],
  resolve: async ({ mailboxId }, { em }) => ({
    syncRun: await requestSync(em, await getMailbox(em, decodeId('Mailbox', mailboxId)), 'MANUAL'),
  }),
});

mutation('retryInboundMessage', {
  description:
    'Tries a message that failed again, now: to process it, to copy it, to archive or delete it. The files that kept it from being deleted are fetched again as well. With `openTicket` also one that was ignored. It goes on in the background; asked for again, nothing is doubled.',
  permission: 'inbound-message:retry',
  input: (t) => ({
    inboundMessageId: t.id({ required: true, description: 'Which message.' }),
    openTicket: t.boolean({
      description:
        'True: a message that was ignored becomes part of a ticket all the same, of the one that it answers, else of a new one, whatever mail rules, the recognition of machines or `createTickets` say. Refused for copies, drafts, and mail whose ticket was deleted. One that is part of a ticket already stays as it is.',
    }),
  }),
  payload: { inboundMessage: { type: InboundMessage, description: 'The message, as it is before the try.' } },
  errors: [NotFoundError, InboundMessageNotFailedError, TicketNotOpenedError],
  resolve: async ({ inboundMessageId, openTicket }, { em, services }) => ({
    inboundMessage: await requestRetry(
      em,
      { inboundMessageId: decodeId('InboundMessage', inboundMessageId), openTicket: openTicket ?? false },
      services.clock.now(),
    ),
  }),
});

const SyncStatusEventType = builder.objectRef<SyncStatusEvent>('SyncStatusEvent').implement({
  description: 'The sync of a mailbox has changed.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    mailbox: t.field({
      type: Mailbox,
      description: 'The mailbox.',
      resolve: ({ mailboxId }, _args, { em }) => getAnyMailbox(em, mailboxId),
    }),
    syncStatus: t.field({
      type: SyncStatus,
      nullable: true,
      description: 'Its sync as it is now; null when the mailbox was removed meanwhile.',
      resolve: ({ mailboxId }, _args, { em }) => readSyncStatus(em, mailboxId),
    }),
  }),
});

builder.subscriptionField('syncStatusChanged', (t) =>
  t.field({
    type: SyncStatusEventType,
    description: 'Every change of the sync of a mailbox, or of all of them.',
    authScopes: { permission: 'mailbox:read' },
    args: {
      mailboxId: t.arg.id({ description: 'Only this mailbox.' }),
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first.',
      }),
    },
    // An unknown mailbox is an error: silence for ever would be no answer.
    subscribe: async (_root, { mailboxId, after }, { em, actor, services, signal }) =>
      syncStatusEvents(
        services.events,
        { organizationId: actor.organizationId, after, signal },
        mailboxId ? (await getMailbox(em, decodeId('Mailbox', mailboxId))).id : null,
      ),
    resolve: (event) => event,
  }),
);

import { builder, enumType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { InboundMessage } from './inbound-message.entity.ts';
import { type InboundMessageFilter, listInboundMessages } from './inbound-message-list.ts';
import { Message } from './message.entity.ts';
import { Ticket } from './ticket.entity.ts';

export const InboundOutcomeEnum = enumType(
  'InboundOutcome',
  'What became of a message that was seen in a mailbox.',
  {
    TICKET_CREATED: 'It opened a ticket.',
    REPLY_ADDED: 'It joined a ticket.',
    IGNORED:
      'It was left alone; `reason` says why. `retryInboundMessage` with `openTicket` overrules that, unless it is a copy, a draft, or of a deleted ticket.',
    FAILED: 'It could not be processed; `problem` says why. It is tried again.',
  },
);

export const InboundReasonEnum = enumType('InboundReason', 'Why a message became what it became.', {
  NEW_CONVERSATION: 'It belongs to nothing that is known.',
  REFERENCES: 'Its In-Reply-To or References header names a message of the ticket.',
  TICKET_TOKEN: 'Its subject names the ticket, and its sender takes part in it.',
  CONVERSATION: 'Outlook groups it with the ticket, under the same subject, and its sender takes part in it.',
  TICKETS_OFF: 'It is no reply, and the mailbox does not open tickets.',
  DRAFT: 'Nobody has sent it.',
  DUPLICATE: 'It is a copy of a message that is part of a ticket already.',
  TICKET_DELETED: 'It belonged to a ticket that was deleted, or is a copy of mail that did.',
  MAIL_RULE: 'A mail rule ignores it; `explanation` names the rule.',
  MOVED: 'A person put its message into another ticket.',
  FOLLOW_UP: 'It replies to a ticket that was closed long ago; it opened a new one, linked to that.',
  PROCESSING_ERROR: 'It could not be read or stored.',
  RESTORED: 'A reconciliation put it back: its message, or this row, had gone missing here.',
  AUTO_REPLY: 'A robot answered a message that is not known here.',
  OUT_OF_OFFICE: 'An out-of-office reply to a message that is not known here.',
  READ_RECEIPT: 'It only says that a message was delivered or read.',
  BOUNCE: 'It says that a message could not be delivered.',
  CALENDAR_RESPONSE: 'An answer to an invitation that is not known here.',
  OWN_MAIL: 'Deskgraph sent it, and it came back.',
  STORM: 'Its sender opened too many tickets within an hour: the rest share one.',
});

const ArchiveStateEnum = enumType(
  'ArchiveState',
  'Where archiving, deleting or copying a message in its mailbox stands.',
  {
    NOT_WANTED: 'It stays where it is, or is not copied.',
    DUE: 'It is about to be done. Nothing is moved or deleted before its copy is there.',
    DONE: 'It was done.',
    FAILED:
      'It could not be done; `problem` says why. `retryInboundMessage` tries it again, and so does choosing the folder in the settings, be it the same, for all of them.',
  },
);

builder.node(InboundMessage, {
  name: 'InboundMessage',
  description:
    'The ledger row of one message that was seen in a mailbox, and what became of it. Every message seen has exactly one.',
  authScopes: { permission: 'inbound-message:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(InboundMessage),
  fields: (t) => ({
    mailbox: t.field({
      type: Mailbox,
      description: 'Where it was seen.',
      resolve: ({ mailbox }) => mailbox.loadOrFail(),
    }),
    internetMessageId: t.exposeString('internetMessageId', {
      nullable: true,
      description: 'The Message-ID of RFC 5322 with its angle brackets; null when it has none.',
    }),
    subject: t.exposeString('subject', { description: 'Its subject.' }),
    from: t.exposeString('fromAddress', {
      nullable: true,
      description: 'The address of its sender, by its own word; null when it names none.',
    }),
    isImported: t.boolean({
      description: 'Whether it is history that was imported.',
      resolve: ({ importedAs }) => importedAs != null,
    }),
    receivedAt: t.expose('receivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When Exchange received it.',
    }),
    outcome: t.expose('outcome', { type: InboundOutcomeEnum, description: 'What became of it.' }),
    reason: t.expose('reason', { type: InboundReasonEnum, description: 'Why, for programs.' }),
    explanation: t.exposeString('explanation', { description: 'Why, for people, in a sentence.' }),
    ticket: t.field({
      type: Ticket,
      nullable: true,
      description: 'The ticket that it belongs to; for a copy, the ticket of the original.',
      resolve: ({ ticket }) => ticket?.loadOrFail() ?? null,
    }),
    message: t.field({
      type: Message,
      nullable: true,
      description: 'The message that it became.',
      resolve: ({ message }) => message?.loadOrFail() ?? null,
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description:
        'Why it failed, why it could not be archived, deleted or copied, or why it was not opened when a person asked for it.',
      resolve: ({ problem }) => problem ?? null,
    }),
    attempts: t.exposeInt('attempts', { description: 'How often processing it was tried.' }),
    archiveState: t.expose('archiveState', {
      type: ArchiveStateEnum,
      description: 'Whether it was archived or deleted in its mailbox.',
    }),
    archivedAt: t.expose('archivedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was moved to the archive folder, or deleted.',
    }),
    copyState: t.expose('copyState', {
      type: ArchiveStateEnum,
      description: 'Whether it was copied to the copy folder.',
    }),
    copiedAt: t.expose('copiedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was copied to the copy folder.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was first seen.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the row last changed.' }),
  }),
});

const InboundMessageFilterInput = builder.inputType('InboundMessageFilter', {
  description: 'Which rows of the ledger; all conditions that are given hold at once.',
  fields: (t) => ({
    mailboxId: t.id({ description: 'Seen in this mailbox.' }),
    outcome: t.field({ type: [InboundOutcomeEnum], description: 'With one of these outcomes.' }),
    archiveState: t.field({
      type: [ArchiveStateEnum],
      description: 'Archived or not: `FAILED` lists what could not be moved, each with its problem.',
    }),
    copyState: t.field({
      type: [ArchiveStateEnum],
      description: 'Copied or not: `FAILED` lists what could not be copied, each with its problem.',
    }),
    reason: t.field({ type: [InboundReasonEnum], description: 'For one of these reasons.' }),
    ticketId: t.id({ description: 'Of this ticket, or copies of its mail.' }),
    fromAddress: t.string({ description: 'From this address, in upper or lower case.' }),
    internetMessageId: t.string({ description: 'With this Message-ID, angle brackets included.' }),
    receivedFrom: t.field({
      type: 'DateTime',
      description:
        'Received by Exchange at this time or later. With `receivedFrom` or `receivedUntil` the list is in the order of receipt.',
    }),
    receivedUntil: t.field({ type: 'DateTime', description: 'Received by Exchange before this time.' }),
  }),
});

builder.queryField('inboundMessages', (t) =>
  t.connection(
    {
      type: InboundMessage,
      description:
        'The ledger: every message that was seen in a mailbox, the last seen first; with a time of receipt in the filter, the last received.',
      authScopes: { permission: 'inbound-message:read' },
      args: { filter: t.arg({ type: InboundMessageFilterInput, description: 'Only these.' }) },
      resolve: (_root, { filter, ...page }, { em }) =>
        listInboundMessages(em, { ...page, filter: filter ? inboundMessageFilter(filter) : null }),
    },
    connectionType(InboundMessage, 'InboundMessage'),
  ),
);

function inboundMessageFilter(input: typeof InboundMessageFilterInput.$inferInput): InboundMessageFilter {
  return {
    ...input,
    mailboxId: input.mailboxId ? decodeId('Mailbox', input.mailboxId) : null,
    ticketId: input.ticketId ? decodeId('Ticket', input.ticketId) : null,
  };
}

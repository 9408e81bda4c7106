import { grants } from '../access/permissions.ts';
import { User } from '../access/user.entity.ts';
import { NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Identity } from '../mailboxes/identity.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { Message } from '../ticketing/message.entity.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { OutboundMessageNotFailedError, OutboundMessageNotQueuedError } from './outbound-errors.ts';
import { OutboundMessage } from './outbound-message.entity.ts';
import {
  cancelOutboundMessage,
  deliveryOf,
  listOutboundMessages,
  type OutboundMessageFilter,
  retryOutboundMessage,
} from './outbound-messages.ts';
import { mailInTheWay, obstacleOf, waitingReason } from './outbound-waiting.ts';

errorType(OutboundMessageNotQueuedError, 'The mail does not wait any more, so it cannot be cancelled.');
errorType(OutboundMessageNotFailedError, 'The mail did not fail, so there is nothing to try again.');

const OutboundKindEnum = enumType('OutboundKind', 'What a mail of the outbox is.', {
  REPLY: 'What somebody wrote to a customer.',
  NOTIFICATION: 'What Deskgraph tells somebody by itself.',
  TEST: 'A test of the settings.',
});

const OutboundStateEnum = enumType('OutboundState', 'Where a mail of the outbox stands.', {
  QUEUED: 'It waits; `waitingFor` says what for. It can be cancelled.',
  SENDING: 'It is being sent, or may have been: that is found out before anything is repeated.',
  SENT: 'Microsoft has taken it. Where it gave no answer, and no copy is to be seen, `problem` says so (`SEND_NOT_CONFIRMED`).',
  BOUNCED: 'It was sent, and a report says that it did not arrive.',
  FAILED: 'It was not sent; `problem` says why. `retryOutboundMessage` tries it again.',
  CANCELLED: 'Somebody cancelled it before it was sent.',
});

const SentCopyEnum = enumType('SentCopy', 'Where the copy of a sent mail lies.', {
  PENDING: 'Nobody has looked yet.',
  FOUND: 'In Sent Items of the mailbox that it was sent from.',
  ELSEWHERE: 'In another folder of that mailbox.',
  MISSING: 'Not in that mailbox; `Mailbox.outgoing.warnings` says which setting is to be looked at.',
});

const WaitingReasonEnum = enumType('OutboundWaitingReason', 'What a mail of the outbox waits for.', {
  TURN: 'It is next, or others are before it.',
  EARLIER_MESSAGE: 'An earlier mail of its ticket goes first: `waitsBehind` names it.',
  LIMIT: 'The mailbox has sent as much as Exchange allows for now.',
  THROTTLED: 'Microsoft asked us to slow down.',
  ACCOUNT: 'The account of the mailbox has to be mended; it goes on by itself then.',
  RETRY: 'It is tried again after something that passes by itself.',
});

builder.node(OutboundMessage, {
  name: 'OutboundMessage',
  description:
    'A mail that is sent from a mailbox here: from queued to sent, bounced, failed or cancelled. It is sent exactly once, whatever fails on the way.',
  authScopes: { permission: 'outbound-message:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(OutboundMessage),
  fields: (t) => ({
    kind: t.expose('kind', { type: OutboundKindEnum, description: 'What it is.' }),
    state: t.expose('state', { type: OutboundStateEnum, description: 'Where it stands.' }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description:
        'Why it failed, or why it waits and until when, be it for its own sake or because its mailbox pauses; of one that is SENT, that nobody knows for certain whether it went out, and what to do (`SEND_NOT_CONFIRMED`). Otherwise null.',
      resolve: async (row) => obstacleOf(row, await row.mailbox.loadOrFail()),
    }),
    waitingFor: t.field({
      type: WaitingReasonEnum,
      nullable: true,
      description: 'What it waits for; null when it does not wait.',
      resolve: async (row, _args, { em }) =>
        waitingReason(
          row,
          obstacleOf(row, await row.mailbox.loadOrFail()),
          (await mailInTheWay(em, `${row.organization.id}:${row.id}`)) !== undefined,
        ),
    }),
    waitsBehind: t.field({
      type: OutboundMessage,
      nullable: true,
      description:
        'The earlier mail of its ticket that has to go first, with its own state and `problem`; null when there is none. To wait no longer, cancel that one. From one mailbox mails of a ticket go in their order. A reply from another mailbox goes first for a minute only, and a notification never holds up another mailbox, nor a reply once something is the matter with it.',
      resolve: async (row, _args, { em }) =>
        row.state === 'QUEUED'
          ? ((await mailInTheWay(em, `${row.organization.id}:${row.id}`)) ?? null)
          : null,
    }),
    mailbox: t.field({
      type: Mailbox,
      description: 'Which mailbox it is sent from.',
      resolve: ({ mailbox }) => mailbox.loadOrFail(),
    }),
    identity: t.field({
      type: Identity,
      description: 'What it is sent as.',
      resolve: ({ identity }) => identity.loadOrFail(),
    }),
    from: t.field({
      type: CorrespondentType,
      description: 'The sender that it is given.',
      resolve: ({ from }) => from,
    }),
    shownFrom: t.field({
      type: CorrespondentType,
      nullable: true,
      description:
        'The sender that recipients see, by the sent copy: Exchange may put another name or address there. Null until it was read.',
      resolve: ({ shownFrom }) => shownFrom ?? null,
    }),
    shownSender: t.field({
      type: CorrespondentType,
      nullable: true,
      description:
        'Who really sent it, by the sent copy. Where its address is another one than that of `shownFrom` (the right Send on Behalf), recipients see “A on behalf of B”. Null until it was read.',
      resolve: ({ shownSender }) => shownSender ?? null,
    }),
    to: t.field({ type: [CorrespondentType], description: 'To whom it goes.', resolve: ({ to }) => to }),
    cc: t.field({ type: [CorrespondentType], description: 'Who gets a copy.', resolve: ({ cc }) => cc }),
    bcc: t.field({
      type: [CorrespondentType],
      description: 'Who gets a copy unseen by the others. Empty for those who may not manage the outbox.',
      resolve: ({ bcc }, _args, { actor }) => (grants(actor.role, 'outbound-message:manage') ? bcc : []),
    }),
    subject: t.exposeString('subject', { description: 'Its subject.' }),
    ticket: t.field({
      type: Ticket,
      nullable: true,
      description: 'The ticket that it belongs to; null for tests, and when the ticket was deleted.',
      resolve: ({ ticket }) => ticket?.loadOrFail() ?? null,
    }),
    message: t.field({
      type: Message,
      nullable: true,
      description: 'The message of the ticket that it is; null where the conversation does not show it.',
      resolve: ({ message }) => message?.loadOrFail() ?? null,
    }),
    author: t.field({
      type: User,
      nullable: true,
      description: 'Who asked for it; null for what Deskgraph sends by itself.',
      resolve: ({ author }) => author?.loadOrFail() ?? null,
    }),
    attempts: t.exposeInt('attempts', {
      description: 'How often sending it was tried. Waiting for a limit or for the account does not count.',
    }),
    internetMessageId: t.exposeString('internetMessageId', {
      nullable: true,
      description: 'The Message-ID of RFC 5322 with its angle brackets; null until its draft was made.',
    }),
    queuedAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was queued.' }),
    sentAt: t.expose('sentAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When Microsoft took it; null before.',
    }),
    sentCopy: t.expose('sentCopy', { type: SentCopyEnum, description: 'Where its copy lies.' }),
    sentCopyCheckedAt: t.expose('sentCopyCheckedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When that was looked at; null before.',
    }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it last changed.' }),
  }),
});

builder.objectField(Message, 'delivery', (t) =>
  t.field({
    type: OutboundMessage,
    nullable: true,
    description:
      'How it is sent; null for mail from outside and notes, for mail that was not sent from here, and for those who may not read the outbox.',
    resolve: async ({ id, kind }, _args, { em, actor }) =>
      kind === 'OUTBOUND' && grants(actor.role, 'outbound-message:read')
        ? ((await deliveryOf(em, id)) ?? null)
        : null,
  }),
);

const OutboundMessageFilterInput = builder.inputType('OutboundMessageFilter', {
  description: 'Which mails of the outbox; all conditions that are given hold at once.',
  fields: (t) => ({
    state: t.field({ type: [OutboundStateEnum], description: 'In one of these states.' }),
    kind: t.field({ type: [OutboundKindEnum], description: 'Of one of these kinds.' }),
    mailboxId: t.id({ description: 'Sent from this mailbox.' }),
    ticketId: t.id({ description: 'Of this ticket.' }),
  }),
});

builder.queryField('outboundMessages', (t) =>
  t.connection(
    {
      type: OutboundMessage,
      description: 'The outbox: every mail that is or was to be sent, the newest first.',
      authScopes: { permission: 'outbound-message:read' },
      args: { filter: t.arg({ type: OutboundMessageFilterInput, description: 'Only these.' }) },
      resolve: (_root, { filter, ...page }, { em }) =>
        listOutboundMessages(em, { ...page, filter: filter ? outboundMessageFilter(filter) : null }),
    },
    connectionType(OutboundMessage, 'OutboundMessage'),
  ),
);

function outboundMessageFilter({
  mailboxId,
  ticketId,
  ...others
}: typeof OutboundMessageFilterInput.$inferInput): OutboundMessageFilter {
  return {
    ...others,
    mailboxId: mailboxId ? decodeId('Mailbox', mailboxId) : null,
    ticketId: ticketId ? decodeId('Ticket', ticketId) : null,
  };
}

mutation('retryOutboundMessage', {
  description:
    'Tries a mail again that has failed, with the same content. Where Microsoft may have sent it after all, that is looked at first. A mail that waits is tried at once, with all else that waits in its mailbox: for when what was in the way is mended, such as an account that an administrator has released. A pause that Microsoft asked for is kept.',
  permission: 'outbound-message:manage',
  input: (t) => ({ outboundMessageId: t.id({ required: true, description: 'Which mail.' }) }),
  payload: { outboundMessage: { type: OutboundMessage, description: 'The mail, which waits again.' } },
  errors: [NotFoundError, OutboundMessageNotFailedError],
  resolve: async ({ outboundMessageId }, { em, actor, services }) => ({
    outboundMessage: await retryOutboundMessage(
      em,
      actor.organizationId,
      decodeId('OutboundMessage', outboundMessageId),
      services.clock.now(),
    ),
  }),
});

mutation('cancelOutboundMessage', {
  description:
    'Cancels a mail that is queued. One that is being sent already is refused: it is sent exactly if this says so.',
  permission: 'outbound-message:manage',
  input: (t) => ({ outboundMessageId: t.id({ required: true, description: 'Which mail.' }) }),
  payload: { outboundMessage: { type: OutboundMessage, description: 'The mail, which is not sent.' } },
  errors: [NotFoundError, OutboundMessageNotQueuedError],
  resolve: async ({ outboundMessageId }, { em, actor, services }) => ({
    outboundMessage: await cancelOutboundMessage(
      em,
      actor.organizationId,
      decodeId('OutboundMessage', outboundMessageId),
      services.clock.now(),
    ),
  }),
});

import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId, parseGlobalId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { TicketStatusEnum } from '../graphql/ticket-status.graphql.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { Contact } from './contact.entity.ts';
import { Group } from './group.entity.ts';
import { GroupNotAvailableError } from './group-errors.ts';
import { Message } from './message.entity.ts';
import { listMessages } from './message-list.ts';
import { relatedTicket } from './related-tickets.ts';
import { Ticket } from './ticket.entity.ts';
import { listTickets, type TicketFilter, type TicketOrderField } from './ticket-list.ts';
import { AssigneeNotAvailableError, TicketChangedError } from './ticketing-errors.ts';
import { addNote, createTicket, findTicket, updateTicket } from './tickets.ts';

errorType(TicketChangedError, 'Somebody else changed the ticket since it was read.');
errorType(AssigneeNotAvailableError, 'The assignee is not an active user of this organization.');

/** An id that no row has. */
const NO_ROW = '00000000-0000-0000-0000-000000000000';

export const TicketPriorityEnum = enumType('TicketPriority', 'How urgent a ticket is.', {
  LOW: 'When there is time.',
  NORMAL: 'The usual.',
  HIGH: 'Before the usual.',
  URGENT: 'Now.',
});

builder.node(Ticket, {
  name: 'Ticket',
  description: 'A conversation with one contact.',
  authScopes: { permission: 'ticket:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Ticket),
  fields: (t) => ({
    number: t.exposeInt('number', {
      description: 'Counts up from 1 in the organization, without gaps; `[#123]` in a subject names it.',
    }),
    subject: t.exposeString('subject', { description: 'What it is about.' }),
    status: t.expose('status', { type: TicketStatusEnum, description: 'Where it stands.' }),
    priority: t.expose('priority', { type: TicketPriorityEnum, description: 'How urgent it is.' }),
    requester: t.field({
      type: Contact,
      description: 'Who asked.',
      resolve: ({ requester }) => requester.loadOrFail(),
    }),
    assignee: t.field({
      type: User,
      nullable: true,
      description: 'Who works on it; null when nobody does.',
      resolve: ({ assignee }) => assignee?.loadOrFail() ?? null,
    }),
    group: t.field({
      type: Group,
      nullable: true,
      description: 'The team that it goes to; null when it belongs to none.',
      resolve: ({ group }) => group?.loadOrFail() ?? null,
    }),
    mailbox: t.field({
      type: Mailbox,
      nullable: true,
      description: 'The mailbox whose mail opened it; null for a ticket that a person made.',
      resolve: ({ mailbox }) => mailbox?.loadOrFail() ?? null,
    }),
    tags: t.exposeStringList('tags', { description: 'Words to find it by.' }),
    version: t.exposeInt('version', {
      description: 'Raised by every change; for `expectedVersion` of updateTicket.',
    }),
    lastMessageAt: t.expose('lastMessageAt', {
      type: 'DateTime',
      description: 'When its newest message came or was written.',
    }),
    closedAt: t.expose('closedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was closed; null unless it is closed.',
    }),
    followUpOf: t.field({
      type: Ticket,
      nullable: true,
      description: 'The ticket that it goes on from: a reply to what was closed long ago opened this one.',
      resolve: ({ followUpOfId }, _args, { em }) => relatedTicket(em, followUpOfId),
    }),
    isImported: t.exposeBoolean('isImported', {
      description:
        'Whether it is history that was imported: its dates are those of the mail, and nobody was notified.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
    messages: t.connection(
      {
        type: Message,
        description: 'Its messages, the oldest first.',
        resolve: ({ id }, args, { em }) => listMessages(em, id, args),
      },
      connectionType(Message, 'Message'),
    ),
  }),
});

/** Shared by the list and the streams of tickets. */
export const TicketFilterInput = builder.inputType('TicketFilter', {
  description: 'Which tickets; all conditions that are given hold at once.',
  fields: (t) => ({
    status: t.field({ type: [TicketStatusEnum], description: 'In one of these.' }),
    priority: t.field({ type: [TicketPriorityEnum], description: 'Of one of these.' }),
    assigneeId: t.id({ description: 'This user works on it.' }),
    unassigned: t.boolean({ description: 'True: nobody works on it. False: somebody does.' }),
    groupId: t.id({ description: 'It goes to this group.' }),
    withoutGroup: t.boolean({ description: 'True: it goes to no group. False: it goes to one.' }),
    requesterEmail: t.string({ description: 'The address of who asked, in any case.' }),
    mailboxId: t.id({ description: 'Mail to this mailbox opened it.' }),
    tag: t.string({ description: 'It has this tag.' }),
    text: t.string({ description: 'Its subject contains this, in any case; at most 200 characters.' }),
  }),
});

/** The filter as the domain has it. Throws NotFoundError for an id that is none. */
export function ticketFilter(input: typeof TicketFilterInput.$inferInput): TicketFilter {
  return {
    ...input,
    assigneeId: input.assigneeId ? decodeId('User', input.assigneeId) : null,
    groupId: input.groupId ? decodeId('Group', input.groupId) : null,
    mailboxId: input.mailboxId ? decodeId('Mailbox', input.mailboxId) : null,
  };
}

const ORDER_FIELDS: Record<'CREATED_AT' | 'LAST_MESSAGE_AT' | 'NUMBER', TicketOrderField> = {
  CREATED_AT: 'createdAt',
  LAST_MESSAGE_AT: 'lastMessageAt',
  NUMBER: 'number',
};

const TicketOrderInput = builder.inputType('TicketOrder', {
  description: 'The order of a list of tickets.',
  fields: (t) => ({
    field: t.field({
      type: enumType('TicketOrderField', 'By what tickets are ordered.', {
        CREATED_AT: 'When they were opened.',
        LAST_MESSAGE_AT: 'When their newest message came.',
        NUMBER: 'Their number.',
      }),
      required: true,
      description: 'By what.',
    }),
    direction: t.field({
      type: enumType('OrderDirection', 'Which end of a list comes first.', {
        ASC: 'The oldest or smallest first.',
        DESC: 'The newest or largest first.',
      }),
      required: true,
      description: 'Which end first.',
    }),
  }),
});

builder.queryFields((t) => ({
  ticket: t.field({
    type: Ticket,
    nullable: true,
    description: 'One ticket, by its id or its number; null when there is none.',
    authScopes: { permission: 'ticket:read' },
    args: {
      id: t.arg.id({ description: 'Its id.' }),
      number: t.arg.int({ description: 'Its number in the organization.' }),
    },
    resolve: (_root, { id, number }, { em }) => findTicket(em, { id: id ? readId(id) : null, number }),
  }),
  tickets: t.connection(
    {
      type: Ticket,
      description: 'The tickets of the organization, the newest first unless `orderBy` says otherwise.',
      authScopes: { permission: 'ticket:read' },
      args: {
        filter: t.arg({ type: TicketFilterInput, description: 'Only these.' }),
        orderBy: t.arg({ type: TicketOrderInput, description: 'In this order; cursors belong to it.' }),
      },
      resolve: (_root, { filter, orderBy, ...page }, { em }) =>
        listTickets(em, {
          ...page,
          filter: filter ? ticketFilter(filter) : null,
          orderBy: orderBy && {
            field: ORDER_FIELDS[orderBy.field],
            direction: DIRECTIONS[orderBy.direction],
          },
        }),
    },
    connectionType(Ticket, 'Ticket'),
  ),
}));

const DIRECTIONS = { ASC: 'asc', DESC: 'desc' } as const;

mutation('createTicket', {
  description: 'Opens a ticket by hand. Its text becomes the first note; nothing is mailed.',
  permission: 'ticket:create',
  input: (t) => ({
    subject: t.string({ required: true, description: 'What it is about; 1 to 500 characters.' }),
    text: t.string({ required: true, description: 'The first note; 1 to 100,000 characters.' }),
    requesterEmail: t.string({
      required: true,
      description: 'The address of who asked; becomes a contact if it is none yet.',
    }),
    requesterName: t.string({ description: 'The name of a new contact; at most 200 characters.' }),
    priority: t.field({ type: TicketPriorityEnum, description: 'How urgent it is; NORMAL when left out.' }),
    assigneeId: t.id({ description: 'Who works on it.' }),
    groupId: t.id({ description: 'The group that it goes to; not an archived one.' }),
    tags: t.stringList({ description: 'At most 50 tags of at most 50 characters.' }),
  }),
  payload: { ticket: { type: Ticket, description: 'The new ticket.' } },
  errors: [InvalidInputError, NotFoundError, AssigneeNotAvailableError, GroupNotAvailableError],
  resolve: async ({ assigneeId, groupId, ...input }, { em, actor, services }) => ({
    ticket: await createTicket(
      em,
      { ...input, assigneeId: userId(assigneeId), groupId: decodeGroup(groupId) },
      { actor, now: services.clock.now() },
    ),
  }),
});

mutation('updateTicket', {
  description:
    'Changes a ticket. What is left out stays; what is so already changes nothing and nobody is told of it.',
  permission: 'ticket:update',
  input: (t) => ({
    ticketId: t.id({ required: true, description: 'Which ticket.' }),
    status: t.field({ type: TicketStatusEnum, description: 'Where it stands now.' }),
    priority: t.field({ type: TicketPriorityEnum, description: 'How urgent it is now.' }),
    assigneeId: t.id({ description: 'Who works on it now; null: nobody. Left out: as before.' }),
    groupId: t.id({
      description: 'The group that it goes to now, not an archived one; null: none. Left out: as before.',
    }),
    tags: t.stringList({ description: 'All its tags: at most 50 of at most 50 characters.' }),
    subject: t.string({ description: 'What it is about; 1 to 500 characters.' }),
    expectedVersion: t.int({
      description:
        'The version that the caller has seen. Another one is refused; left out: the last change wins.',
    }),
  }),
  payload: { ticket: { type: Ticket, description: 'The ticket as it is now.' } },
  errors: [
    InvalidInputError,
    NotFoundError,
    TicketChangedError,
    AssigneeNotAvailableError,
    GroupNotAvailableError,
  ],
  resolve: async ({ ticketId, assigneeId, groupId, ...change }, { em, actor, services }) => ({
    ticket: await updateTicket(
      em,
      {
        ...change,
        id: decodeId('Ticket', ticketId),
        assigneeId: userId(assigneeId),
        groupId: decodeGroup(groupId),
      },
      { actor, now: services.clock.now() },
    ),
  }),
});

mutation('addNote', {
  description: 'Adds a note to a ticket, which only people of the organization see.',
  permission: 'ticket:note',
  input: (t) => ({
    ticketId: t.id({ required: true, description: 'Which ticket.' }),
    text: t.string({ required: true, description: 'The note; 1 to 100,000 characters.' }),
  }),
  payload: { message: { type: Message, description: 'The note.' } },
  errors: [InvalidInputError, NotFoundError],
  resolve: async ({ ticketId, text }, { em, actor, services }) => ({
    message: await addNote(
      em,
      { ticketId: decodeId('Ticket', ticketId), text },
      { actor, now: services.clock.now() },
    ),
  }),
});

/** Null means nobody, and left out means as before: both stay what they are. */
function userId(globalId: string | null | undefined): string | null | undefined {
  return globalId == null ? globalId : decodeId('User', globalId);
}

/** As {@link userId}. */
function decodeGroup(globalId: string | null | undefined): string | null | undefined {
  return globalId == null ? globalId : decodeId('Group', globalId);
}

/** A query answers garbage as it answers an id that does not exist: with null. */
function readId(globalId: string): string {
  const parsed = parseGlobalId(globalId);
  return parsed?.typename === 'Ticket' ? parsed.id : NO_ROW;
}

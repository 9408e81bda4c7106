import { LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import type { DomainEvent } from '../realtime/catalogue.ts';
import { recordEvents } from '../realtime/record.ts';
import { cleanLine, cleanText } from './clean-text.ts';
import { Contact } from './contact.entity.ts';
import { findOrCreateContacts } from './contacts.ts';
import { FormerTicket } from './former-ticket.entity.ts';
import { findUsableGroup } from './groups.ts';
import { Message } from './message.entity.ts';
import { TICKET_PRIORITIES, TICKET_STATUSES, Ticket } from './ticket.entity.ts';
import { takeTicketNumbers } from './ticket-number.ts';
import { withStatus } from './ticket-state.ts';
import { AssigneeNotAvailableError, TicketChangedError } from './ticketing-errors.ts';

/** Who changes tickets, and when. */
export interface TicketActor {
  actor: { organizationId: string; userId: string };
  now: Date;
}

const line = (most: number) => z.string().max(most).transform(cleanLine).pipe(z.string().min(1));
const subject = line(500);
const text = z
  .string()
  .max(100_000)
  .transform((given) => cleanText(given).trim())
  .pipe(z.string().min(1));
const tags = z
  .array(line(50))
  .max(50)
  .transform((given) => [...new Set(given)]);

const newTicket = z.object({
  subject,
  text,
  requesterEmail: z.email().max(320).toLowerCase(),
  requesterName: line(200).nullish(),
  priority: z.enum(TICKET_PRIORITIES).nullish(),
  assigneeId: z.uuid().nullish(),
  groupId: z.uuid().nullish(),
  tags: tags.nullish(),
});

const ticketChange = z.object({
  id: z.uuid(),
  status: z.enum(TICKET_STATUSES).nullish(),
  priority: z.enum(TICKET_PRIORITIES).nullish(),
  assigneeId: z.uuid().nullish(),
  groupId: z.uuid().nullish(),
  tags: tags.nullish(),
  subject: subject.nullish(),
  expectedVersion: z.int().nullish(),
});

const newNote = z.object({ ticketId: z.uuid(), text });

export type NewTicket = z.input<typeof newTicket>;
/** What is left out or null stays as it is, but for the assignee and the group: null takes them away. */
export type TicketChange = z.input<typeof ticketChange>;
export type NewNote = z.input<typeof newNote>;

/** The ticket of this id. Throws NotFoundError, also for the id of another organization. */
export async function getTicket(em: EntityManager, id: string): Promise<Ticket> {
  const ticket = await em.findOne(Ticket, { id });
  if (ticket === null) throw new NotFoundError('The ticket');
  return ticket;
}

/**
 * The ticket with this id or this number, or null; given both, the ticket that has both. What belonged to a ticket that
 * was merged leads to the ticket that has its messages now. Throws InvalidInputError when
 * neither is given.
 */
export async function findTicket(
  em: EntityManager,
  { id, number }: { id?: string | null | undefined; number?: number | null | undefined },
): Promise<Ticket | null> {
  if (id == null && number == null) {
    throw new InvalidInputError('id', 'Neither an id nor a number was given.', 'Give "id" or "number".');
  }
  const named = { ...(id == null ? {} : { id }), ...(number == null ? {} : { number }) };
  const ticket = await em.findOne(Ticket, named);
  if (ticket !== null) return ticket;
  const former = await em.findOne(FormerTicket, { ...named, mergedInto: { $ne: null } });
  return former?.mergedInto?.load() ?? null;
}

/**
 * Opens a ticket by hand. Its text becomes the first note, written by the actor; nothing is mailed.
 *
 * Throws InvalidInputError, GroupNotAvailableError and {@link AssigneeNotAvailableError}.
 */
export async function createTicket(
  em: EntityManager,
  input: NewTicket,
  { actor, now }: TicketActor,
): Promise<Ticket> {
  const given = parseInput(newTicket, input);
  return em.transactional(async (inside) => {
    const { organizationId } = actor;
    const assignee = await findAssignee(inside, given.assigneeId ?? null);
    // Before the contact, in the order in which ingest takes them: the other way round the two would deadlock over a
    // person who writes at this moment.
    const number = await takeTicketNumbers(inside, organizationId, 1);
    const group = await findUsableGroup(inside, given.groupId ?? null);
    const requester = { name: given.requesterName ?? null, emailAddress: given.requesterEmail };
    const contacts = await findOrCreateContacts(inside, organizationId, [requester], now);
    const contactId = contacts.get(requester.emailAddress);
    if (contactId === undefined)
      throw new Error('the requester was deleted while the ticket was being opened');
    const ticket = inside.create(Ticket, {
      organization: inside.getReference(Organization, organizationId),
      number,
      subject: given.subject,
      priority: given.priority ?? 'NORMAL',
      requester: inside.getReference(Contact, contactId),
      assignee,
      group,
      tags: given.tags ?? [],
      lastMessageAt: now,
    });
    const note = writeNote(inside, ticket, given.text, actor);
    await inside.flush();
    await recordEvents(inside, organizationId, [
      { type: 'ticket.created', ticketId: ticket.id },
      { type: 'message.added', ticketId: ticket.id, messageId: note.id },
      ...(assignee === null ? [] : [assigned(ticket, actor)]),
    ]);
    return ticket;
  });
}

/**
 * Changes a ticket. What is so already changes nothing: then nothing is written and nobody is told. With
 * `expectedVersion` a change since the caller's reading is refused; without it the last one wins, field by field.
 *
 * Throws InvalidInputError, NotFoundError, GroupNotAvailableError, {@link TicketChangedError} and
 * {@link AssigneeNotAvailableError}.
 */
export async function updateTicket(
  em: EntityManager,
  input: TicketChange,
  { actor, now }: TicketActor,
): Promise<Ticket> {
  const given = parseInput(ticketChange, input);
  return em.transactional(async (inside) => {
    const ticket = await lockTicket(inside, given.id);
    if (given.expectedVersion != null && given.expectedVersion !== ticket.version) {
      throw new TicketChangedError(ticket.number);
    }
    const before = ticket.version;
    const events: DomainEvent[] = [];
    if (given.status != null) {
      if (given.status === 'CLOSED' && ticket.status !== 'CLOSED') {
        events.push({ type: 'ticket.closed', ticketId: ticket.id });
      }
      const state = withStatus(
        { status: ticket.status, closedAt: ticket.closedAt ?? null },
        given.status,
        now,
      );
      ticket.status = state.status;
      ticket.closedAt = state.closedAt;
    }
    if (given.priority != null) ticket.priority = given.priority;
    if (given.subject != null) ticket.subject = given.subject;
    if (given.tags != null && !isEqual(given.tags, ticket.tags)) ticket.tags = given.tags;
    if (given.assigneeId !== undefined && given.assigneeId !== (ticket.assignee?.id ?? null)) {
      inside.assign(ticket, { assignee: await findAssignee(inside, given.assigneeId) });
      events.push(assigned(ticket, actor));
    }
    if (given.groupId !== undefined && given.groupId !== (ticket.group?.id ?? null)) {
      inside.assign(ticket, { group: await findUsableGroup(inside, given.groupId) });
    }
    await inside.flush();
    if (ticket.version !== before) {
      events.unshift({ type: 'ticket.updated', ticketId: ticket.id });
      await recordEvents(inside, actor.organizationId, events);
    }
    return ticket;
  });
}

/** Adds a note, which only people here see. Throws InvalidInputError and NotFoundError. */
export async function addNote(
  em: EntityManager,
  input: NewNote,
  { actor, now }: TicketActor,
): Promise<Message> {
  const given = parseInput(newNote, input);
  return em.transactional(async (inside) => {
    const ticket = await lockTicket(inside, given.ticketId);
    const note = writeNote(inside, ticket, given.text, actor);
    if (ticket.lastMessageAt < now) ticket.lastMessageAt = now;
    await inside.flush();
    await recordEvents(inside, actor.organizationId, [
      { type: 'message.added', ticketId: ticket.id, messageId: note.id },
      { type: 'ticket.updated', ticketId: ticket.id },
    ]);
    return note;
  });
}

/** A note by the actor, which is written with the next flush. */
export function writeNote(
  em: EntityManager,
  ticket: Ticket,
  note: string,
  actor: TicketActor['actor'],
): Message {
  return em.create(Message, {
    organization: em.getReference(Organization, actor.organizationId),
    ticket,
    kind: 'NOTE',
    to: [],
    cc: [],
    subject: ticket.subject,
    text: note,
    strippedText: note,
    author: em.getReference(User, actor.userId),
  });
}

/**
 * The ticket, locked and read anew: a reply that comes at this moment waits, and what the caller loaded before may be old.
 * Throws NotFoundError.
 */
export async function lockTicket(em: EntityManager, id: string): Promise<Ticket> {
  const ticket = await em.findOne(Ticket, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
  if (ticket === null) throw new NotFoundError('The ticket');
  return ticket;
}

function assigned(ticket: Ticket, { userId }: TicketActor['actor']): DomainEvent {
  return {
    type: 'ticket.assigned',
    ticketId: ticket.id,
    assigneeId: ticket.assignee?.id ?? null,
    byUserId: userId,
  };
}

async function findAssignee(em: EntityManager, id: string | null): Promise<User | null> {
  if (id === null) return null;
  const user = await em.findOne(User, { id, disabledAt: null });
  if (user === null) throw new AssigneeNotAvailableError();
  return user;
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

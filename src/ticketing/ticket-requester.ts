import { z } from 'zod';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import { parseInput } from '../platform/parse-input.ts';
import { recordEvents } from '../realtime/record.ts';
import { cleanLine } from './clean-text.ts';
import { Contact } from './contact.entity.ts';
import { findOrCreateContacts } from './contacts.ts';
import { FORWARD_LOOK } from './forwarded.ts';
import type { Correspondent } from './message.entity.ts';
import { forwardedSender } from './message-forwarded.ts';
import type { Ticket } from './ticket.entity.ts';
import { TicketChangedError } from './ticketing-errors.ts';
import { lockTicket, type TicketActor, writeNote } from './tickets.ts';

/** Who asked, in one of three ways. */
export interface RequesterChoice {
  ticketId: string;
  contactId?: string | null | undefined;
  /** Becomes a contact if it is none yet, of this name. */
  emailAddress?: string | null | undefined;
  name?: string | null | undefined;
  /** A message of the ticket that forwards another: whoever wrote the original. */
  forwardedMessageId?: string | null | undefined;
  expectedVersion?: number | null | undefined;
}

const person = z.object({
  emailAddress: z.email().max(320).toLowerCase(),
  name: z
    .string()
    .max(200)
    .transform(cleanLine)
    .nullish()
    .transform((given) => given || null),
});

/**
 * Says who asked: whom answers go to, and whose mails with the ticket's token join it. A note keeps who it was before. Who
 * it is already changes nothing and nobody is told. Throws InvalidInputError unless exactly one way is given, or when the
 * message forwards nothing; NotFoundError; and {@link TicketChangedError}.
 */
export async function setTicketRequester(
  em: EntityManager,
  choice: RequesterChoice,
  { actor, now, storages }: TicketActor & { storages: ObjectStorages },
): Promise<Ticket> {
  const { organizationId } = actor;
  const ways = [choice.contactId, choice.emailAddress, choice.forwardedMessageId];
  if (ways.filter((way) => way != null).length !== 1) {
    throw new InvalidInputError(
      'contactId',
      'Who asked must be named in exactly one way.',
      'Give one of "contactId", "emailAddress" and "forwardedMessageId".',
    );
  }
  // Before the transaction: a file may have to be read for it.
  const named = choice.contactId == null ? await namedPerson(em, storages, organizationId, choice) : null;
  return em.transactional(async (inside) => {
    // The contact before the ticket, as mail that is taken in at this moment takes them.
    const contact = await findRequester(inside, organizationId, named ?? choice.contactId ?? '', now);
    const ticket = await lockTicket(inside, choice.ticketId);
    if (choice.expectedVersion != null && choice.expectedVersion !== ticket.version) {
      throw new TicketChangedError(ticket.number);
    }
    const before = await ticket.requester.loadOrFail();
    if (before.id === contact.id) return ticket;
    inside.assign(ticket, { requester: contact });
    const text = `The requester is ${contact.emailAddress} now; it was ${before.emailAddress}.`;
    const note = writeNote(inside, ticket, text, actor);
    await inside.flush();
    await recordEvents(inside, organizationId, [
      { type: 'message.added', ticketId: ticket.id, messageId: note.id },
      { type: 'ticket.updated', ticketId: ticket.id },
    ]);
    return ticket;
  });
}

/** Whom an address or a forwarded mail names. */
async function namedPerson(
  em: EntityManager,
  storages: ObjectStorages,
  organizationId: string,
  { ticketId, emailAddress, name, forwardedMessageId }: RequesterChoice,
): Promise<Correspondent> {
  if (forwardedMessageId == null) return parseInput(person, { emailAddress, name });
  return originalSender(em, storages, organizationId, { ticketId, messageId: forwardedMessageId });
}

/** By the id of a contact, or by an address, which becomes a contact if it is none yet. */
async function findRequester(
  em: EntityManager,
  organizationId: string,
  who: Correspondent | string,
  now: Date,
): Promise<Contact> {
  if (typeof who === 'string') return contactOf(em, who);
  const contacts = await findOrCreateContacts(em, organizationId, [who], now);
  return contactOf(em, contacts.get(who.emailAddress) ?? '');
}

async function contactOf(em: EntityManager, id: string): Promise<Contact> {
  const contact = id === '' ? null : await em.findOne(Contact, { id });
  if (contact === null) throw new NotFoundError('The contact');
  return contact;
}

/** Only the beginning of the text is read: no more is looked at. */
async function originalSender(
  em: EntityManager,
  storages: ObjectStorages,
  organizationId: string,
  { ticketId, messageId }: { ticketId: string; messageId: string },
): Promise<Correspondent> {
  const [message] = await em.execute<{ subject: string; text: string }[]>(
    'select subject, left(text, ?) as text from message where organization_id = ? and id = ? and ticket_id = ?',
    [FORWARD_LOOK, organizationId, messageId, ticketId],
  );
  if (message === undefined) throw new NotFoundError('The message');
  const sender = await forwardedSender(em, storages, { id: messageId, ...message });
  const parsed = sender && person.safeParse(sender);
  if (!parsed?.success) {
    throw new InvalidInputError(
      'forwardedMessageId',
      'The message forwards no mail that says who wrote it.',
      'Give "emailAddress" instead.',
    );
  }
  return parsed.data;
}

import { Organization } from '../access/organization.entity.ts';
import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { Contact } from './contact.entity.ts';
import { findOrCreateContacts } from './contacts.ts';
import { Message } from './message.entity.ts';
import { Ticket } from './ticket.entity.ts';
import { lockTicketNumbers, takeTicketNumbers } from './ticket-number.ts';
import { lockTicket, type TicketActor, writeNote } from './tickets.ts';

/** Which message goes where; without a ticket it gets one of its own. */
export interface MessageMove {
  messageId: string;
  ticketId: string | null;
}

/** The message and the ticket that it belongs to now. */
export interface MovedMessage {
  message: Message;
  ticket: Ticket;
}

/**
 * Puts one message into another ticket, or into a new one. Its Message-ID and its rows of the ledger go with it, so that
 * later replies to it follow, and so do later copies of it. Both tickets get a note that says so; the states of existing
 * tickets stay as they are. A message that is there already, or that is asked to get a ticket of its own and is the only
 * one of its ticket, stays, and nobody is told. One that was too many is none any more. Throws NotFoundError.
 */
export async function moveMessageToTicket(
  em: EntityManager,
  { messageId, ticketId }: MessageMove,
  { actor, now }: TicketActor,
): Promise<MovedMessage> {
  const { organizationId } = actor;
  return em.transactional(async (inside) => {
    await lockTicketNumbers(inside, organizationId); // first, as everybody: mail may be joining either ticket
    const message = await inside.findOne(Message, { id: messageId }, { refresh: true });
    if (message === null) throw new NotFoundError('The message');
    const source = await lockTicket(inside, message.ticket.id);
    if (ticketId === null ? await isAlone(inside, organizationId, message) : ticketId === source.id) {
      return { message, ticket: source };
    }
    const at = message.receivedAt ?? message.createdAt;
    const target =
      ticketId === null
        ? await openTicketFor(inside, message, source, { actor, now })
        : await lockTicket(inside, ticketId);
    // Before the message is written, as the delivery of a mail does it, or both would wait for each other.
    await inside.execute(
      'select from outbound_message where organization_id = ? and message_id = ? for update',
      [organizationId, message.id],
    );
    // Taken out of a storm, it is one mail as any other: it takes no warning along.
    const automatic = message.automatic === 'STORM' ? null : (message.automatic ?? null);
    inside.assign(message, { ticket: target, automatic });
    if (target.lastMessageAt < at) target.lastMessageAt = at;
    source.updatedAt = now;
    target.updatedAt = now;
    const name = message.subject === '' ? 'A message' : `The message “${message.subject}”`;
    const left = writeNote(inside, source, `${name} was moved to ticket #${target.number}.`, actor);
    const came = writeNote(inside, target, `${name} was moved here from ticket #${source.number}.`, actor);
    await inside.flush();
    await inside.execute(
      'update outbound_message set ticket_id = ? where organization_id = ? and message_id = ?',
      [target.id, organizationId, message.id],
    );
    await moveLedgerRows(inside, organizationId, message.id, source, target, ticketId === null, now);
    await recordEvents(inside, organizationId, [
      ...(ticketId === null ? [{ type: 'ticket.created' as const, ticketId: target.id }] : []),
      { type: 'message.added', ticketId: target.id, messageId: message.id },
      { type: 'message.added', ticketId: target.id, messageId: came.id },
      { type: 'message.added', ticketId: source.id, messageId: left.id },
      { type: 'ticket.updated', ticketId: source.id },
      { type: 'ticket.updated', ticketId: target.id },
    ]);
    return { message, ticket: target };
  });
}

/** Notes about a message do not count: they stay behind. */
async function isAlone(em: EntityManager, organizationId: string, message: Message): Promise<boolean> {
  const others = await em.execute<object[]>(
    `select from message where organization_id = ? and ticket_id = ? and id <> ? and kind <> 'NOTE' limit 1`,
    [organizationId, message.ticket.id, message.id],
  );
  return others.length === 0 && message.kind !== 'NOTE';
}

async function openTicketFor(
  em: EntityManager,
  message: Message,
  source: Ticket,
  { actor: { organizationId }, now }: TicketActor,
): Promise<Ticket> {
  const number = await takeTicketNumbers(em, organizationId, 1);
  const sender = message.from ?? null;
  const contacts = sender && (await findOrCreateContacts(em, organizationId, [sender], now));
  const contactId = contacts?.get(sender?.emailAddress ?? '') ?? source.requester.id;
  return em.create(Ticket, {
    organization: em.getReference(Organization, organizationId),
    number,
    subject: message.subject === '' ? source.subject : message.subject,
    requester: em.getReference(Contact, contactId),
    mailbox: message.mailbox ?? null,
    lastMessageAt: message.receivedAt ?? message.createdAt,
  });
}

/**
 * The row of the message, and those of its copies: known by their digest, and those of a digest of another time by there
 * being no other message of that Message-ID in the ticket.
 */
async function moveLedgerRows(
  em: EntityManager,
  organizationId: string,
  messageId: string,
  source: Ticket,
  target: Ticket,
  isNew: boolean,
  now: Date,
): Promise<void> {
  const moved = await em.execute<{ internet_message_id: string | null; content_digest: string | null }[]>(
    `update inbound_message set ticket_id = ?, outcome = ?, reason = 'MOVED', explanation = explanation || ?, updated_at = ?
     where organization_id = ? and message_id = ? returning internet_message_id, content_digest`,
    [
      target.id,
      isNew ? 'TICKET_CREATED' : 'REPLY_ADDED',
      ` A person moved it from ticket #${source.number} to ticket #${target.number} later.`,
      now,
      organizationId,
      messageId,
    ],
  );
  const [row] = moved;
  if (!row?.internet_message_id) return;
  await em.execute(
    `update inbound_message as copy set ticket_id = ?, updated_at = ?
     where organization_id = ? and internet_message_id = ? and ticket_id = ? and message_id is null
       and (content_digest = ? or reason = 'DUPLICATE' and not exists (
         select from inbound_message as other
         where other.organization_id = copy.organization_id and other.ticket_id = copy.ticket_id
           and other.internet_message_id = copy.internet_message_id and other.message_id is not null))`,
    [target.id, now, organizationId, row.internet_message_id, source.id, row.content_digest],
  );
}

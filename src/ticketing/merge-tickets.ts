import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { InvalidInputError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { FormerTicket } from './former-ticket.entity.ts';
import { Ticket } from './ticket.entity.ts';
import { lockTicketNumbers } from './ticket-number.ts';
import { getTicket, lockTicket, type TicketActor, writeNote } from './tickets.ts';

/** Most tags of a ticket, as when a person sets them. */
const MAX_TAGS = 50;

/**
 * Merges a ticket into another one: its messages and its rows of the ledger go there, so that later replies follow; its
 * number and its token in subjects lead there; then it is no more. The other ticket gets its tags and a note, and opens
 * when only the merged one was not closed; who asked and who works on it stay. What was merged there already changes
 * nothing. Throws NotFoundError, and InvalidInputError for a ticket and itself.
 */
export async function mergeTickets(
  em: EntityManager,
  { ticketId, intoTicketId }: { ticketId: string; intoTicketId: string },
  { actor, now }: TicketActor,
): Promise<Ticket> {
  const { organizationId } = actor;
  return em.transactional(async (inside) => {
    await lockTicketNumbers(inside, organizationId); // first, as everybody: mail may be joining either ticket
    const target = await getTicket(inside, intoTicketId);
    const former = await inside.findOne(FormerTicket, { id: ticketId });
    if (former?.mergedInto?.id === target.id) return target;
    const source = await lockTicket(inside, ticketId);
    if (source.id === target.id) {
      throw new InvalidInputError('intoTicketId', 'A ticket cannot be merged into itself.', 'Name another.');
    }
    await lockTicket(inside, intoTicketId);
    const requester = await source.requester.loadOrFail();
    const followsSource = target.followUpOfId === source.id;
    if (followsSource)
      target.followUpOfId = source.followUpOfId === target.id ? null : (source.followUpOfId ?? null);
    if (target.status === 'CLOSED' && source.status !== 'CLOSED') {
      inside.assign(target, { status: source.status, closedAt: null });
    }
    target.tags = [...new Set([...target.tags, ...source.tags])].slice(0, MAX_TAGS);
    if (target.lastMessageAt < source.lastMessageAt) target.lastMessageAt = source.lastMessageAt;
    target.updatedAt = now;
    const note = writeNote(
      inside,
      target,
      `Ticket #${source.number} “${source.subject}” of ${requester.emailAddress} was merged into this one.`,
      actor,
    );
    inside.create(FormerTicket, {
      id: source.id,
      organization: inside.getReference(Organization, organizationId),
      number: source.number,
      mergedInto: target,
      removedBy: inside.getReference(User, actor.userId),
    });
    await inside.flush();
    await repoint(inside, organizationId, source, target, now);
    await recordEvents(inside, organizationId, [
      { type: 'message.added', ticketId: target.id, messageId: note.id },
      { type: 'ticket.updated', ticketId: target.id },
      { type: 'ticket.removed', ticketId: source.id },
    ]);
    return target;
  });
}

async function repoint(
  em: EntityManager,
  organizationId: string,
  source: Ticket,
  target: Ticket,
  now: Date,
): Promise<void> {
  // Before the messages, as the delivery of a mail does it: two that begin at different ends wait for each other in a circle.
  await em.execute('update outbound_message set ticket_id = ? where organization_id = ? and ticket_id = ?', [
    target.id,
    organizationId,
    source.id,
  ]);
  await em.execute('update message set ticket_id = ? where organization_id = ? and ticket_id = ?', [
    target.id,
    organizationId,
    source.id,
  ]);
  await em.execute(
    `update inbound_message set ticket_id = ?, explanation = explanation || ?, updated_at = ?
     where organization_id = ? and ticket_id = ?`,
    [
      target.id,
      ` Ticket #${source.number} was merged into ticket #${target.number} later.`,
      now,
      organizationId,
      source.id,
    ],
  );
  await em.execute(
    'update ticket set follow_up_of_id = ? where organization_id = ? and follow_up_of_id = ? and id <> ?',
    [target.id, organizationId, source.id, target.id],
  );
  await em.execute(
    'update ticket set copy_of_id = nullif(?::uuid, id) where organization_id = ? and copy_of_id = ?',
    [target.id, organizationId, source.id],
  );
  await em.execute(
    'update former_ticket set merged_into_id = ? where organization_id = ? and merged_into_id = ?',
    [target.id, organizationId, source.id],
  );
  await em.nativeDelete(Ticket, { id: source.id });
}

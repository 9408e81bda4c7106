import { LockMode } from '@mikro-orm/core';
import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { NotFoundError } from '../errors.ts';
import { enqueue } from '../jobs/define-job.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { FormerTicket } from './former-ticket.entity.ts';
import { sweepContentsJob } from './sweep-contents.ts';
import { Ticket } from './ticket.entity.ts';
import { lockTicketNumbers } from './ticket-number.ts';
import { TicketChangedError } from './ticketing-errors.ts';
import type { TicketActor } from './tickets.ts';

/** Which ticket, and which version of it the caller has seen. */
export interface TicketDeletion {
  ticketId: string;
  expectedVersion?: number | null | undefined;
}

/**
 * Deletes a ticket with its messages and files. The mail in the mailbox stays. The ledger keeps a row for each of its
 * mails, which says so, and by which neither a sync nor a reconciliation nor a copy brings them back; a later reply opens
 * a new ticket. What is deleted already stays deleted. Throws NotFoundError and {@link TicketChangedError}.
 */
export async function deleteTicket(
  em: EntityManager,
  { ticketId, expectedVersion }: TicketDeletion,
  { actor, now }: TicketActor,
): Promise<void> {
  const { organizationId } = actor;
  await em.transactional(async (inside) => {
    await lockTicketNumbers(inside, organizationId); // first, as everybody: mail may be joining it
    const ticket = await inside.findOne(
      Ticket,
      { id: ticketId },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    if (ticket === null) {
      if ((await inside.count(FormerTicket, { id: ticketId, mergedInto: null })) > 0) return;
      throw new NotFoundError('The ticket');
    }
    if (expectedVersion != null && expectedVersion !== ticket.version) {
      throw new TicketChangedError(ticket.number);
    }
    inside.create(FormerTicket, {
      id: ticket.id,
      organization: inside.getReference(Organization, organizationId),
      number: ticket.number,
      mergedInto: null,
      removedBy: inside.getReference(User, actor.userId),
    });
    await inside.flush();
    await inside.execute(
      `update inbound_message set outcome = 'IGNORED', reason = 'TICKET_DELETED', explanation = ?, ticket_id = null,
         message_id = null, problem = null, updated_at = ?
       where organization_id = ? and ticket_id = ?`,
      [explainDeleted(ticket.number), now, organizationId, ticketId],
    );
    await inside.execute(
      'update ticket set follow_up_of_id = null where organization_id = ? and follow_up_of_id = ?',
      [organizationId, ticketId],
    );
    await inside.execute(
      'update former_ticket set merged_into_id = null where organization_id = ? and merged_into_id = ?',
      [organizationId, ticketId],
    );
    // What is not sent yet is not sent any more, and what has failed is not tried again: their files go with the ticket.
    // Their drafts are removed by the outbox.
    const cancelled = await inside.execute<{ id: string }[]>(
      `update outbound_message set state = 'CANCELLED', problem = null, version = version + 1, updated_at = ?
       where organization_id = ? and ticket_id = ?
         and (state = 'QUEUED' or (state in ('SENDING', 'FAILED') and send_attempted_at is null)) returning id`,
      [now, organizationId, ticketId],
    );
    await inside.nativeDelete(Ticket, { id: ticketId });
    await recordEvents(inside, organizationId, [
      { type: 'ticket.removed', ticketId },
      ...cancelled.map(({ id: outboundMessageId }) => ({
        type: 'outbound-message.changed' as const,
        outboundMessageId,
        ticketId,
      })),
    ]);
    await enqueue(inside, sweepContentsJob, {}); // what its files were, unless others have the same
  });
}

function explainDeleted(number: number): string {
  return `Ignored: it belongs to ticket #${number}, which was deleted.`;
}

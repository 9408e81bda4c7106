import { type OfferedIdentity, offerIdentities } from '../mailboxes/reply-identities.ts';
import type { EntityManager } from '../platform/database.ts';
import { type Correspondent, Message } from '../ticketing/message.entity.ts';
import type { Ticket } from '../ticketing/ticket.entity.ts';

/** The addresses that the customer wrote to last; empty for a ticket that no mail belongs to. */
export async function addressedTo(em: EntityManager, ticketId: string): Promise<string[]> {
  const last = await em.findOne(
    Message,
    { ticket: ticketId, kind: 'INBOUND' },
    { orderBy: { createdAt: 'desc', id: 'desc' } },
  );
  if (!last) return [];
  return [...last.to, ...last.cc].map(({ emailAddress }: Correspondent) => emailAddress);
}

/** The identities that a user may answer the ticket as, and why some cannot be chosen now. */
export async function ticketIdentities(
  em: EntityManager,
  ticket: Ticket,
  userId: string,
): Promise<OfferedIdentity[]> {
  return await offerIdentities(em, {
    organizationId: ticket.organization.id,
    mailboxId: ticket.mailbox?.id ?? null,
    addressedTo: await addressedTo(em, ticket.id),
    userId,
  });
}

import type { IdentityWish } from '../mailboxes/choose-identity.ts';
import { type OfferedIdentity, offerIdentities } from '../mailboxes/reply-identities.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Ticket } from '../ticketing/ticket.entity.ts';
import { addressesWrittenTo } from './reply-references.ts';
import { loadReplyThread, type ReplyThread } from './reply-thread.ts';

/**
 * By what a reply chooses its identity where the caller names none: the mailbox that the answered mail came to, else that of
 * the ticket, and the addresses that were written to. One for what is offered, previewed and sent. Pure.
 */
export function replyOrigin(
  thread: Pick<ReplyThread, 'related' | 'answered'>,
  ticket: Pick<Ticket, 'mailbox'>,
): Pick<IdentityWish, 'mailboxId' | 'addressedTo'> {
  return {
    mailboxId: thread.answered?.message.mailbox?.id ?? ticket.mailbox?.id ?? null,
    addressedTo: addressesWrittenTo(thread),
  };
}

/**
 * The identities that a user may answer the ticket as, and why some cannot be chosen now. The chosen one is that of a reply
 * that names neither an identity nor a message.
 */
export async function ticketIdentities(
  em: EntityManager,
  ticket: Ticket,
  userId: string,
): Promise<OfferedIdentity[]> {
  const organizationId = ticket.organization.id;
  const thread = await loadReplyThread(em, organizationId, ticket, null);
  return await offerIdentities(em, { organizationId, ...replyOrigin(thread, ticket), userId });
}

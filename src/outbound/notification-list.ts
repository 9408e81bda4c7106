import type { EntityManager } from '../platform/database.ts';
import type { Page, PageArguments } from '../platform/keyset.ts';
import { findPage } from '../platform/keyset.ts';
import { getTicket } from '../ticketing/tickets.ts';
import { Notification } from './notification.entity.ts';

/** The decisions about a ticket, the newest first. Throws NotFoundError, and as `findPage` does. */
export async function listNotifications(
  em: EntityManager,
  ticketId: string,
  args: PageArguments,
): Promise<Page<Notification>> {
  const ticket = await getTicket(em, ticketId);
  return findPage(em, Notification, { ticket: ticket.id }, { key: 'createdAt', direction: 'desc' }, args);
}

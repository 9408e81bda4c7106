import type { EntityManager } from '../platform/database.ts';

/**
 * Locks the organization until the transaction ends and gives the number of its next ticket. Numbers are gap-free since
 * they are only taken under this lock: a transaction that rolls back gives its numbers back.
 *
 * `for no key update` and not `for update`: every insert of a row that names the organization takes `for key share` on
 * it, so the stronger lock would stop every writer of the organization, and deadlock with those that already hold a
 * ticket.
 */
export async function lockTicketNumbers(em: EntityManager, organizationId: string): Promise<number> {
  const rows = await em.execute<{ next_ticket_number: number }[]>(
    'select next_ticket_number from organization where id = ? for no key update',
    [organizationId],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('the organization of this ingest does not exist');
  return row.next_ticket_number;
}

/** Takes `count` numbers and gives the first. The organization stays locked until the transaction ends. */
export async function takeTicketNumbers(
  em: EntityManager,
  organizationId: string,
  count: number,
): Promise<number> {
  const rows = await em.execute<{ first: number }[]>(
    `update organization set next_ticket_number = next_ticket_number + ? where id = ?
     returning next_ticket_number - ? as first`,
    [count, organizationId, count],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('the organization of this ticket does not exist');
  return row.first;
}

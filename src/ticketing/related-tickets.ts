import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { Ticket } from './ticket.entity.ts';

/** The ticket that another one names; null when there is none. For a page of tickets it is one query. */
export async function relatedTicket(
  em: EntityManager,
  id: string | null | undefined,
): Promise<Ticket | null> {
  return id == null ? null : ((await loadTickets(em, id)) ?? null);
}

const loadTickets = batching(async (em, ids: readonly string[]) => {
  const found = await em.find(Ticket, { id: { $in: [...ids] } });
  return new Map(found.map((ticket) => [ticket.id, ticket]));
});

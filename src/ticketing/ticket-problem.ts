import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import type { Ticket } from './ticket.entity.ts';

/**
 * What is wrong with a ticket: a storm came into it that nobody has closed yet. Null when nothing is. One query for a page
 * of tickets.
 */
export async function ticketProblem(em: EntityManager, ticket: Ticket): Promise<Problem | null> {
  if (ticket.status === 'CLOSED') return null;
  const since = await loadStormStart(em, `${ticket.organization.id} ${ticket.id}`);
  return since === undefined
    ? null
    : {
        code: 'STORM',
        message:
          'More messages came from one sender within an hour than the limits allow. They are all kept in this ticket, and nothing answers them.',
        remedy:
          'Find out what sends them, then close the ticket. `moveMessageToTicket` takes out what does not belong here; `updateMailSettings` changes the limits.',
        since: since.toISOString(),
      };
}

/** By organization and ticket: when the first message that was one too many came. */
const loadStormStart = batching(async (em, keys: readonly string[]) => {
  const rows = await em.execute<{ key: string; created_at: string }[]>(
    `select wanted.key, storm.created_at from json_array_elements_text(?::json) as wanted(key)
     cross join lateral (
       select created_at from message
       where organization_id = split_part(wanted.key, ' ', 1)::uuid and ticket_id = split_part(wanted.key, ' ', 2)::uuid
         and automatic = 'STORM'
       order by created_at, id limit 1
     ) as storm`,
    [JSON.stringify(keys)],
  );
  return new Map(rows.map(({ key, created_at }) => [key, new Date(created_at)]));
});

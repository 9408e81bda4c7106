import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Ticket } from './ticket.entity.ts';

/** Of one ticket; no team has as many. */
const MOST_MAILBOXES = 100;

/**
 * The mailboxes that mail of a ticket came to: the one whose mail opened it first, then the others in the order of their
 * first mail, at most {@link MOST_MAILBOXES} of them. A mail that came to two mailboxes and is one ticket names both.
 * Those of many tickets that are asked for in the same tick are one statement.
 */
export async function ticketMailboxes(em: EntityManager, ticket: Ticket): Promise<Mailbox[]> {
  const seenIn = (await mailboxesOf(em, `${ticket.organization.id} ${ticket.id}`)) ?? [];
  const first = ticket.mailbox?.id;
  const ids = [...new Set(first === undefined ? seenIn : [first, ...seenIn])].slice(0, MOST_MAILBOXES);
  if (ids.length === 0) return [];
  const mailboxes = await Promise.all(ids.map((id) => mailboxOf(em, id)));
  return mailboxes.filter((mailbox) => mailbox !== undefined);
}

/** By the ledger, where each copy of a mail has a row of its own. */
const mailboxesOf = batching<string, string[]>(async (em, keys) => {
  const tickets = keys.map((key) => {
    const [organizationId, ticketId] = key.split(' ');
    return { organizationId, ticketId };
  });
  const rows = await em.execute<{ organization_id: string; ticket_id: string; mailbox_id: string }[]>(
    `select seen.organization_id, seen.ticket_id, seen.mailbox_id
       from json_to_recordset(?::json) as asked ("organizationId" uuid, "ticketId" uuid)
       join inbound_message as seen
         on seen.organization_id = asked."organizationId" and seen.ticket_id = asked."ticketId"
      group by seen.organization_id, seen.ticket_id, seen.mailbox_id
      order by min(seen.created_at), min(seen.id::text)`,
    [JSON.stringify(tickets)],
  );
  const groups = Map.groupBy(rows, ({ organization_id, ticket_id }) => `${organization_id} ${ticket_id}`);
  return new Map([...groups].map(([key, group]) => [key, group.map(({ mailbox_id }) => mailbox_id)]));
});

const mailboxOf = batching<string, Mailbox>(async (em, ids) => {
  const rows = await em.find(Mailbox, { id: { $in: [...ids] } });
  return new Map(rows.map((row) => [row.id, row]));
});

import type { EntityManager } from '../platform/database.ts';
import type { IngestPlan } from './ingest-plan.ts';
import type { TicketStatus } from './ticket.entity.ts';

/** How mail is taken in that lay in the mailbox before it was connected. */
export interface ImportOption {
  /**
   * The status of the tickets that it opens, for history: nobody hears of it, nothing answers it, and nothing happens to
   * it in the mailbox. Null: it is taken in as new mail is.
   */
  importedAs: TicketStatus | null;
}

/**
 * Makes history of what a plan has stored: the dates of the mail, the target status, and the mark by which nothing ever
 * answers it. A ticket that was imported closed was closed with its newest mail, so that the usual rules decide whether
 * an answer opens it again. A ticket that was here before keeps its state. Two statements.
 */
export async function markImported(
  em: EntityManager,
  organizationId: string,
  { mails, newTickets, appended }: IngestPlan,
  importedAs: TicketStatus,
): Promise<void> {
  const messageIds = mails.flatMap(({ messageId }) => messageId ?? []);
  if (messageIds.length === 0) return;
  await em.execute(
    `update message set is_imported = true, created_at = coalesce(received_at, created_at)
     where organization_id = ? and id in (?)`,
    [organizationId, messageIds],
  );
  const opened = newTickets.map(({ id, mail, lastMessageAt }) => ({
    id,
    status: importedAs,
    created_at: mail.summary.receivedAt,
    closed_at: importedAs === 'CLOSED' ? lastMessageAt : null,
  }));
  const continued = [...appended].map(([id, at]) => ({ id, status: null, created_at: null, closed_at: at }));
  await em.execute(
    `update ticket set is_imported = true, status = coalesce(row.status, ticket.status),
       created_at = coalesce(row.created_at, ticket.created_at),
       closed_at = case when coalesce(row.status, ticket.status) = 'CLOSED'
         then greatest(ticket.closed_at, row.closed_at) end
     from json_to_recordset(?::json) as row(id uuid, status text, created_at timestamptz, closed_at timestamptz)
     where ticket.organization_id = ? and ticket.id = row.id and (row.status is not null or ticket.is_imported)`,
    [JSON.stringify([...opened, ...continued]), organizationId],
  );
}

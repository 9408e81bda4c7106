import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import type { PlannedMail } from './ingest-plan.ts';
import { nearestReferences } from './threading.ts';

/**
 * Marks what was sent from here and did not arrive: each outbound message that a report of this page names gets what the
 * report says, and everybody is told. Only a final failure counts, a delay may still end well. Two statements, and none
 * without a report. The outbox takes it up from the event.
 */
export async function markBounced(
  em: EntityManager,
  organizationId: string,
  stored: readonly PlannedMail[],
  now: Date,
): Promise<void> {
  const rows = stored.flatMap(({ mail, ticketId }) =>
    mail.bounce?.action === 'FAILED'
      ? nearestReferences(mail.thread).map((id) => ({
          ticket_id: ticketId,
          internet_message_id: id,
          bounce: mail.bounce,
        }))
      : [],
  );
  if (rows.length === 0) return;
  // A report often names the whole thread: the message that bounced is the one that was sent to who did not get it.
  const marked = await em.execute<{ id: string; ticket_id: string }[]>(
    `update message as sent set bounce = row.bounce, updated_at = ?::timestamptz
     from json_to_recordset(?::json) as row(ticket_id uuid, internet_message_id text, bounce jsonb)
     where sent.organization_id = ? and sent.kind = 'OUTBOUND' and sent.ticket_id = row.ticket_id
       and sent.internet_message_id = row.internet_message_id and sent.bounce is null
       and (row.bounce ->> 'recipient' is null
         or sent.to_correspondents @> jsonb_build_array(jsonb_build_object('emailAddress', row.bounce -> 'recipient'))
         or sent.cc_correspondents @> jsonb_build_array(jsonb_build_object('emailAddress', row.bounce -> 'recipient')))
     returning sent.id, sent.ticket_id`,
    [now, JSON.stringify(rows), organizationId],
  );
  await recordEvents(
    em,
    organizationId,
    marked.map(({ id: messageId, ticket_id: ticketId }) => ({
      type: 'message.bounced' as const,
      ticketId,
      messageId,
    })),
  );
}

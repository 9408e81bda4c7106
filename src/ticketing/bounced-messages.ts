import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import type { PlannedMail } from './ingest-plan.ts';
import { nearestReferences } from './threading.ts';

/**
 * Marks what was sent from here and did not arrive: each outbound message that a report of this page names gets what the
 * report says, and everybody is told. Only a final failure counts, a delay may still end well. Also reports that are no
 * message of a ticket are read: what bounced may be a test, or a notification to people here. Three statements, and none
 * without a report. The outbox takes it up from the events.
 */
export async function markBounced(
  em: EntityManager,
  organizationId: string,
  mails: readonly PlannedMail[],
  now: Date,
): Promise<void> {
  const rows = mails.flatMap(({ mail: { bounce, thread }, outcome, ticketId }, report) =>
    bounce?.action === 'FAILED' && (outcome !== 'IGNORED' || ticketId === null)
      ? nearestReferences(thread).map((id, place) => ({
          report,
          place,
          ticket_id: ticketId,
          internet_message_id: id,
          recipient: bounce.recipient,
          bounce,
        }))
      : [],
  );
  if (rows.length === 0) return;
  const marked = await markMessages(em, organizationId, JSON.stringify(rows), now);
  const others = await findOthers(em, organizationId, JSON.stringify(rows));
  await recordEvents(em, organizationId, [
    ...marked.map(({ id: messageId, ticket_id: ticketId }) => ({
      type: 'message.bounced' as const,
      ticketId,
      messageId,
    })),
    ...others.map(({ id: outboundMessageId }) => ({
      type: 'outbound-message.bounced' as const,
      outboundMessageId,
    })),
  ]);
}

/**
 * A report often names the whole thread: the message that bounced is the one that was sent to who did not get it, if
 * only as a blind copy. Where the recipient's side has passed it on, the report names an address that we never wrote to:
 * then it is the mail that the report itself answers.
 */
async function markMessages(
  em: EntityManager,
  organizationId: string,
  rows: string,
  now: Date,
): Promise<{ id: string; ticket_id: string }[]> {
  return await em.execute(
    `with named as (
       select sent.id, row.report, row.place, row.bounce,
         row.recipient is null or sent.to_correspondents @> row.person or sent.cc_correspondents @> row.person
           or outbound.bcc_correspondents @> row.person as is_theirs
       from (
         select *, jsonb_build_array(jsonb_build_object('emailAddress', recipient)) as person
         from json_to_recordset(?::json) as given(report integer, place integer, ticket_id uuid,
           internet_message_id text, recipient text, bounce jsonb)
       ) as row
       join message as sent on sent.organization_id = ? and sent.kind = 'OUTBOUND' and sent.ticket_id = row.ticket_id
         and sent.internet_message_id = row.internet_message_id
       left join outbound_message as outbound
         on outbound.organization_id = sent.organization_id and outbound.message_id = sent.id
     ), chosen as (
       select distinct on (id) id, bounce from named
       where coalesce(is_theirs, false) or (place = 0 and not exists (
         select from named as other where other.report = named.report and other.is_theirs
       ))
       order by id, report
     )
     update message as sent set bounce = chosen.bounce, updated_at = ?::timestamptz
     from chosen where sent.organization_id = ? and sent.id = chosen.id and sent.bounce is null
     returning sent.id, sent.ticket_id`,
    [rows, organizationId, now, organizationId],
  );
}

/** What was sent without being a message of a ticket: tests, and notifications to people here. */
async function findOthers(
  em: EntityManager,
  organizationId: string,
  rows: string,
): Promise<{ id: string }[]> {
  return await em.execute(
    `select distinct sent.id from json_to_recordset(?::json) as row(place integer, internet_message_id text, recipient text)
     join outbound_message as sent on sent.organization_id = ? and sent.internet_message_id = row.internet_message_id
     where sent.message_id is null and (row.recipient is null or row.place = 0
       or sent.to_correspondents @> jsonb_build_array(jsonb_build_object('emailAddress', row.recipient)))`,
    [rows, organizationId],
  );
}

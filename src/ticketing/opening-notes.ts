import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from '../platform/database.ts';
import type { DomainEvent } from '../realtime/catalogue.ts';
import type { IngestPlan } from './ingest-plan.ts';
import type { AutomaticKind } from './machine-mail.ts';

/** A note that stands in a ticket from its first moment. */
interface OpeningNote {
  ticketId: string;
  text: string;
  automatic: AutomaticKind;
}

/** What agents should know of a new ticket: the ledger, which says it too, is read by administrators only. Pure. */
export function openingNotes({ mails, newTickets }: Pick<IngestPlan, 'mails' | 'newTickets'>): OpeningNote[] {
  const storms = mails.flatMap(({ outcome, reason, ticketId, explanation }) =>
    outcome === 'TICKET_CREATED' && reason === 'STORM' && ticketId !== null
      ? [{ ticketId, text: explanation, automatic: 'STORM' as const }]
      : [],
  );
  const others = newTickets.flatMap(({ id, note }) =>
    note == null ? [] : [{ ticketId: id, text: note, automatic: 'AUTO_GENERATED' as const }],
  );
  return [...storms, ...others];
}

/** Writes the notes of tickets that a page opens: one statement, and mostly none. */
export async function storeOpeningNotes(
  em: EntityManager,
  organizationId: string,
  plan: Pick<IngestPlan, 'mails' | 'newTickets'>,
  now: Date,
): Promise<DomainEvent[]> {
  const notes = openingNotes(plan).map((note) => ({ id: uuidv7(), ...note }));
  if (notes.length === 0) return [];
  await em.execute(
    `insert into message (id, organization_id, ticket_id, kind, to_correspondents, cc_correspondents, subject, text,
       stripped_text, automatic, created_at, updated_at)
     select id, ?::uuid, "ticketId", 'NOTE', '[]', '[]', '', text, text, automatic, ?::timestamptz, ?::timestamptz
     from json_to_recordset(?::json) as row(id uuid, "ticketId" uuid, text text, automatic text)`,
    [organizationId, now, now, JSON.stringify(notes)],
  );
  return notes.map(({ id, ticketId }) => ({ type: 'message.added', ticketId, messageId: id }));
}

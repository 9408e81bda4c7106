import type { EntityManager } from '../platform/database.ts';
import type { DomainEvent } from '../realtime/catalogue.ts';
import { markBounced } from './bounced-messages.ts';
import { findOrCreateContacts } from './contacts.ts';
import { closedWithHistory, openedState } from './imported-mail.ts';
import type { IngestPlan, PlannedMail } from './ingest-plan.ts';
import { storeDetails } from './message-details.ts';
import { storeOpeningNotes } from './opening-notes.ts';
import type { TicketStatus } from './ticket.entity.ts';
import { afterReply } from './ticket-state.ts';

/** Shown instead of an empty subject. */
const NO_SUBJECT = '(no subject)';

/** Where the page came from. */
export interface IngestPlace {
  organizationId: string;
  mailboxId: string;
  /** The status of the tickets that history opens; null for new mail. */
  importedAs: TicketStatus | null;
  now: Date;
}

/**
 * Writes the tickets and messages of a plan, in a constant number of statements. Gives the events to record, in the
 * order in which things happened.
 *
 * History is written as such at once: an update of the rows just written would write each of them, and its place in every
 * index, a second time.
 */
export async function storePlan(
  em: EntityManager,
  place: IngestPlace,
  plan: IngestPlan,
): Promise<DomainEvent[]> {
  const stored = plan.mails.filter(isPartOfTicket);
  if (stored.length === 0) {
    await markBounced(em, place.organizationId, plan.mails, place.now);
    return [];
  }
  const people = stored.filter(({ authorId }) => authorId == null).map(({ mail }) => mail.sender);
  const contacts = await findOrCreateContacts(em, place.organizationId, people, place.now);
  await insertTicketsAndMessages(em, place, plan, stored, contacts);
  await storeDetails(em, place.organizationId, stored);
  await touchTickets(em, place, plan);
  await markBounced(em, place.organizationId, plan.mails, place.now);
  const notes = await storeOpeningNotes(em, place.organizationId, plan, place.now);
  return [...eventsOf(stored, plan.newTickets), ...notes];
}

/** A mail that became a message. */
export type StoredMail = PlannedMail & { ticketId: string; messageId: string };

/** Whether the mail became a message. */
export function isPartOfTicket(planned: PlannedMail): planned is StoredMail {
  return planned.messageId !== null;
}

/** The new tickets with their numbers, and all messages: one statement. */
async function insertTicketsAndMessages(
  em: EntityManager,
  { organizationId, mailboxId, importedAs, now }: IngestPlace,
  { newTickets }: IngestPlan,
  stored: readonly StoredMail[],
  contacts: ReadonlyMap<string, string>,
): Promise<void> {
  const tickets = newTickets.map(
    ({ id, number, mail, lastMessageAt, followUpOfId = null, copyOfId = null, routing = null }) => ({
      id,
      number,
      ...openedState(importedAs, mail.summary.receivedAt, lastMessageAt, now),
      follow_up_of_id: followUpOfId,
      copy_of_id: copyOfId,
      group_id: routing?.group?.id ?? null,
      priority: routing?.priority ?? 'NORMAL',
      tags: routing?.tags ?? [],
      assignee_id: routing?.assignee?.id ?? null,
      subject: mail.thread.subject === '' ? NO_SUBJECT : mail.thread.subject,
      requester_id: contacts.get(mail.sender.emailAddress),
      last_message_at: lastMessageAt,
    }),
  );
  const messages = stored.map(({ mail, ticketId, messageId, automatic, authorId = null }) => ({
    id: messageId,
    ticket_id: ticketId,
    author_id: authorId,
    // A note has no correspondents, and no mail finds its ticket by it: whoever writes one takes no part in the ticket.
    from_correspondent: mail.thread.senderAddress === null || authorId !== null ? null : mail.sender,
    to_correspondents: authorId === null ? mail.to : [],
    cc_correspondents: authorId === null ? mail.cc : [],
    subject: mail.thread.subject,
    text: mail.bodies.text,
    html: mail.bodies.html,
    stripped_text: mail.bodies.strippedText,
    internet_message_id: authorId === null ? mail.summary.internetMessageId : null,
    conversation_id: authorId === null ? mail.thread.conversationId : null,
    sent_at: mail.sentAt,
    received_at: mail.summary.receivedAt,
    automatic,
    bounce: mail.bounce,
    is_imported: importedAs !== null,
    created_at: (importedAs === null ? null : mail.summary.receivedAt) ?? now,
  }));
  // The numbers were given under the lock of `lockTicketNumbers`; foreign keys are looked at when all of it is written.
  await em.execute(
    `with place as (
       select ?::uuid as organization_id, ?::uuid as mailbox_id, ?::timestamptz as now, ?::json as tickets, ?::json as messages
     ), numbered as (
       update organization set next_ticket_number = next_ticket_number + json_array_length(place.tickets)
         from place where organization.id = place.organization_id and json_array_length(place.tickets) > 0
     ), opened as (
       insert into ticket (id, organization_id, number, subject, status, priority, requester_id, mailbox_id,
         last_message_at, follow_up_of_id, copy_of_id, group_id, tags, assignee_id, is_imported, closed_at,
         created_at, updated_at)
       select id, organization_id, number, subject, status, priority, requester_id, mailbox_id, last_message_at,
         follow_up_of_id, copy_of_id, group_id, tags, assignee_id, is_imported, closed_at, created_at, now
         from place, json_to_recordset(place.tickets) as row(id uuid, number integer, subject text, requester_id uuid,
           status text, is_imported boolean, created_at timestamptz, closed_at timestamptz,
           last_message_at timestamptz, follow_up_of_id uuid, copy_of_id uuid, group_id uuid, priority text,
           tags text[], assignee_id uuid)
     )
     insert into message (id, organization_id, ticket_id, kind, from_correspondent, to_correspondents,
       cc_correspondents, subject, text, html, stripped_text, internet_message_id, mailbox_id, conversation_id,
       sent_at, received_at, automatic, bounce, is_imported, author_id, created_at, updated_at)
     select id, organization_id, ticket_id, case when author_id is null then 'INBOUND' else 'NOTE' end, from_correspondent, to_correspondents,
       cc_correspondents, subject, text, html, stripped_text, internet_message_id, mailbox_id, conversation_id,
       sent_at, received_at, automatic, bounce, is_imported, author_id, created_at, now
       from place, json_to_recordset(place.messages) as row(id uuid, ticket_id uuid, from_correspondent jsonb,
         to_correspondents jsonb, cc_correspondents jsonb, subject text, text text, html text, stripped_text text,
         internet_message_id text, conversation_id text, sent_at timestamptz, received_at timestamptz, automatic text,
         bounce jsonb, is_imported boolean, author_id uuid, created_at timestamptz)`,
    [organizationId, mailboxId, now, JSON.stringify(tickets), JSON.stringify(messages)],
  );
}

/** The tickets are locked before their state is read: somebody may be closing one at this moment. */
async function touchTickets(
  em: EntityManager,
  { organizationId, importedAs, now }: IngestPlace,
  { appended, reopening }: IngestPlan,
): Promise<void> {
  if (appended.size === 0) return;
  const current = await em.execute<
    { id: string; status: TicketStatus; closed_at: string | null; is_imported: boolean }[]
  >(
    `select id, status, closed_at, is_imported from ticket
     where organization_id = ? and id in (?) order by id for no key update`,
    [organizationId, [...appended.keys()]],
  );
  const rows = current.map(({ id, status, closed_at, is_imported }) => {
    const before = { status, closedAt: closed_at === null ? null : new Date(closed_at) };
    const state = reopening.has(id) ? afterReply(before) : before;
    const at = appended.get(id) ?? now;
    // A ticket that was here before keeps its state.
    const closedAt = importedAs !== null && is_imported ? closedWithHistory(state, at) : state.closedAt;
    return { id, status: state.status, closed_at: closedAt, last_message_at: at };
  });
  await em.execute(
    `update ticket set status = row.status, closed_at = row.closed_at,
       last_message_at = greatest(ticket.last_message_at, row.last_message_at),
       version = version + 1, updated_at = ?::timestamptz
     from json_to_recordset(?::json) as row(id uuid, status text, closed_at timestamptz, last_message_at timestamptz)
     where ticket.organization_id = ? and ticket.id = row.id`,
    [now, JSON.stringify(rows), organizationId],
  );
}

/** A new ticket, its messages, then who was given new ones, then one change for each ticket that got a reply. */
function eventsOf(stored: readonly StoredMail[], newTickets: IngestPlan['newTickets']): DomainEvent[] {
  const events: DomainEvent[] = [];
  const replied = new Set<string>();
  for (const { outcome, ticketId, messageId } of stored) {
    if (outcome === 'TICKET_CREATED') events.push({ type: 'ticket.created', ticketId });
    else replied.add(ticketId);
    events.push({ type: 'message.added', ticketId, messageId });
  }
  for (const { id, routing } of newTickets) {
    const assigneeId = routing?.assignee?.id;
    if (assigneeId === undefined) continue;
    events.push({ type: 'ticket.assigned', ticketId: id, assigneeId, byUserId: null });
  }
  for (const ticketId of replied) events.push({ type: 'ticket.updated', ticketId });
  return events;
}

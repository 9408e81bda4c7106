import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import type { InboundOutcome, InboundReason } from './inbound-message.entity.ts';
import type { MailSummary } from './prepare-mail.ts';
import type { TicketStatus } from './ticket.entity.ts';

/** A ledger row as it ends up. */
export interface LedgerOutcome {
  inboundMessageId: string;
  outcome: InboundOutcome;
  reason: InboundReason;
  explanation: string;
  ticketId: string | null;
  messageId: string | null;
  contentDigest: string | null;
  problem: Problem | null;
  isArchiveDue: boolean;
  isCopyDue: boolean;
  /** Whether it may have been copied before: then the copy is looked for first. */
  mayBeCopied?: boolean;
}

/**
 * Locks the organization's ticket numbers as `lockTicketNumbers` does, and gives the next one, unless the ledger of the
 * mailbox has all of these messages already: then nothing is locked, and null given. So a page that comes again costs
 * one statement and makes nobody wait. It only spares work; what decides is {@link claimLedgerRows}.
 */
export async function lockNumbersForNewMail(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  graphMessageIds: readonly string[],
): Promise<number | null> {
  if (graphMessageIds.length === 0) return null;
  const [row] = await em.execute<{ next_ticket_number: number }[]>(
    `select next_ticket_number from organization where id = ? and (
       select count(*) from inbound_message
       where organization_id = ? and mailbox_id = ? and graph_message_id in (?)) < ?
     for no key update`,
    [organizationId, organizationId, mailboxId, graphMessageIds, graphMessageIds.length],
  );
  return row?.next_ticket_number ?? null;
}

/**
 * Claims messages by inserting their ledger rows, and gives the ids of the rows that are ours, by Graph id. Whoever
 * else has the message, now or earlier, has the row: `on conflict` waits for a transaction that is still open and then
 * leaves the message to it. So each message is processed once, whatever is repeated, killed or runs side by side.
 *
 * `importedAs` marks history with the status of the tickets that it opens.
 *
 * Until the transaction ends the rows say `FAILED`; nobody can see them before {@link settleLedger} has filled them.
 */
export async function claimLedgerRows(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  summaries: readonly MailSummary[],
  now: Date,
  importedAs: TicketStatus | null = null,
): Promise<Map<string, string>> {
  const rows = summaries
    .toSorted((a, b) => timeOf(a) - timeOf(b)) // ids sort by time, and the ledger is read by them
    .map((summary) => ({
      id: uuidv7(),
      graph_message_id: summary.graphMessageId,
      internet_message_id: summary.internetMessageId,
      subject: summary.subject,
      from_address: summary.fromAddress,
      received_at: summary.receivedAt,
    }))
    .toSorted((a, b) => (a.graph_message_id < b.graph_message_id ? -1 : 1)); // one order for all: no deadlock
  const claimed = await em.execute<{ id: string; graph_message_id: string }[]>(
    `insert into inbound_message (id, organization_id, mailbox_id, graph_message_id, internet_message_id, subject,
       from_address, received_at, outcome, reason, explanation, imported_as, created_at, updated_at)
     select id, ?::uuid, ?::uuid, graph_message_id, internet_message_id, subject,
       from_address, received_at, 'FAILED', 'PROCESSING_ERROR', '', ?, ?::timestamptz, ?::timestamptz
     from json_to_recordset(?::json) as row(id uuid, graph_message_id text, internet_message_id text, subject text,
       from_address text, received_at timestamptz)
     on conflict (mailbox_id, graph_message_id) do nothing
     returning id, graph_message_id`,
    [organizationId, mailboxId, importedAs, now, now, JSON.stringify(rows)],
  );
  return new Map(claimed.map(({ id, graph_message_id }) => [graph_message_id, id]));
}

/** Mails without a time come last, as where they are decided about. */
function timeOf({ receivedAt }: MailSummary): number {
  return receivedAt?.getTime() ?? Number.MAX_SAFE_INTEGER;
}

/** Fills the claimed rows with what became of their messages. */
export async function settleLedger(
  em: EntityManager,
  organizationId: string,
  outcomes: readonly LedgerOutcome[],
  now: Date,
): Promise<void> {
  if (outcomes.length === 0) return;
  const rows = outcomes.map((row) => ({
    id: row.inboundMessageId,
    outcome: row.outcome,
    reason: row.reason,
    explanation: row.explanation,
    ticket_id: row.ticketId,
    message_id: row.messageId,
    content_digest: row.contentDigest,
    problem: row.problem,
    archive_state: row.isArchiveDue ? 'DUE' : 'NOT_WANTED',
    copy_state: row.isCopyDue ? 'DUE' : 'NOT_WANTED',
    copy_tried_at: row.mayBeCopied ? now : null,
  }));
  await em.execute(
    `update inbound_message as seen set outcome = row.outcome, reason = row.reason, explanation = row.explanation,
       ticket_id = row.ticket_id, message_id = row.message_id, content_digest = row.content_digest,
       problem = row.problem, archive_state = row.archive_state,
       -- Copied once is copied for good, whatever becomes of the row.
       copy_state = case when seen.copy_state = 'DONE' then 'DONE' else row.copy_state end,
       copy_tried_at = coalesce(seen.copy_tried_at, row.copy_tried_at), updated_at = ?::timestamptz
     from json_to_recordset(?::json) as row(id uuid, outcome text, reason text, explanation text, ticket_id uuid,
       message_id uuid, content_digest text, problem jsonb, archive_state text, copy_state text,
       copy_tried_at timestamptz)
     where seen.organization_id = ? and seen.id = row.id`,
    [now, JSON.stringify(rows), organizationId],
  );
}

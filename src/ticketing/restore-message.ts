import type { IncomingMail } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { InboundMessage } from './inbound-message.entity.ts';
import { type IngestResult, ingestOneAgain } from './ingest.ts';
import type { ReadMail } from './read-mail.ts';
import { lockTicketNumbers } from './ticket-number.ts';

/** A mail whose message is missing, in the mailbox that received it. */
export interface LostMail {
  organizationId: string;
  mailboxId: string;
  graphMessageId: string;
}

/**
 * Makes the message of a mail again, when the ledger says that there is one and there is none. It goes back into its
 * ticket, whose state stays as it is; when the ticket is gone as well, the mail finds its thread as if it were new. Null
 * when nothing is missing any more. Call it inside `em.transactional`; `read` is what `readMails` made of the mail before.
 */
export async function restoreMessage(
  em: EntityManager,
  lost: LostMail,
  mail: IncomingMail,
  now: Date,
  read?: ReadMail,
): Promise<IngestResult | null> {
  const row = await failLost(em, lost, lostProblem(now), now);
  if (row === null) return null;
  const result = await ingestOneAgain(em, row, mail, now, read);
  if (row.archiveState !== 'DONE') return result;
  // It was archived long ago, and where people have put it since is their business.
  await em.execute(
    `update inbound_message set archive_state = 'DONE' where organization_id = ? and id = ?
       and archive_state = 'DUE'`,
    [lost.organizationId, row.id],
  );
  return { ...result, archiveDue: 0 };
}

/**
 * Says in the ledger that a message is missing: its row becomes `FAILED`, with the ticket that lost it if that is there.
 * Gives the row as it was before, but for that ticket; null when nothing is missing. Call it inside `em.transactional`.
 */
export async function failLost(
  em: EntityManager,
  { organizationId, mailboxId, graphMessageId }: LostMail,
  problem: Problem,
  now: Date,
): Promise<InboundMessage | null> {
  await lockTicketNumbers(em, organizationId); // first, as everybody: see ingest.ts
  const [failed] = await em.execute<{ id: string; ticket_id: string | null }[]>(
    `update inbound_message as seen set outcome = 'FAILED', reason = 'PROCESSING_ERROR', explanation = ?, problem = ?::jsonb,
       message_id = null, content_digest = null, updated_at = ?,
       ticket_id = (select ticket.id from ticket
         where ticket.organization_id = seen.organization_id and ticket.id = seen.ticket_id)
     where seen.organization_id = ? and seen.mailbox_id = ? and seen.graph_message_id = ?
       and seen.outcome in ('TICKET_CREATED', 'REPLY_ADDED') and not exists (
         select from message
         join ticket on ticket.organization_id = message.organization_id and ticket.id = message.ticket_id
         where message.organization_id = seen.organization_id and message.id = seen.message_id
       )
     returning id`,
    [`Failed: ${problem.message}`, JSON.stringify(problem), now, organizationId, mailboxId, graphMessageId],
  );
  if (!failed) return null;
  return em.findOneOrFail(InboundMessage, { id: failed.id }, { refresh: true });
}

function lostProblem(now: Date): Problem {
  return {
    code: 'MESSAGE_MISSING',
    message: 'The message of this mail went missing here.',
    remedy: 'Nothing to do: it is read from the mailbox again.',
    since: now.toISOString(),
  };
}

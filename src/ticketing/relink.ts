import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { claimLedgerRows, settleLedger } from './ledger.ts';
import { type ReadMail, readMail } from './read-mails.ts';
import { lockTicketNumbers } from './ticket-number.ts';

/** Mails whose ledger rows may have gone missing. */
export interface RelinkInput {
  organizationId: string;
  /** Load it in the same transaction. */
  mailbox: Mailbox;
  mails: readonly IncomingMail[];
  /** What `readMails` made of them before the transaction; what is missing is read inside of it. */
  read?: ReadonlyMap<IncomingMail, ReadMail>;
  now: Date;
}

interface UnlinkedRow {
  message_id: string;
  ticket_id: string;
  number: number;
  internet_message_id: string;
  received_at: string | null;
  opens: boolean;
}

/**
 * Gives mails that are messages already, and whose ledger rows have gone missing, their rows again: taken in as new they
 * would become a second ticket. A mail is known by its Message-ID and the instant when Exchange received it, in this
 * mailbox, by a message that no row points at. Call it inside `em.transactional`; gives how many it linked. Mails that the
 * ledger has are left alone.
 */
export async function relinkMails(
  em: EntityManager,
  { organizationId, mailbox, mails, read, now }: RelinkInput,
): Promise<number> {
  const readable = mails.map((mail) => read?.get(mail) ?? readMail(mail));
  const ids = readable.flatMap(({ summary }) => summary.internetMessageId ?? []);
  if (ids.length === 0) return 0;
  // First, as everybody: two that lock in different orders would deadlock, and two that link the same message must not.
  await lockTicketNumbers(em, organizationId);
  const unlinked = await findUnlinked(em, organizationId, mailbox.id, ids);
  const pairs: { mail: ReadMail; row: UnlinkedRow }[] = [];
  for (const mail of readable) {
    const { internetMessageId, receivedAt } = mail.summary;
    const at = unlinked.findIndex(
      (row) =>
        row.internet_message_id === internetMessageId &&
        row.received_at !== null &&
        new Date(row.received_at).getTime() === receivedAt?.getTime(),
    );
    const [row] = at === -1 ? [] : unlinked.splice(at, 1);
    if (row) pairs.push({ mail, row });
  }
  const summaries = pairs.map(({ mail }) => mail.summary);
  if (summaries.length === 0) return 0;
  const claimed = await claimLedgerRows(em, organizationId, mailbox.id, summaries, now);
  const outcomes = pairs.flatMap(({ mail, row }) => {
    const inboundMessageId = claimed.get(mail.summary.graphMessageId);
    if (inboundMessageId === undefined) return [];
    return {
      inboundMessageId,
      outcome: row.opens ? ('TICKET_CREATED' as const) : ('REPLY_ADDED' as const),
      reason: 'RESTORED' as const,
      explanation: `Restored: it is a message of ticket #${row.number}, and its row in the ledger was missing.`,
      ticketId: row.ticket_id,
      messageId: row.message_id,
      contentDigest: 'prepared' in mail ? mail.prepared.contentDigest : null,
      problem: null,
      // Moving what lies there already changes nothing.
      isArchiveDue: mailbox.afterProcessing !== 'KEEP',
      isCopyDue: mailbox.copyFolder != null,
      mayBeCopied: true,
    };
  });
  await settleLedger(em, organizationId, outcomes, now);
  return outcomes.length;
}

async function findUnlinked(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  internetMessageIds: readonly string[],
): Promise<UnlinkedRow[]> {
  return em.execute<UnlinkedRow[]>(
    `select known.id as message_id, known.ticket_id, ticket.number, known.internet_message_id, known.received_at,
       not exists (
         select from message as earlier
         where earlier.organization_id = known.organization_id and earlier.ticket_id = known.ticket_id
           and (earlier.created_at, earlier.id) < (known.created_at, known.id)
       ) as opens
     from message as known
     join ticket on ticket.organization_id = known.organization_id and ticket.id = known.ticket_id
     where known.organization_id = ? and known.mailbox_id = ? and known.kind = 'INBOUND'
       and known.internet_message_id in (?)
       and not exists (
         select from inbound_message as seen
         where seen.organization_id = known.organization_id and seen.message_id = known.id
           and seen.internet_message_id = known.internet_message_id
       )
     order by known.created_at, known.id`,
    [organizationId, mailboxId, internetMessageIds],
  );
}

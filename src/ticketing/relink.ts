import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { claimLedgerRows, settleLedger } from './ledger.ts';
import { type ReadMail, readMail } from './read-mail.ts';
import type { TicketStatus } from './ticket.entity.ts';
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
  internet_message_id: string | null;
  conversation_id: string | null;
  subject: string;
  received_at: string | null;
  is_imported: boolean;
  status: TicketStatus;
  opens: boolean;
}

/**
 * Gives mails that are messages already, and whose ledger rows have gone missing, their rows again: taken in as new they
 * would become a second ticket. A mail is known by its Message-ID and the instant when Exchange received it, in this
 * mailbox, by a message that no row points at; without a Message-ID (senders write there what they like) by conversation,
 * subject and that instant. Call it inside `em.transactional`; gives how many it linked. Mails that the ledger has are left
 * alone.
 */
export async function relinkMails(
  em: EntityManager,
  { organizationId, mailbox, mails, read, now }: RelinkInput,
): Promise<number> {
  const readable = mails.map((mail) => read?.get(mail) ?? readMail(mail));
  const ids = readable.flatMap(({ summary }) => summary.internetMessageId ?? []);
  const conversations = readable.flatMap((mail) =>
    mail.summary.internetMessageId === null ? (conversationOf(mail) ?? []) : [],
  );
  if (ids.length + conversations.length === 0) return 0;
  // First, as everybody: two that lock in different orders would deadlock, and two that link the same message must not.
  await lockTicketNumbers(em, organizationId);
  const unlinked = [
    ...(await findUnlinked(em, organizationId, mailbox.id, ids)),
    ...(await findUnlinkedWithoutId(em, organizationId, mailbox.id, conversations)),
  ];
  const rows = new Map<ReadMail, UnlinkedRow>();
  // Two mails may share id and instant: each first looks for the message that has its subject as well.
  for (const isSame of [isOfSubject, isOfId]) {
    for (const mail of readable) {
      const at = rows.has(mail) ? -1 : unlinked.findIndex((row) => isSame(row, mail));
      const [row] = at === -1 ? [] : unlinked.splice(at, 1);
      if (row) rows.set(mail, row);
    }
  }
  const pairs = [...rows].map(([mail, row]) => ({ mail, row }));
  if (pairs.length === 0) return 0;
  const claimed = new Map<string, string>();
  for (const [importedAs, alike] of Map.groupBy(pairs, ({ row }) => treatmentOf(row))) {
    const summaries = alike.map(({ mail }) => mail.summary);
    const rows = await claimLedgerRows(em, organizationId, mailbox.id, summaries, now, importedAs);
    for (const [graphMessageId, id] of rows) claimed.set(graphMessageId, id);
  }
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
      isArchiveDue: mailbox.afterProcessing !== 'KEEP' && !row.is_imported,
      isCopyDue: mailbox.copyFolder != null && !row.is_imported,
      mayBeCopied: true,
    };
  });
  await settleLedger(em, organizationId, outcomes, now);
  return outcomes.length;
}

/**
 * How its message is made again, should it be lost as well: history stays history. What its import was asked for is not
 * known here any more; the status that the ticket has now serves at least as well.
 */
function treatmentOf({ is_imported, status }: UnlinkedRow): TicketStatus | null {
  return is_imported ? status : null;
}

function isOfSubject(row: UnlinkedRow, mail: ReadMail): boolean {
  if (row.subject !== mail.summary.subject) return false;
  if (mail.summary.internetMessageId !== null) return isOfId(row, mail);
  return (
    row.internet_message_id === null && row.conversation_id === conversationOf(mail) && isOfInstant(row, mail)
  );
}

function isOfId(row: UnlinkedRow, mail: ReadMail): boolean {
  const { internetMessageId } = mail.summary;
  return (
    internetMessageId !== null && row.internet_message_id === internetMessageId && isOfInstant(row, mail)
  );
}

function isOfInstant({ received_at }: UnlinkedRow, { summary: { receivedAt } }: ReadMail): boolean {
  return received_at !== null && new Date(received_at).getTime() === receivedAt?.getTime();
}

function conversationOf(mail: ReadMail): string | null {
  return 'prepared' in mail ? mail.prepared.thread.conversationId : null;
}

/** Of a message `known` and its `ticket`. */
const COLUMNS = `known.id as message_id, known.ticket_id, ticket.number, known.internet_message_id, known.conversation_id,
  known.subject, known.received_at, known.is_imported,
  ticket.status,
  not exists (
    select from message as earlier
    where earlier.organization_id = known.organization_id and earlier.ticket_id = known.ticket_id
      and (earlier.created_at, earlier.id) < (known.created_at, known.id)
  ) as opens`;

async function findUnlinked(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  internetMessageIds: readonly string[],
): Promise<UnlinkedRow[]> {
  if (internetMessageIds.length === 0) return [];
  return em.execute<UnlinkedRow[]>(
    `select ${COLUMNS}
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

async function findUnlinkedWithoutId(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  conversationIds: readonly string[],
): Promise<UnlinkedRow[]> {
  if (conversationIds.length === 0) return [];
  // No index leads from a message to its row: the ledger is read once, for mail that hardly ever is.
  return em.execute<UnlinkedRow[]>(
    `select ${COLUMNS}
     from message as known
     join ticket on ticket.organization_id = known.organization_id and ticket.id = known.ticket_id
     where known.organization_id = ? and known.mailbox_id = ? and known.kind = 'INBOUND'
       and known.internet_message_id is null and known.conversation_id in (?)
       and not exists (
         select from inbound_message as seen
         where seen.organization_id = known.organization_id and seen.message_id = known.id
       )
     order by known.created_at, known.id`,
    [organizationId, mailboxId, conversationIds],
  );
}

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
 * How a ticket begins that a mail opens, by the names of its columns. One of history has the date of the mail and the
 * target status; imported closed it was closed with its newest mail, so that the usual rules decide whether an answer opens
 * it again.
 */
export function openedState(
  importedAs: TicketStatus | null,
  receivedAt: Date | null,
  lastMessageAt: Date,
  now: Date,
): { status: TicketStatus; is_imported: boolean; created_at: Date; closed_at: Date | null } {
  if (importedAs === null) return { status: 'OPEN', is_imported: false, created_at: now, closed_at: null };
  return {
    status: importedAs,
    is_imported: true,
    created_at: receivedAt ?? now,
    closed_at: importedAs === 'CLOSED' ? lastMessageAt : null,
  };
}

/** When an imported ticket was closed after history of `lastMessageAt` joined it; null when it is not closed. */
export function closedWithHistory(
  { status, closedAt }: { status: TicketStatus; closedAt: Date | null },
  lastMessageAt: Date,
): Date | null {
  if (status !== 'CLOSED') return null;
  return closedAt === null || closedAt < lastMessageAt ? lastMessageAt : closedAt;
}

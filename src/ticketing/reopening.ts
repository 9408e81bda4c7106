import type { CandidateTicket } from './threading.ts';

const DAY = 24 * 60 * 60 * 1_000;

/** What becomes of a reply: it joins a ticket, or opens one that is linked to the ticket that it would have joined. */
export type FateOfReply =
  | { joins: CandidateTicket; because: string | null }
  | { followsUp: CandidateTicket; because: string };

/**
 * Whether the ticket was closed more than `days` days before `at`, so that a reply does not open it again: later somebody
 * most likely wants something new. With 0 days that is every closed ticket, also for a reply that was on its way.
 */
export function isClosedForGood({ closedAt }: CandidateTicket, at: Date, days: number): boolean {
  if (closedAt == null) return false;
  return days === 0 || at.getTime() - closedAt.getTime() > days * DAY;
}

/**
 * Decides about a reply of `at` to `ticket`. `newest` is the last of the tickets that followed it up, if there are any:
 * what goes on there joins there. A mailbox that opens no tickets opens the old one again: a reply is never dropped.
 */
export function fateOfReply(
  ticket: CandidateTicket,
  newest: CandidateTicket | null,
  { at, createTickets, reopenWithinDays }: { at: Date; createTickets: boolean; reopenWithinDays: number },
): FateOfReply {
  if (!isClosedForGood(ticket, at, reopenWithinDays)) return { joins: ticket, because: null };
  const closed =
    reopenWithinDays === 0
      ? `Ticket #${ticket.number} is closed, and replies open none again`
      : `Ticket #${ticket.number} was closed more than ${reopenWithinDays} ${reopenWithinDays === 1 ? 'day' : 'days'} before`;
  if (newest !== null && !isClosedForGood(newest, at, reopenWithinDays)) {
    return { joins: newest, because: `${closed}, and goes on in ticket #${newest.number}.` };
  }
  if (createTickets) {
    return { followsUp: newest ?? ticket, because: `${closed}: a new ticket, linked to it.` };
  }
  return { joins: ticket, because: `${closed}; it opens again, since this mailbox opens no tickets.` };
}

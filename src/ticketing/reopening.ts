import type { CandidateTicket } from './threading.ts';

const DAY = 24 * 60 * 60 * 1_000;

/**
 * How long after its closing a ticket opens again by a reply, in days. Later somebody most likely wants something new. A
 * setting of the organization would be read in place of this.
 */
export const REOPEN_WITHIN_DAYS = 14;

/** What becomes of a reply: it joins a ticket, or opens one that is linked to the ticket that it would have joined. */
export type FateOfReply =
  | { joins: CandidateTicket; because: string | null }
  | { followsUp: CandidateTicket; because: string };

/** Whether the ticket was closed so long before `at` that a reply does not open it again. */
export function isClosedForGood({ closedAt }: CandidateTicket, at: Date): boolean {
  return closedAt != null && at.getTime() - closedAt.getTime() > REOPEN_WITHIN_DAYS * DAY;
}

/**
 * Decides about a reply of `at` to `ticket`. `newest` is the last of the tickets that followed it up, if there are any:
 * what goes on there joins there. A mailbox that opens no tickets opens the old one again: a reply is never dropped.
 */
export function fateOfReply(
  ticket: CandidateTicket,
  newest: CandidateTicket | null,
  { at, createTickets }: { at: Date; createTickets: boolean },
): FateOfReply {
  if (!isClosedForGood(ticket, at)) return { joins: ticket, because: null };
  const closed = `Ticket #${ticket.number} was closed more than ${REOPEN_WITHIN_DAYS} days before`;
  if (newest !== null && !isClosedForGood(newest, at)) {
    return { joins: newest, because: `${closed}, and goes on in ticket #${newest.number}.` };
  }
  if (createTickets) {
    return { followsUp: newest ?? ticket, because: `${closed}: a new ticket, linked to it.` };
  }
  return { joins: ticket, because: `${closed}; it opens again, since this mailbox opens no tickets.` };
}

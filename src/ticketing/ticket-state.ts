import type { TicketStatus } from './ticket.entity.ts';

/** What of a ticket its status governs. */
export interface TicketState {
  status: TicketStatus;
  /** When it was closed; null unless it is closed. */
  closedAt: Date | null;
}

/** The state after somebody sets `status`. Setting what is already so changes nothing: closing keeps its first time. */
export function withStatus(state: TicketState, status: TicketStatus, now: Date): TicketState {
  if (state.status === status) return state;
  return { status, closedAt: status === 'CLOSED' ? now : null };
}

/** The state after a mail from outside: a closed ticket opens again, since somebody is not done with it. */
export function afterReply(state: TicketState): TicketState {
  return state.status === 'CLOSED' ? { status: 'OPEN', closedAt: null } : state;
}

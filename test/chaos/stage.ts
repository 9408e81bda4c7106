/** A mailbox of the run, and what may happen to it. */
export interface StagedMailbox {
  /** Before the `@`. */
  name: string;
  /** Of which organization. */
  organization: 'A' | 'B';
  /** False: Microsoft refuses subscriptions for it, so that it is polled. */
  isPushed: boolean;
  isArchived: boolean;
  /** Whether Graph fails for it alone. One is spared: beside it the others are throttled (R5). */
  isVictim: boolean;
}

/** A client of the API that listens all the time. */
export interface StagedClient {
  name: string;
  organization: 'A' | 'B';
  transport: 'WS' | 'SSE';
  field: 'ticketCreated' | 'messageAdded';
}

/** The minutes between polls: the shortest that the settings know. */
export const POLLING_MINUTES = 1;

const MAILBOXES: readonly StagedMailbox[] = [
  { name: 'alpha', organization: 'A', isPushed: true, isArchived: false, isVictim: true },
  { name: 'bravo', organization: 'A', isPushed: true, isArchived: true, isVictim: true },
  { name: 'charlie', organization: 'A', isPushed: false, isArchived: true, isVictim: false },
  { name: 'delta', organization: 'B', isPushed: true, isArchived: true, isVictim: true },
  { name: 'echo', organization: 'B', isPushed: true, isArchived: false, isVictim: false },
];

/** The mailbox that no fault of Graph's is aimed at. */
export const SPARED_MAILBOX = 'echo';

/** Who listens to what. */
export const CLIENTS: readonly StagedClient[] = [
  { name: 'a-tickets-ws', organization: 'A', transport: 'WS', field: 'ticketCreated' },
  { name: 'a-tickets-sse', organization: 'A', transport: 'SSE', field: 'ticketCreated' },
  { name: 'a-messages-ws', organization: 'A', transport: 'WS', field: 'messageAdded' },
  { name: 'b-tickets-ws', organization: 'B', transport: 'WS', field: 'ticketCreated' },
  { name: 'b-messages-sse', organization: 'B', transport: 'SSE', field: 'messageAdded' },
];

/** The mailboxes of a run; a run shorter than a polling interval has none that is polled. */
export function mailboxesOf(minutes: number): readonly StagedMailbox[] {
  return MAILBOXES.filter(({ isPushed }) => isPushed || minutes >= POLLING_MINUTES / 2);
}

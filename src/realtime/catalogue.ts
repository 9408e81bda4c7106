/**
 * Every event that exists. Events carry ids and nothing else: who receives one reads the rows through their own
 * organization and permissions, at the time of delivery. This file imports nothing: it is the contract.
 */
export type DomainEvent =
  | { type: 'ticket.created'; ticketId: string }
  | { type: 'ticket.updated'; ticketId: string }
  /** It was deleted, or merged into another one; its row of `former_ticket` says which. */
  | { type: 'ticket.removed'; ticketId: string }
  | { type: 'message.added'; ticketId: string; messageId: string }
  | { type: 'sync-status.changed'; mailboxId: string }
  | { type: 'mail-import.progressed'; mailboxId: string; mailImportId: string }
  | { type: 'account-status.changed'; accountId: string }
  | { type: 'sign-in.ended'; signInAttemptId: string }
  | { type: 'credential.expiring'; integrationId: string }
  /** The settings of the organization that the event belongs to. */
  | { type: 'organization.changed' };

export type EventType = DomainEvent['type'];

/** The event of one type. */
export type EventOf<Type extends EventType> = Extract<DomainEvent, { type: Type }>;

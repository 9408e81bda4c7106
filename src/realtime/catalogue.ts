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
  /** It has another assignee than before; `assigneeId` null: none. */
  | { type: 'ticket.assigned'; ticketId: string; assigneeId: string | null; byUserId: string | null }
  /** A person here closed it. */
  | { type: 'ticket.closed'; ticketId: string }
  /** A report said that a message that was sent from here did not arrive. */
  | { type: 'message.bounced'; ticketId: string; messageId: string }
  /** The same of a mail that is no message of a ticket: a test, or a notification to people here. */
  | { type: 'outbound-message.bounced'; outboundMessageId: string }
  | { type: 'outbound-message.changed'; outboundMessageId: string; ticketId: string | null }
  | { type: 'mailbox.changed'; mailboxId: string }
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

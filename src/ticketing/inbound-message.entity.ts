import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { Message } from './message.entity.ts';
import { Ticket, type TicketStatus } from './ticket.entity.ts';

/** What became of a message that was seen in a mailbox. Every message ends as exactly one of these. */
export const INBOUND_OUTCOMES = ['TICKET_CREATED', 'REPLY_ADDED', 'IGNORED', 'FAILED'] as const;
export type InboundOutcome = (typeof INBOUND_OUTCOMES)[number];

/** Why the outcome is what it is. */
export const INBOUND_REASONS = [
  'NEW_CONVERSATION',
  'REFERENCES',
  'TICKET_TOKEN',
  'CONVERSATION',
  'TICKETS_OFF',
  'DRAFT',
  'DUPLICATE',
  'PROCESSING_ERROR',
  'RESTORED',
  'AUTO_REPLY',
  'OUT_OF_OFFICE',
  'READ_RECEIPT',
  'BOUNCE',
  'CALENDAR_RESPONSE',
  'OWN_MAIL',
  'STORM',
  'FOLLOW_UP',
  'MOVED',
  'TICKET_DELETED',
  'MAIL_RULE',
] as const;
export type InboundReason = (typeof INBOUND_REASONS)[number];

/** Where archiving, deleting or copying stands. `DUE` until Exchange has confirmed it. */
export const ARCHIVE_STATES = ['NOT_WANTED', 'DUE', 'DONE', 'FAILED'] as const;
export type ArchiveState = (typeof ARCHIVE_STATES)[number];

/**
 * The ledger: one row for each message ever seen in a mailbox, unique by (mailbox, immutable id). This uniqueness, and
 * not any queue or lock, is what makes a message become a ticket once.
 */
export const InboundMessageSchema = defineEntity({
  name: 'InboundMessage',
  tableName: 'inbound_message',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    /** Graph's immutable id; case-sensitive. */
    graphMessageId: p.text(),
    internetMessageId: p.text().nullable(),
    subject: p.text(),
    fromAddress: p.string().nullable(),
    receivedAt: p.datetime().nullable(),
    outcome: p.string().$type<InboundOutcome>(),
    reason: p.string().$type<InboundReason>(),
    /** The decision in a sentence that an administrator can read. */
    explanation: p.text(),
    ticket: () => p.manyToOne(Ticket).ref().nullable(),
    message: () => p.manyToOne(Message).ref().nullable(),
    problem: p.json<Problem>().nullable(),
    /** Equal for copies of one mail, see content-digest.ts; null when the mail has no Message-ID or was not processed. */
    contentDigest: p.string().nullable(),
    /** Of history: the status of the tickets that it opens. Null for all other mail. */
    importedAs: p.string().$type<TicketStatus>().nullable(),
    /** Whether a person wants it in a ticket, though it was ignored: see wanted-mail.ts. */
    isWanted: p.boolean().default(false),
    /** How often processing was tried. */
    attempts: p.integer().default(1),
    archiveState: p.string().$type<ArchiveState>().default('NOT_WANTED'),
    /** When the row became due for archiving and to which folder is read from the mailbox's settings at that time. */
    archivedAt: p.datetime().nullable(),
    /** When a deletion was last asked for: deleting twice goes further than once, so what came of it is looked at first. */
    deletionTriedAt: p.datetime().nullable(),
    copyState: p.string().$type<ArchiveState>().default('NOT_WANTED'),
    copiedAt: p.datetime().nullable(),
    /** When a copy was last asked for, written down before: until it is known what came of it, it is looked for first. */
    copyTriedAt: p.datetime().nullable(),
    copyGraphMessageId: p.text().nullable(),
  },
});

export class InboundMessage extends InboundMessageSchema.class {}
InboundMessageSchema.setClass(InboundMessage);

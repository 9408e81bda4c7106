/*
 * Words of this folder: an *outbound message* is one mail to be sent, from queued to sent, bounced or failed; the *outbox*
 * is all of them; to *deliver* is to bring one of them to Microsoft, exactly once; a *lane* keeps large mails out of the
 * way of small ones.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { Identity } from '../mailboxes/identity.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { type Correspondent, Message } from '../ticketing/message.entity.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';

export const OUTBOUND_KINDS = ['REPLY', 'NOTIFICATION', 'TEST'] as const;
export type OutboundKind = (typeof OUTBOUND_KINDS)[number];

/** `SENT`: Microsoft has taken it. `BOUNCED`: a report says that it did not arrive. `FAILED`: until somebody retries it. */
export const OUTBOUND_STATES = ['QUEUED', 'SENDING', 'SENT', 'BOUNCED', 'FAILED', 'CANCELLED'] as const;
export type OutboundState = (typeof OUTBOUND_STATES)[number];

/** `BULKY`: with files of more than a few megabytes. */
export const OUTBOUND_LANES = ['PROMPT', 'BULKY'] as const;
export type OutboundLane = (typeof OUTBOUND_LANES)[number];

/** Where the copy of a sent mail lies: in Sent Items of its mailbox, elsewhere in it, or nowhere that we can see. */
export const SENT_COPIES = ['PENDING', 'FOUND', 'ELSEWHERE', 'MISSING'] as const;
export type SentCopy = (typeof SENT_COPIES)[number];

/** One mail to be sent. Its content is fixed when it is queued: every attempt sends the same. */
export const OutboundMessageSchema = defineEntity({
  name: 'OutboundMessage',
  tableName: 'outbound_message',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** The order in which mails were queued. Given by the database. */
    position: p.bigint().$type<string>().persist(false).nullable(),
    kind: p.string().$type<OutboundKind>(),
    state: p.string().$type<OutboundState>().default('QUEUED'),
    lane: p.string().$type<OutboundLane>(),
    /** Lower goes first: what people write before notifications. */
    priority: p.smallint().default(0),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    identity: () => p.manyToOne(Identity).ref(),
    ticket: () => p.manyToOne(Ticket).ref().nullable(),
    /** The message of the ticket that it is; null where the conversation does not show it. Its files are that message's. */
    message: () => p.manyToOne(Message).ref().nullable(),
    /** Who asked for it; null for what Deskgraph sends by itself. */
    author: () => p.manyToOne(User).ref().nullable(),
    /** What the caller named the request: the same name by the same user is the same mail. */
    idempotencyKey: p.text().nullable(),
    from: p.json<Correspondent>().name('from_correspondent'),
    replyTo: p.json<Correspondent[]>().name('reply_to_correspondents'),
    to: p.json<Correspondent[]>().name('to_correspondents'),
    cc: p.json<Correspondent[]>().name('cc_correspondents'),
    bcc: p.json<Correspondent[]>().name('bcc_correspondents'),
    recipientCount: p.integer(),
    subject: p.text(),
    /** The body as it is sent, signature and quoted history included; null: plain text only. */
    bodyHtml: p.text().nullable().lazy(),
    bodyText: p.text().lazy(),
    /** Message-ID with angle brackets of what it answers. */
    inReplyTo: p.text().nullable(),
    /** Message-IDs with angle brackets, oldest first. */
    references: p.array().name('internet_references'),
    /** Graph's id of the mail that it answers, where that lies in the same mailbox. */
    answersGraphMessageId: p.text().nullable(),
    /** Whether a machine wrote it: other machines are told not to answer. */
    isAutomatic: p.boolean().default(false),
    /** Immutable id of the draft, and later of the sent copy; null until the draft is known to exist. */
    graphMessageId: p.text().nullable(),
    internetMessageId: p.text().nullable(),
    conversationId: p.text().nullable(),
    attempts: p.integer().default(0),
    /** How often it has failed for a reason that passes, since it was last queued: decides how long it waits. */
    failures: p.integer().default(0),
    /** Since when it fails, while it is tried again; null when the last attempt was good. */
    failedSince: p.datetime().nullable(),
    /** Not tried before. */
    dueAt: p.datetime(),
    /** Written before Microsoft is asked for a draft: after a crash a draft may exist that we know nothing of. */
    draftAttemptedAt: p.datetime().nullable(),
    /** When all files were on the draft. */
    filesCompleteAt: p.datetime().nullable(),
    /** Written before Microsoft is told to send: from then on only looking tells whether it went out. Counts in the limits. */
    sendAttemptedAt: p.datetime().nullable(),
    sentAt: p.datetime().nullable(),
    sentCopy: p.string().$type<SentCopy>().default('PENDING'),
    sentCopyCheckedAt: p.datetime().nullable(),
    /** What the sent copy shows as its sender: Exchange may replace the name or the address. Null until it was read. */
    shownFrom: p.json<Correspondent>().nullable(),
    /** Who really sent it, by the same copy: with Send on Behalf another one than `shownFrom`, shown beside it. */
    shownSender: p.json<Correspondent>().nullable(),
    /** Why it waits or has failed; or, of one that is sent, that this is not certain. */
    problem: p.json<Problem>().nullable(),
    version: p.integer().version(),
  },
});

export class OutboundMessage extends OutboundMessageSchema.class {}
OutboundMessageSchema.setClass(OutboundMessage);

import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Bounce } from './bounce.ts';
import type { AutomaticKind } from './machine-mail.ts';
import { Ticket } from './ticket.entity.ts';

export const MESSAGE_KINDS = ['INBOUND', 'OUTBOUND', 'NOTE'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** A mail address with the name that it was written with. */
export interface Correspondent {
  name: string | null;
  emailAddress: string;
}

/** One mail, reply or note of a ticket. */
export const MessageSchema = defineEntity({
  name: 'Message',
  tableName: 'message',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    ticket: () => p.manyToOne(Ticket).ref(),
    kind: p.string().$type<MessageKind>(),
    from: p.json<Correspondent>().nullable().name('from_correspondent'),
    to: p.json<Correspondent[]>().name('to_correspondents'),
    cc: p.json<Correspondent[]>().name('cc_correspondents'),
    subject: p.text(),
    // The bodies are long: rows come without them, unless `populate` names them. Resolvers use message-bodies.ts.
    /** The whole body as plain text. */
    text: p.text().lazy(),
    /** The body as sanitised HTML, safe to show; null when the mail had none. */
    html: p.text().nullable().lazy(),
    /** What this message adds, without the quoted history. Never empty when `text` is not. */
    strippedText: p.text().lazy(),
    /** RFC 5322 Message-ID with its angle brackets; null for notes. */
    internetMessageId: p.string().nullable(),
    /** The mailbox that it came or went through; null for what was only written here. */
    mailbox: () => p.manyToOne(Mailbox).ref().nullable(),
    /** Outlook's conversation: means something within `mailbox` only. */
    conversationId: p.string().nullable(),
    /** Who wrote it here; null for mail from outside. */
    author: () => p.manyToOne(User).ref().nullable(),
    /** Whether it is history that was imported. Nothing may answer a message that is. */
    isImported: p.boolean().default(false),
    sentAt: p.datetime().nullable(),
    /** When Exchange received it; null for what was written here. */
    receivedAt: p.datetime().nullable(),
    /** The kind of machine that wrote it; null for people. Nothing may answer a message that has it. */
    automatic: p.string().$type<AutomaticKind>().nullable(),
    /** Of a report: what it says. Of mail that was sent: why it did not arrive. Null for everything else. */
    bounce: p.json<Bounce>().nullable(),
  },
});

export class Message extends MessageSchema.class {}
MessageSchema.setClass(Message);

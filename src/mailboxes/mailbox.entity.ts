/*
 * Words of this folder: a *mailbox* is an Exchange mailbox reached through an account; its *incoming settings* say which
 * folder is watched, how often, and what becomes of the mail there.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import type { ExistingMail } from './existing-mail.ts';

/** The account's own mailbox, one that is shared with it, or in application mode any of the tenant. */
export const MAILBOX_KINDS = ['PRIMARY', 'SHARED', 'TENANT'] as const;
export type MailboxKind = (typeof MAILBOX_KINDS)[number];

/** What happens to a message in the mailbox once it has become part of a ticket. */
export const AFTER_PROCESSING = ['KEEP', 'ARCHIVE', 'DELETE'] as const;
export type AfterProcessing = (typeof AFTER_PROCESSING)[number];

/** The polling intervals on offer, in minutes. */
export const SYNC_INTERVAL_MINUTES = [1, 5, 15, 30, 60] as const;
export type SyncIntervalMinutes = (typeof SYNC_INTERVAL_MINUTES)[number];

/** A folder of the mailbox as the settings keep it: its id (constant in Exchange) and its name when it was chosen. */
export interface FolderChoice {
  id: string;
  displayName: string;
}

export const MailboxSchema = defineEntity({
  name: 'Mailbox',
  tableName: 'mailbox',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** Null for a removed one whose integration was deleted. */
    account: () => p.manyToOne(Account).ref().nullable(),
    kind: p.string().$type<MailboxKind>(),
    emailAddress: p.string(),
    displayName: p.string(),
    /** Entra's id of the mailbox's user, which stays when the address changes; null where we may not read it. */
    microsoftUserId: p.text().nullable(),
    /** Exchange's id of the Inbox: two addresses with the same one are the same mailbox. Null until it was read. */
    inboxFolderId: p.text().nullable(),
    /** When it was removed; null while it is connected. Its tickets and its ledger stay readable. */
    removedAt: p.datetime().nullable(),
    incomingEnabled: p.boolean().default(false),
    /** Mail received before this instant is left alone: the moment when incoming mail was (last) enabled. */
    receiveFrom: p.datetime().nullable(),
    syncIntervalMinutes: p.integer().$type<SyncIntervalMinutes>().default(5),
    /** The watched folder; null until incoming mail is first enabled, then the Inbox unless another is chosen. */
    folder: p.json<FolderChoice>().nullable(),
    createTickets: p.boolean().default(true),
    afterProcessing: p.string().$type<AfterProcessing>().default('KEEP'),
    archiveFolder: p.json<FolderChoice>().nullable(),
    /** Every incoming mail is copied to it; null: no copies. */
    copyFolder: p.json<FolderChoice>().nullable(),
    /** The group that tickets from new mail go to; an id, since groups belong to the folder above. Null: none. */
    groupId: p.uuid().nullable(),
    /** IANA's name of the zone in which people read the times of this mailbox. */
    timeZone: p.text().default('UTC'),
    /** What was last chosen for the mail that was already there; null: it is left alone. */
    existingMail: p.json<ExistingMail>().nullable(),
    /** Whether anything is sent from it; apart from incoming mail. */
    outgoingEnabled: p.boolean().default(false),
    /** The name that recipients see, where the identity's sender profile has none; null: the mailbox's display name. */
    outgoingFromName: p.text().nullable(),
    /** The `Identity` that it sends as unless another is chosen; an id, since identities name their mailbox. */
    defaultIdentityId: p.uuid().nullable(),
    /** The user whose own mailbox it is: only they send from it, and only where the organization allows it. */
    personalUserId: p.uuid().nullable(),
    /** Nothing of its mail is sent before: Microsoft asked for a pause, or has blocked the account. Null: it may send. */
    sendingPausedUntil: p.datetime().nullable(),
    /** Why; while Microsoft has blocked the account, `SENDING_BLOCKED`. Null without a pause. */
    sendingProblem: p.json<Problem>().nullable(),
    /** Why not all of its addresses, and so its identities, are known; null when they are. */
    addressesProblem: p.json<Problem>().nullable(),
    /** Raised by every change of the incoming settings, so that a sync that runs can notice. */
    settingsVersion: p.integer().version(),
  },
});

export class Mailbox extends MailboxSchema.class {}
MailboxSchema.setClass(Mailbox);

/*
 * Words of this folder: a *sync run* is one pass over a mailbox's watched folder; the *cursor* is Graph's opaque link to
 * the next page (`nextLink`) or to the next round (`deltaLink`), stored whole and requested as it is.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import type { StoredRound } from './round.ts';

/** Where the sync of a mailbox stands: one row per mailbox. The cursor moves only with the rows it covers. */
export const SyncStateSchema = defineEntity({
  name: 'SyncState',
  tableName: 'sync_state',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    /** The folder that the cursor belongs to; another folder in the settings voids the cursor. */
    folderId: p.text().nullable(),
    /** Null: the next round starts anew, from `coveredUntil`. */
    cursor: p.text().nullable(),
    /** The filtered round that the cursor is in the middle of; null when it waits for the next round. */
    round: p.json<StoredRound>().nullable(),
    /** The newest `receivedDateTime` that is certain to be covered; a restart goes back to it, with overlap. */
    coveredUntil: p.datetime().nullable(),
    nextPollAt: p.datetime().nullable(),
    lastSuccessAt: p.datetime().nullable(),
    consecutiveFailures: p.integer().default(0),
    problem: p.json<Problem>().nullable(),
    /** Until when Microsoft wants to be left alone: a run waits for it. Null when none does. */
    resumesAt: p.datetime().nullable(),
    /** Mails that were announced, and that no run has brought: see `announced-mail-plan.ts`. */
    awaited: p.integer().default(0),
    /** When the first of them was announced; of no meaning while none is awaited. */
    awaitedSince: p.datetime().nullable(),
    /** How often it was looked again for them. */
    looks: p.integer().default(0),
    /** Raised with every write of the cursor: of two runs that overlap after a lost connection only one can go on. */
    version: p.integer().version(),
  },
});

export class SyncState extends SyncStateSchema.class {}
SyncStateSchema.setClass(SyncState);

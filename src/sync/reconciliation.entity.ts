/*
 * Words of reconciling: a *difference* is a mail whose ledger row is missing (`UNKNOWN`), or whose ledger row says that it
 * is a message while there is no such message (`LOST`). A difference is *confirmed* when a sync that began after the
 * listing has not explained it, and *repaired* when the mail has an outcome again.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import type { ReconcilePlace } from './reconcile-plan.ts';

export const RECONCILIATION_TRIGGERS = ['MANUAL', 'NIGHTLY'] as const;
export type ReconciliationTrigger = (typeof RECONCILIATION_TRIGGERS)[number];

export const RECONCILIATION_STATES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED'] as const;
export type ReconciliationState = (typeof RECONCILIATION_STATES)[number];

/** Where a mail lies: `ELSEWHERE` is any other folder, for messages that were lost here. */
export const RECONCILED_FOLDERS = ['WATCHED', 'ARCHIVE', 'ELSEWHERE'] as const;
export type ReconciledFolder = (typeof RECONCILED_FOLDERS)[number];

/** How far it is: listing the folders, waiting for a sync to explain what differs, repairing what it did not. */
export type ReconciliationStep = 'LIST' | 'CONFIRM' | 'REPAIR';

/** One comparison of a mailbox's folders with the ledger. The counts are sums over the folders and days. */
export const ReconciliationSchema = defineEntity({
  name: 'Reconciliation',
  tableName: 'reconciliation',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    trigger: p.string().$type<ReconciliationTrigger>(),
    state: p.string().$type<ReconciliationState>(),
    /** Mail received from here on is compared… */
    since: p.datetime(),
    /** …until here: the beginning of the listing, or less when it was cut. Null before it began. */
    until: p.datetime().nullable(),
    /** Whether mail in the archive folder that nothing here ever knew is taken in as well. */
    takesInArchive: p.boolean().default(false),
    /** The folders as the settings said at the beginning. */
    folderId: p.text().nullable(),
    archiveFolderId: p.text().nullable(),
    step: p.string().$type<ReconciliationStep>().default('LIST'),
    /** Where the listing goes on; null when it has not begun or is over. */
    place: p.json<ReconcilePlace>().nullable(),
    /** When the listing was complete. */
    listedAt: p.datetime().nullable(),
    startedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
    /** Whether there was more than is compared at a time. */
    isCut: p.boolean().default(false),
    /** Refusals of Microsoft in a row. */
    failures: p.integer().default(0),
    /** HTTP requests to Graph. */
    requests: p.integer().default(0),
    listed: p.integer().default(0),
    stored: p.integer().default(0),
    ignored: p.integer().default(0),
    failed: p.integer().default(0),
    /** In the archive folder and never seen here: people filed it there. */
    unrelated: p.integer().default(0),
    missing: p.integer().default(0),
    repaired: p.integer().default(0),
    /** In the ledger and in neither folder any more: moved or deleted by people. Normal. */
    gone: p.integer().default(0),
    problem: p.json<Problem>().nullable(),
    /** Raised with every step: of two workers that believe to have it only one goes on. */
    version: p.integer().version(),
  },
});

export class Reconciliation extends ReconciliationSchema.class {}
ReconciliationSchema.setClass(Reconciliation);

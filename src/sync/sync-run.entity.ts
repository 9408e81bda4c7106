import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';

export const SYNC_TRIGGERS = ['PUSH', 'POLL', 'MANUAL', 'RECOVERY', 'IMPORT'] as const;
export type SyncTrigger = (typeof SYNC_TRIGGERS)[number];

/**
 * `QUEUED` waits for a worker; `POSTPONED` was asked to slow down; `INTERRUPTED` was cut off by a crash. The successor of
 * either goes on from the stored cursor.
 */
export const SYNC_RUN_STATES = [
  'QUEUED',
  'RUNNING',
  'SUCCEEDED',
  'POSTPONED',
  'FAILED',
  'INTERRUPTED',
] as const;
export type SyncRunState = (typeof SYNC_RUN_STATES)[number];

/** One pass over a mailbox's watched folder. */
export const SyncRunSchema = defineEntity({
  name: 'SyncRun',
  tableName: 'sync_run',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    trigger: p.string().$type<SyncTrigger>(),
    state: p.string().$type<SyncRunState>(),
    /** When the first notification came that it answers, or that an earlier run did not bring the mail of. */
    announcedAt: p.datetime().nullable(),
    /** Mails that were announced, and that no earlier run has brought: see `announced-mail-plan.ts`. */
    expected: p.integer().default(0),
    startedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
    /** Messages that Graph listed, those known before included. */
    seen: p.integer().default(0),
    created: p.integer().default(0),
    appended: p.integer().default(0),
    ignored: p.integer().default(0),
    failed: p.integer().default(0),
    /** HTTP requests to Graph. */
    requests: p.integer().default(0),
    problem: p.json<Problem>().nullable(),
    /** When the successor of a postponed run begins. */
    resumesAt: p.datetime().nullable(),
  },
});

export class SyncRun extends SyncRunSchema.class {}
SyncRunSchema.setClass(SyncRun);

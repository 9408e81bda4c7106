/*
 * Words of importing: *existing mail* lay in the watched folder before incoming mail was enabled; an *import* takes it in,
 * the oldest first, page by page; its *place* is where it goes on after a stop; *history* is what it brings as an archive.
 */
import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import type { ArchiveStatus, ImportMode } from '../mailboxes/existing-mail.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import type { ImportPlace } from './import-plan.ts';

/** `PAUSED`: it goes on by itself at `resumesAt`. `CANCELLED` and `FAILED` go on when somebody asks for it. */
export const IMPORT_STATES = ['QUEUED', 'RUNNING', 'PAUSED', 'CANCELLED', 'SUCCEEDED', 'FAILED'] as const;
export type ImportState = (typeof IMPORT_STATES)[number];

/** The states of an import that is not over. */
export const OPEN_IMPORT_STATES = ['QUEUED', 'RUNNING', 'PAUSED'] as const satisfies readonly ImportState[];

/** An import of a mailbox's existing mail. */
export const MailImportSchema = defineEntity({
  name: 'MailImport',
  tableName: 'mail_import',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    mode: p.string().$type<ImportMode>(),
    /** Mail received from here on is taken in; null: all of it. */
    since: p.datetime().nullable(),
    /** Mail received before is history, the other is new; null: all of it is history. Only of an archive. */
    cutoff: p.datetime().nullable(),
    /** The status of the tickets of history; null when there is none. */
    targetStatus: p.string().$type<ArchiveStatus>().nullable(),
    /** The watched folder when it was asked for. */
    folderId: p.text(),
    /** Mail received from here on is the sync's: when incoming mail was enabled. */
    until: p.datetime(),
    state: p.string().$type<ImportState>(),
    /** Null before the first page. */
    place: p.json<ImportPlace>().nullable(),
    /** Mails that were read, each counted once. */
    seen: p.integer().default(0),
    /** Mails that there were at the beginning; null until Microsoft has counted them. */
    estimated: p.integer().nullable(),
    created: p.integer().default(0),
    appended: p.integer().default(0),
    ignored: p.integer().default(0),
    failed: p.integer().default(0),
    /** HTTP requests to Graph. */
    requests: p.integer().default(0),
    /** Refusals of Microsoft in a row. */
    failures: p.integer().default(0),
    problem: p.json<Problem>().nullable(),
    resumesAt: p.datetime().nullable(),
    startedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
    /** Raised with every step: of two workers that believe to have it only one goes on. */
    version: p.integer().version(),
  },
});

export class MailImport extends MailImportSchema.class {}
MailImportSchema.setClass(MailImport);

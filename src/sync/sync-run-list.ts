import type { EntityManager } from '../platform/database.ts';
import { findPage, type KeysetOrder, type Page, type PageArguments } from '../platform/keyset.ts';
import { findPageOf } from '../platform/keyset-pages.ts';
import { SyncRun } from './sync-run.entity.ts';

const NEWEST_FIRST: KeysetOrder<SyncRun> = { key: 'createdAt', direction: 'desc' };

/** The organization's sync runs, or those of one mailbox, the newest first. For a page of mailboxes it is one query. */
export function listSyncRuns(
  em: EntityManager,
  { mailboxId, ...args }: PageArguments & { mailboxId: string | null },
): Promise<Page<SyncRun>> {
  return mailboxId === null
    ? findPage(em, SyncRun, {}, NEWEST_FIRST, args)
    : findPageOf(em, SyncRun, { parent: 'mailbox', id: mailboxId }, NEWEST_FIRST, args);
}

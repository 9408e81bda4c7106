import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { SyncRun } from './sync-run.entity.ts';

/** The organization's sync runs, or those of one mailbox, the newest first. */
export function listSyncRuns(
  em: EntityManager,
  { mailboxId, ...args }: PageArguments & { mailboxId: string | null },
): Promise<Page<SyncRun>> {
  const where = mailboxId === null ? {} : { mailbox: mailboxId };
  return findPage(em, SyncRun, where, { key: 'createdAt', direction: 'desc' }, args);
}

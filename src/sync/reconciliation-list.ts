import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type KeysetOrder, type Page, type PageArguments } from '../platform/keyset.ts';
import { findPageOf, findPages } from '../platform/keyset-pages.ts';
import { Reconciliation } from './reconciliation.entity.ts';
import { ReconciliationDay } from './reconciliation-day.entity.ts';

const NEWEST_FIRST: KeysetOrder<Reconciliation> = { key: 'createdAt', direction: 'desc' };
const LATEST_DAY_FIRST: KeysetOrder<ReconciliationDay> = { key: 'date', direction: 'desc' };

/** The organization's reconciliations, or those of one mailbox, the newest first. */
export function listReconciliations(
  em: EntityManager,
  { mailboxId, ...args }: PageArguments & { mailboxId: string | null },
): Promise<Page<Reconciliation>> {
  return mailboxId === null
    ? findPage(em, Reconciliation, {}, NEWEST_FIRST, args)
    : findPageOf(em, Reconciliation, { parent: 'mailbox', id: mailboxId }, NEWEST_FIRST, args);
}

/** The figures of a reconciliation by folder and day, the latest day first. For a page of them it is one query. */
export function listReconciliationDays(
  em: EntityManager,
  { reconciliationId, ...args }: PageArguments & { reconciliationId: string },
): Promise<Page<ReconciliationDay>> {
  const list = { parent: 'reconciliation', id: reconciliationId } as const;
  return findPageOf(em, ReconciliationDay, list, LATEST_DAY_FIRST, args);
}

/** The newest reconciliation of a mailbox; undefined when there is none. For a page of mailboxes it is one query. */
export const lastReconciliation = batching(async (em, mailboxIds: readonly string[]) => {
  const lists = { parent: 'mailbox', parentIds: [...mailboxIds] } as const;
  const pages = await findPages(em, Reconciliation, lists, NEWEST_FIRST, { first: 1 });
  return new Map(
    [...pages].flatMap(([mailboxId, { edges }]) => {
      const newest = edges[0]?.node;
      return newest ? [[mailboxId, newest] as const] : [];
    }),
  );
});

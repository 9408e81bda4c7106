import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { findPageOf } from '../platform/keyset-pages.ts';
import { Account } from './account.entity.ts';
import { Integration } from './integration.entity.ts';

/** The organization's integrations, the newest first. */
export function listIntegrations(em: EntityManager, args: PageArguments): Promise<Page<Integration>> {
  return findPage(em, Integration, {}, { key: 'createdAt', direction: 'desc' }, args);
}

/** The accounts of one integration, the newest first. For a page of integrations it is one query. */
export function listAccounts(
  em: EntityManager,
  integrationId: string,
  args: PageArguments,
): Promise<Page<Account>> {
  const list = { parent: 'integration', id: integrationId } as const;
  return findPageOf(em, Account, list, { key: 'createdAt', direction: 'desc' }, args);
}

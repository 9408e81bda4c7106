import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { Account } from './account.entity.ts';
import { Integration } from './integration.entity.ts';

/** The organization's integrations, the newest first. */
export function listIntegrations(em: EntityManager, args: PageArguments): Promise<Page<Integration>> {
  return findPage(em, Integration, {}, { key: 'createdAt', direction: 'desc' }, args);
}

/** The accounts of one integration, the newest first. */
export function listAccounts(
  em: EntityManager,
  integrationId: string,
  args: PageArguments,
): Promise<Page<Account>> {
  return findPage(em, Account, { integration: integrationId }, { key: 'createdAt', direction: 'desc' }, args);
}

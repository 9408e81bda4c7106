import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { Mailbox } from './mailbox.entity.ts';

/** The organization's mailboxes, or those of one account or integration, the newest first. */
export function listMailboxes(
  em: EntityManager,
  { accountId, integrationId, ...args }: PageArguments & { accountId?: string; integrationId?: string },
): Promise<Page<Mailbox>> {
  const where = {
    ...(accountId === undefined ? {} : { account: accountId }),
    ...(integrationId === undefined ? {} : { account: { integration: integrationId } }),
  };
  return findPage(em, Mailbox, where, { key: 'createdAt', direction: 'desc' }, args);
}

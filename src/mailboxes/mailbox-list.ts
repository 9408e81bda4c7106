import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { Mailbox } from './mailbox.entity.ts';

/** The organization's mailboxes, the newest first. */
export function listMailboxes(em: EntityManager, args: PageArguments): Promise<Page<Mailbox>> {
  return findPage(em, Mailbox, {}, { key: 'createdAt', direction: 'desc' }, args);
}

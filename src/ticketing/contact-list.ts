import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { Contact } from './contact.entity.ts';

/** The organization's contacts, the newest first. */
export function listContacts(em: EntityManager, args: PageArguments): Promise<Page<Contact>> {
  return findPage(em, Contact, {}, { key: 'createdAt', direction: 'desc' }, args);
}

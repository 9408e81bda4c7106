import type { EntityManager } from '../platform/database.ts';
import { findPage, type KeysetOrder, type Page, type PageArguments } from '../platform/keyset.ts';
import { findPageOf } from '../platform/keyset-pages.ts';
import { Mailbox } from './mailbox.entity.ts';

/** Removed ones are found through their tickets and their ledger. */
const CONNECTED = { removedAt: null };
const NEWEST_FIRST: KeysetOrder<Mailbox> = { key: 'createdAt', direction: 'desc' };

/** The organization's mailboxes, the newest first. */
export function listMailboxes(em: EntityManager, args: PageArguments): Promise<Page<Mailbox>> {
  return findPage(em, Mailbox, CONNECTED, NEWEST_FIRST, args);
}

/** The mailboxes of one account or integration, the newest first. For a page of those it is one query. */
export function listMailboxesOf(
  em: EntityManager,
  owner: { accountId: string } | { integrationId: string },
  args: PageArguments,
): Promise<Page<Mailbox>> {
  return 'accountId' in owner
    ? findPageOf(
        em,
        Mailbox,
        { parent: 'account', id: owner.accountId, where: CONNECTED },
        NEWEST_FIRST,
        args,
      )
    : findPageOf(
        em,
        Mailbox,
        { parent: 'account.integration', id: owner.integrationId, where: CONNECTED },
        NEWEST_FIRST,
        args,
      );
}

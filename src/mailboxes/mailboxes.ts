import { NotFoundError } from '../errors.ts';
import type { Account, AccountStatus } from '../microsoft365/account.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { isAnotherMailbox, withoutFolders } from './another-mailbox.ts';
import { Mailbox } from './mailbox.entity.ts';

/**
 * Gives the account its own mailbox. Idempotent: an account that signs in again keeps the mailbox it has, also as a removed
 * one. A mailbox of the same address that another account reads goes over to this one, settings and all, and a removed one
 * is connected again; only folders stay behind where the address belongs to another mailbox by now. Where it is one that is read in application mode, it stays there: that needs nobody's sign-in. And where
 * it is read through another tenant: whoever administers a tenant writes any address at all into a profile, so an address
 * proves nothing across tenants (https://learn.microsoft.com/entra/identity-platform/claims-validation).
 */
export async function ensurePrimaryMailbox(em: EntityManager, account: Account): Promise<Mailbox> {
  const known = await em.findOne(Mailbox, { emailAddress: account.emailAddress });
  if (known) {
    const reader = await known.account?.loadOrFail();
    const isOwn = reader?.id === account.id;
    if (!isOwn && reader && !known.removedAt && keeps(reader, account)) return known;
    const { microsoftUserId } = account;
    const isAnother =
      !isOwn && isAnotherMailbox(known, { inboxFolderId: null, microsoftUserIds: [microsoftUserId] });
    em.assign(known, {
      ...(isAnother ? withoutFolders(known) : {}),
      account,
      displayName: account.displayName,
      kind: 'PRIMARY',
      ...(isOwn ? {} : { removedAt: null, microsoftUserId: microsoftUserId || null }),
    });
    return known;
  }
  return em.create(Mailbox, {
    organization: account.organization,
    account,
    kind: 'PRIMARY',
    emailAddress: account.emailAddress,
    displayName: account.displayName,
    microsoftUserId: account.microsoftUserId || null,
  });
}

/** Whether an account that reads a mailbox goes on to when another one signs in with its address. */
function keeps(reader: Account, { microsoftTenantId }: Account): boolean {
  if (reader.kind === 'TENANT') return reader.status !== 'DISCONNECTED';
  return reader.microsoftTenantId !== microsoftTenantId && WORKING.has(reader.status);
}

/** Accounts that Microsoft lets in, now or as soon as it answers. */
const WORKING: ReadonlySet<AccountStatus> = new Set(['ACTIVE', 'THROTTLED', 'UNREACHABLE']);

/** The connected mailbox with this id. Throws `NotFoundError`, also for a removed one and one of another organization. */
export async function getMailbox(em: EntityManager, id: string): Promise<Mailbox> {
  const mailbox = await getAnyMailbox(em, id);
  if (mailbox.removedAt) throw new NotFoundError('The mailbox');
  return mailbox;
}

/** As {@link getMailbox}, removed or not. Throws `NotFoundError`. */
export async function getAnyMailbox(em: EntityManager, id: string): Promise<Mailbox> {
  const mailbox = await em.findOne(Mailbox, { id });
  if (!mailbox) throw new NotFoundError('The mailbox');
  return mailbox;
}

/**
 * As {@link getAnyMailbox}, as it is now and locked until the transaction ends. `for no key update` and not `for update`: a
 * new run, ticket or message takes `for key share` on its mailbox, and would wait for the stronger lock in a circle.
 */
export async function lockAnyMailbox(em: EntityManager, id: string): Promise<Mailbox> {
  const { organization } = await getAnyMailbox(em, id);
  await em.execute('select from mailbox where organization_id = ? and id = ? for no key update', [
    organization.id,
    id,
  ]);
  const mailbox = await em.findOne(Mailbox, { id }, { refresh: true });
  if (!mailbox) throw new NotFoundError('The mailbox');
  return mailbox;
}

/** As {@link lockAnyMailbox}, of connected mailboxes only. Throws `NotFoundError`. */
export async function lockMailbox(em: EntityManager, id: string): Promise<Mailbox> {
  const mailbox = await lockAnyMailbox(em, id);
  if (mailbox.removedAt) throw new NotFoundError('The mailbox');
  return mailbox;
}

/** The account that reads the mailbox. Throws `NotFoundError` when its integration was deleted. */
export async function accountOf({ account }: Mailbox): Promise<Account> {
  if (!account) throw new NotFoundError('The account');
  return await account.loadOrFail();
}

/** How the mail API reaches the mailbox. Throws `GraphError` `MAILBOX_NOT_FOUND` when its integration was deleted. */
export function accessOf(mailbox: Mailbox): MailboxAccess {
  if (!mailbox.account) {
    throw new GraphError(
      'MAILBOX_NOT_FOUND',
      'The integration that the mailbox was read through was deleted.',
    );
  }
  return {
    organizationId: mailbox.organization.id,
    accountId: mailbox.account.id,
    emailAddress: mailbox.emailAddress,
    kind: mailbox.kind,
    microsoftUserId: mailbox.microsoftUserId,
  };
}

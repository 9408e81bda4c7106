import { NotFoundError } from '../errors.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { Mailbox } from './mailbox.entity.ts';

/**
 * Gives the account its own mailbox. Idempotent: an account that signs in again keeps the mailbox it has, and a mailbox
 * of the same address that was connected through another account goes over to this one, settings and all.
 */
export async function ensurePrimaryMailbox(em: EntityManager, account: Account): Promise<Mailbox> {
  const known = await em.findOne(Mailbox, { emailAddress: account.emailAddress });
  if (known) {
    em.assign(known, { account, displayName: account.displayName, kind: 'PRIMARY' });
    return known;
  }
  return em.create(Mailbox, {
    organization: account.organization,
    account,
    kind: 'PRIMARY',
    emailAddress: account.emailAddress,
    displayName: account.displayName,
  });
}

/** The mailbox with this id. Throws `NotFoundError`, also for one of another organization. */
export async function getMailbox(em: EntityManager, id: string): Promise<Mailbox> {
  const mailbox = await em.findOne(Mailbox, { id });
  if (!mailbox) throw new NotFoundError('The mailbox');
  return mailbox;
}

/**
 * As {@link getMailbox}, as it is now and locked until the transaction ends. `for no key update` and not `for update`: a
 * new run, ticket or message takes `for key share` on its mailbox, and would wait for the stronger lock in a circle.
 */
export async function lockMailbox(em: EntityManager, id: string): Promise<Mailbox> {
  const { organization } = await getMailbox(em, id);
  await em.execute('select from mailbox where organization_id = ? and id = ? for no key update', [
    organization.id,
    id,
  ]);
  const mailbox = await em.findOne(Mailbox, { id }, { refresh: true });
  if (!mailbox) throw new NotFoundError('The mailbox');
  return mailbox;
}

/** How the mail API reaches the mailbox. */
export function accessOf(mailbox: Mailbox): MailboxAccess {
  return {
    organizationId: mailbox.organization.id,
    accountId: mailbox.account.id,
    emailAddress: mailbox.emailAddress,
    kind: mailbox.kind,
  };
}

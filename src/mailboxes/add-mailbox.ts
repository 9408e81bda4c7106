import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { NotFoundError } from '../errors.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { confirmMailAccess } from '../microsoft365/application-account.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { MailboxInspection, MailboxProfile } from '../microsoft365/mailbox-inspection.ts';
import { PERSONAL_TENANT } from '../microsoft365/personal-accounts.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { isAnotherMailbox, withoutFolders } from './another-mailbox.ts';
import {
  type AccessAttempt,
  explainRefusal,
  mayOpenShared,
  personalAccountError,
  sharedConsentError,
} from './explain-access.ts';
import { ensureIdentities } from './identities.ts';
import { Mailbox, type MailboxKind } from './mailbox.entity.ts';
import { MailboxAlreadyConnectedError } from './mailbox-access-errors.ts';

/** What adding a mailbox needs from outside. */
export interface MailboxAccessDeps {
  inspection: MailboxInspection;
  clock: Clock;
  signal: AbortSignal;
}

/** A mailbox that an account can open, as Microsoft knows it. */
interface FoundMailbox {
  kind: MailboxKind;
  inboxFolderId: string;
  profile: MailboxProfile | null;
}

/**
 * Connects another mailbox through an account: one that is shared with it or, in application mode, any of the tenant.
 * Nothing is saved before Microsoft has let the account in. Idempotent: a mailbox that the account has already is given
 * back, also when it is asked for by an alias; one that was removed is connected again, with its settings and its ledger
 * and with incoming mail switched off; without its folders where the address belongs to another mailbox by now.
 *
 * Call it outside of any transaction: Microsoft may take its time. Throws `NotFoundError`, `MailboxAccessError`,
 * `MailboxAlreadyConnectedError`, and `GraphError` when Microsoft cannot be asked.
 */
export async function addMailbox(
  em: EntityManager,
  deps: MailboxAccessDeps,
  { accountId, emailAddress }: { accountId: string; emailAddress: string },
): Promise<Mailbox> {
  const account = await em.findOne(Account, { id: accountId }, { populate: ['integration'] });
  if (!account) throw new NotFoundError('The account');
  const known = await em.findOne(Mailbox, { emailAddress }, { populate: ['account'] });
  if (known && !known.removedAt) return ofAccount(known, account);
  const found = await openMailbox(deps, account, emailAddress);
  try {
    return await em.fork().transactional((tx) => save(tx, deps.clock, accountId, emailAddress, found));
  } catch (error) {
    // Somebody added it at the same moment: then it is there now.
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    return await em.fork().transactional((tx) => save(tx, deps.clock, accountId, emailAddress, found));
  }
}

/** Lets Microsoft say whether the account may open the mailbox. Throws what {@link addMailbox} throws. */
async function openMailbox(
  { inspection, signal }: MailboxAccessDeps,
  account: Account,
  emailAddress: string,
): Promise<FoundMailbox> {
  const { organization, kind: accountKind, grantedScopes } = account;
  const access = (kind: MailboxKind, address: string): MailboxAccess => ({
    organizationId: organization.id,
    accountId: account.id,
    emailAddress: address,
    kind,
  });
  const own = accountKind === 'USER' ? access('PRIMARY', account.emailAddress) : null;
  const isOwn = own !== null && emailAddress === account.emailAddress;
  if (!isOwn && account.microsoftTenantId === PERSONAL_TENANT) throw personalAccountError(emailAddress);
  if (!isOwn && !mayOpenShared(account)) throw sharedConsentError(emailAddress);
  const target = isOwn ? own : access(own ? 'SHARED' : 'TENANT', emailAddress);
  let inboxFolderId: string;
  try {
    inboxFolderId = await inspection.readInbox(target, signal);
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const mayBeGroup = error.code === 'MAILBOX_NOT_FOUND' && own !== null;
    const members = mayBeGroup ? await inspection.countMembers(own, emailAddress, signal) : null;
    throw explainRefusal(error, { ...(await attemptOf(account, emailAddress)), isOwn, members });
  }
  const profile = await inspection.readProfile(target, grantedScopes, signal);
  const isOwnByAlias = own !== null && !isOwn && (await hasInbox(inspection, own, inboxFolderId, signal));
  return { kind: isOwnByAlias ? 'PRIMARY' : target.kind, inboxFolderId, profile };
}

/** Whether the account's own mailbox is the one with this Inbox. An account need not have a mailbox at all. */
async function hasInbox(
  inspection: MailboxInspection,
  own: MailboxAccess,
  inboxFolderId: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await inspection.readInbox(own, signal)) === inboxFolderId;
  } catch (error) {
    if (error instanceof GraphError && !error.isTransient) return false;
    throw error;
  }
}

/** What the explanation of a refusal needs of an account. */
export async function attemptOf(
  account: Account,
  emailAddress: string,
): Promise<Omit<AccessAttempt, 'isOwn' | 'members'>> {
  const { clientId } = await account.integration.loadOrFail();
  return { emailAddress, account, clientId };
}

async function save(
  em: EntityManager,
  clock: Clock,
  accountId: string,
  emailAddress: string,
  { kind, inboxFolderId, profile }: FoundMailbox,
): Promise<Mailbox> {
  const account = await em.findOne(Account, { id: accountId });
  if (!account) throw new NotFoundError('The account');
  // Reached through Exchange's own role assignments, which no token shows.
  await confirmMailAccess(em, accountId, clock.now());
  const addresses = [emailAddress, kind === 'PRIMARY' ? account.emailAddress : profile?.emailAddress];
  const same = await em.find(
    Mailbox,
    {
      $or: [
        { emailAddress: { $in: addresses.filter((address) => address != null) } },
        { inboxFolderId },
        ...(profile ? [{ microsoftUserId: profile.microsoftUserId }] : []),
      ],
    },
    { orderBy: { removedAt: 'asc nulls first', id: 'asc' }, populate: ['account'], limit: 1, refresh: true },
  );
  const [known] = same;
  if (known && !known.removedAt) return ofAccount(known, account);
  const primaryAddress = kind === 'PRIMARY' ? account.emailAddress : (profile?.emailAddress ?? emailAddress);
  const microsoftUserIds = [
    profile?.microsoftUserId ?? null,
    kind === 'PRIMARY' ? account.microsoftUserId : null,
  ];
  const isAnother = known !== undefined && isAnotherMailbox(known, { inboxFolderId, microsoftUserIds });
  const fields = {
    ...(isAnother ? withoutFolders(known) : {}),
    account,
    kind,
    displayName: kind === 'PRIMARY' ? account.displayName : (profile?.displayName ?? primaryAddress),
    inboxFolderId,
    microsoftUserId: profile?.microsoftUserId ?? null,
    removedAt: null,
  };
  const mailbox = known
    ? em.assign(known, fields)
    : em.create(Mailbox, { organization: account.organization, emailAddress: primaryAddress, ...fields });
  await em.flush();
  await ensureIdentities(em, mailbox, clock.now());
  const { id: mailboxId } = mailbox;
  await recordEvents(em, account.organization.id, [{ type: 'sync-status.changed', mailboxId }]);
  return mailbox;
}

/** One mailbox is read through one account. Throws `MailboxAlreadyConnectedError` when it is another one. */
async function ofAccount(mailbox: Mailbox, account: Account): Promise<Mailbox> {
  if (mailbox.account?.id === account.id) return mailbox;
  const { emailAddress, displayName } = (await mailbox.account?.loadOrFail()) ?? account;
  throw new MailboxAlreadyConnectedError(mailbox.emailAddress, emailAddress || displayName);
}

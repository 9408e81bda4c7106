import { NotFoundError } from '../errors.ts';
import { enqueue } from '../jobs/define-job.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { Account } from '../microsoft365/account.entity.ts';
import type { Microsoft365 } from '../microsoft365/create-microsoft365.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { readsMail } from '../microsoft365/sign-in-purpose.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { discoverIdentities } from './discover-identities.ts';
import { discoverIdentitiesJob } from './identities.jobs.ts';
import { Mailbox } from './mailbox.entity.ts';
import { accessOf } from './mailboxes.ts';

/** How long the mailbox may take to answer. */
const MAILBOX_MILLISECONDS = 20 * SECOND;

/** More mailboxes than are read through one account. */
const MOST_MAILBOXES = 10_000;

/** What a refresh found. */
export interface RefreshedAccount {
  account: Account;
  /** What stands in the way; null when token, profile and the account's own mailbox are there. */
  problem: Problem | null;
}

/**
 * Checks an account from end to end: a new token, the profile, whose name and address are taken over, and the account's own
 * mailbox where it reads mail; and reads the addresses of its mailboxes, which become identities. Throws `NotFoundError`, and `GraphError` for an account that was disconnected.
 */
export async function refreshAccount(
  em: EntityManager,
  { microsoft365, clock }: { microsoft365: Microsoft365; clock: Clock },
  organizationId: string,
  accountId: string,
): Promise<RefreshedAccount> {
  const checked = await microsoft365.checkAccount({ organizationId, accountId });
  const { account, previousAddress, error } = checked;
  if (error) return { account, problem: account.problem ?? error.toProblem(clock.now()) };
  const mailbox = await em.findOne(Mailbox, {
    account: accountId,
    kind: 'PRIMARY',
    emailAddress: previousAddress,
  });
  if (!mailbox) {
    await discoverOthers(em, organizationId, accountId, null);
    const reached = await reachTenant(em, microsoft365, account);
    return { account: reached, problem: reached.problem ?? null };
  }
  if (mailbox.emailAddress !== account.emailAddress || mailbox.displayName !== account.displayName) {
    await follow(em, mailbox, account);
  }
  const trouble = readsMail(account.grantedScopes) ? await openInbox(microsoft365, mailbox) : null;
  if (!trouble) await discoverOwn(em, { microsoft365, clock }, mailbox);
  await discoverOthers(em, organizationId, accountId, trouble ? null : mailbox.id);
  return { account, problem: account.problem ?? trouble?.toProblem(clock.now()) ?? null };
}

/**
 * Asks one mailbox of a tenant that was throttled or out of reach whether it is served again, and gives the account as it
 * is then: nobody has a profile there that would tell. Leaves other accounts alone.
 */
export async function reachTenant(
  em: EntityManager,
  microsoft365: Microsoft365,
  account: Account,
): Promise<Account> {
  const isAway = account.status === 'THROTTLED' || account.status === 'UNREACHABLE';
  if (account.kind !== 'TENANT' || !isAway) return account;
  const mailbox = await em.findOne(
    Mailbox,
    { account: account.id, removedAt: null },
    { orderBy: { id: 'asc' } },
  );
  if (!mailbox || (await openInbox(microsoft365, mailbox))) return account;
  await microsoft365.noteReached({ organizationId: account.organization.id, accountId: account.id });
  return await em.findOneOrFail(Account, { id: account.id }, { refresh: true });
}

/** Gives the mailbox the name and address of its account, unless another mailbox has the address already. */
async function follow(em: EntityManager, mailbox: Mailbox, account: Account): Promise<void> {
  const { emailAddress, displayName } = account;
  const isTaken = (await em.count(Mailbox, { emailAddress, id: { $ne: mailbox.id } })) > 0;
  em.assign(mailbox, isTaken ? { displayName } : { displayName, emailAddress });
  await em.flush();
}

/** Now, since somebody waits for it; what does not answer in time is read in the background. */
async function discoverOwn(
  em: EntityManager,
  { microsoft365, clock }: { microsoft365: Microsoft365; clock: Clock },
  mailbox: Mailbox,
): Promise<void> {
  const signal = AbortSignal.timeout(MAILBOX_MILLISECONDS);
  try {
    await discoverIdentities(em, { sending: microsoft365.sending, signal, now: clock.now() }, mailbox.id);
  } catch (thrown) {
    if (!signal.aborted && !(thrown instanceof GraphError) && !(thrown instanceof NotFoundError))
      throw thrown;
    await enqueue(em, discoverIdentitiesJob, {
      organizationId: mailbox.organization.id,
      mailboxId: mailbox.id,
    });
  }
}

/** The identities of the other mailboxes of the account, in the background. */
async function discoverOthers(
  em: EntityManager,
  organizationId: string,
  accountId: string,
  exceptId: string | null,
): Promise<void> {
  const mailboxes = await em.find(
    Mailbox,
    { account: accountId, removedAt: null },
    { fields: ['id'], orderBy: { id: 'asc' }, limit: MOST_MAILBOXES },
  );
  const others = mailboxes.filter(({ id }) => id !== exceptId);
  await enqueueMany(
    em,
    discoverIdentitiesJob,
    others.map(({ id: mailboxId }) => ({ organizationId, mailboxId })),
  );
}

async function openInbox({ mail }: Microsoft365, mailbox: Mailbox): Promise<GraphError | null> {
  const signal = AbortSignal.timeout(MAILBOX_MILLISECONDS);
  try {
    await mail.getFolder(accessOf(mailbox), 'inbox', signal);
    return null;
  } catch (thrown) {
    if (signal.aborted) return new GraphError('GRAPH_TIMEOUT', 'The mailbox did not answer in time.');
    if (thrown instanceof GraphError) return thrown;
    throw thrown;
  }
}

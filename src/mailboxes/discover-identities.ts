import { NotFoundError } from '../errors.ts';
import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailboxAddresses, MailSending } from '../microsoft365/mail-sending.ts';
import { type Clock, MINUTE } from '../platform/clock.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { discoverIdentitiesJob } from './identities.jobs.ts';
import { recordAddresses } from './identities.ts';
import type { Mailbox } from './mailbox.entity.ts';
import { accessOf, accountOf, getMailbox } from './mailboxes.ts';

/** How long Microsoft may take to tell the addresses of one mailbox. */
const DISCOVERY_MILLISECONDS = MINUTE;

/** What does `discoverIdentitiesJob`. */
export function createDiscoverIdentities(deps: {
  database: Database;
  sending: Pick<MailSending, 'readAddresses'>;
  clock: Clock;
}): JobHandler {
  return handleJob(discoverIdentitiesJob, async ({ organizationId, mailboxId }, { signal, logger }) => {
    const em = forkFor(deps.database, organizationId, signal);
    const timed = AbortSignal.any([signal, AbortSignal.timeout(DISCOVERY_MILLISECONDS)]);
    try {
      await discoverIdentities(
        em,
        { sending: deps.sending, signal: timed, now: deps.clock.now() },
        mailboxId,
      );
    } catch (error) {
      // A mailbox that was removed meanwhile, or an account that says itself what is wrong with it.
      const isOver = error instanceof NotFoundError || (error instanceof GraphError && !error.isTransient);
      if (!isOver) throw error;
      logger.info(
        { organizationId, mailboxId, code: error.code },
        'the addresses of a mailbox were not read',
      );
    }
  });
}

/**
 * Reads the addresses of a mailbox at Microsoft and takes them over, unless later ones are known by then. Call it outside of
 * any transaction. Where the addresses may not be read, the mailbox says so (`addressesProblem`), and only the primary one
 * is known. Throws `NotFoundError`, and `GraphError` when Microsoft cannot be asked.
 */
export async function discoverIdentities(
  em: EntityManager,
  deps: { sending: Pick<MailSending, 'readAddresses'>; signal: AbortSignal; now: Date },
  mailboxId: string,
): Promise<void> {
  const mailbox = await getMailbox(em, mailboxId);
  const account = await accountOf(mailbox);
  const [{ now: beganAt } = { now: '' }] = await em.execute<{ now: string }[]>(
    'select clock_timestamp()::text as now',
  );
  const read = await deps.sending.readAddresses(accessOf(mailbox), account.grantedScopes, deps.signal);
  await em.fork().transactional(async (tx) => {
    if (!(await isLatest(tx, mailbox, beganAt))) return;
    const primary = read?.primary ?? mailbox.emailAddress;
    await recordAddresses(
      tx,
      mailboxId,
      { primary, aliases: read ? aliasesOf(read, primary) : null },
      deps.now,
    );
    await noteReadable(tx, mailbox, read ? null : notReadable(mailbox, account, deps.now));
  });
}

/**
 * Whether no reading that began later is written down already: the job's and that of somebody who waits for it know nothing
 * of each other, and the older answer may come last. Locks the mailbox, so that they come one after the other.
 */
async function isLatest(em: EntityManager, mailbox: Mailbox, beganAt: string): Promise<boolean> {
  const marked = await em.execute<unknown[]>(
    `update mailbox set addresses_read_at = ?::timestamptz where organization_id = ? and id = ?
       and (addresses_read_at > ?::timestamptz) is not true returning id`,
    [beganAt, mailbox.organization.id, mailbox.id, beganAt],
  );
  return marked.length > 0;
}

function aliasesOf({ aliases }: MailboxAddresses, primary: string): string[] {
  return aliases.filter((address) => address !== primary);
}

/** Notes whether the addresses of the mailbox can be read, if that is new. */
async function noteReadable(em: EntityManager, mailbox: Mailbox, problem: Problem | null): Promise<void> {
  const organizationId = mailbox.organization.id;
  // By SQL: the entity's version tells a sync that the incoming settings have changed, and they have not.
  const changed = await em.execute<unknown[]>(
    `update mailbox set addresses_problem = ?::jsonb where organization_id = ? and id = ?
       and (addresses_problem ->> 'code') is distinct from ?::text returning id`,
    [problem && JSON.stringify(problem), organizationId, mailbox.id, problem?.code ?? null],
  );
  if (changed.length > 0) {
    await recordEvents(em, organizationId, [{ type: 'mailbox.changed', mailboxId: mailbox.id }]);
  }
}

/** What is said where only the primary address is known, and what to do. */
export function notReadable(
  { emailAddress }: Pick<Mailbox, 'emailAddress'>,
  account: Pick<Account, 'kind'>,
  now: Date,
): Problem {
  const remedy =
    account.kind === 'TENANT'
      ? 'Give the app registration the application permission User.Read.All, accept on the page of startAdminConsent, and run refreshAccount.'
      : 'Sign in again with startSignIn for the directory (purpose DIRECTORY) as an administrator, and run refreshAccount.';
  return {
    code: 'ADDRESSES_NOT_READABLE',
    message: `Only the primary address of ${emailAddress} is known: the account may not read the other addresses of the mailbox in the directory.`,
    remedy: `${remedy} Or add an alias by hand with addSendAsAddress.`,
    since: now.toISOString(),
  };
}

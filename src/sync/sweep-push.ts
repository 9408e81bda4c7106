import type { JobContext } from '../jobs/define-job.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { type Database, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { removePushOrphansJob } from './push.jobs.ts';
import { type PushEnvironment, serverObstacle, webhookUrls } from './push-environment.ts';
import { type OrphanDependencies, removeAccountOrphans } from './push-orphans.ts';

/** Accounts asked for in one statement. */
const ACCOUNTS_PER_PAGE = 500;

/**
 * Looks for orphans of every account, whatever its mailboxes want: what is left behind is left where nobody wants anything
 * any more. Once a day is enough, they cost Microsoft, not us.
 */
export async function sweepPush({
  database,
  environment,
}: {
  database: Database;
  environment: PushEnvironment;
}): Promise<void> {
  if (serverObstacle(environment)) return;
  // Across organizations: the clock ticks for all of them, and each job then works within its own.
  const em = forkAcrossOrganizations(database);
  for (let after: string | null = null; ; ) {
    const rows: { id: string; organization_id: string }[] = await em.execute(
      `select id, organization_id from account
        where status <> 'DISCONNECTED' and (?::uuid is null or id > ?::uuid)
          and exists (select from mailbox where mailbox.account_id = account.id)
        order by id limit ${ACCOUNTS_PER_PAGE}`,
      [after, after],
    );
    await enqueueMany(
      em,
      removePushOrphansJob,
      rows.map(({ id, organization_id }) => ({ organizationId: organization_id, accountId: id })),
    );
    after = rows.at(-1)?.id ?? null;
    if (rows.length < ACCOUNTS_PER_PAGE) return;
  }
}

/** Ends the orphans of an account. An account that Microsoft refuses is left to the next night. */
export async function sweepAccount(
  deps: OrphanDependencies & { environment: PushEnvironment },
  { organizationId, accountId }: { organizationId: string; accountId: string },
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  const { publicUrl } = deps.environment;
  if (publicUrl === null || serverObstacle(deps.environment)) return;
  // Removed ones will do as well: the listing is the account's.
  const mailbox = await forkFor(deps.database, organizationId, signal).findOne(
    Mailbox,
    { account: accountId },
    { orderBy: { removedAt: 'desc nulls first', id: 'asc' } },
  );
  if (!mailbox) return;
  try {
    const { notificationUrl } = webhookUrls(publicUrl);
    const orphans = await removeAccountOrphans(deps, mailbox, notificationUrl, signal);
    if (orphans > 0) logger.warn({ accountId, orphans }, 'ended subscriptions that nobody here knew');
  } catch (error) {
    if (!(error instanceof GraphError) || error.isTransient) throw error;
    logger.info(
      { accountId, code: error.code },
      'the subscriptions of an account could not be looked through',
    );
  }
}

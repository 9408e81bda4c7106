import { enqueue } from '../jobs/define-job.ts';
import type { EntityManager } from '../platform/database.ts';
import { archiveMailJob } from './sync.jobs.ts';

/** Copies, moves and deletes what waits for it now, if there is anything. Call it inside a transaction. */
export async function resumeArchiving(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
): Promise<void> {
  const due = await em.execute<unknown[]>(
    `select 1 from inbound_message where organization_id = ? and mailbox_id = ? and (archive_state = 'DUE' or copy_state = 'DUE') limit 1`,
    [organizationId, mailboxId],
  );
  if (due.length > 0) await enqueue(em, archiveMailJob, { organizationId, mailboxId });
}

/**
 * Tries what could not be archived once more: for when somebody has chosen a folder to archive to. Call it inside a
 * transaction.
 */
export async function archiveFailedAgain(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
): Promise<void> {
  await em.execute(
    `update inbound_message set archive_state = 'DUE', problem = null, updated_at = now()
     where organization_id = ? and mailbox_id = ? and archive_state = 'FAILED'`,
    [organizationId, mailboxId],
  );
  await resumeArchiving(em, organizationId, mailboxId);
}

/** As {@link archiveFailedAgain}, for what could not be copied. What was copied after all is found, and not copied twice. */
export async function copyFailedAgain(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
): Promise<void> {
  await em.execute(
    `update inbound_message set copy_state = 'DUE', problem = null, updated_at = now()
     where organization_id = ? and mailbox_id = ? and copy_state = 'FAILED'`,
    [organizationId, mailboxId],
  );
  await resumeArchiving(em, organizationId, mailboxId);
}

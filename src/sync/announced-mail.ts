import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import { type Awaited, afterReading, type ReadingFacts } from './announced-mail-plan.ts';
import { requestSync } from './request-sync.ts';
import { lookAgainJob } from './sync.jobs.ts';
import { SyncState } from './sync-state.entity.ts';

/**
 * Asks for another look, in the transaction that ends a run, when the run did not bring all the mail that was announced.
 * Gives what is awaited now, for the caller to write into the mailbox's sync state.
 */
export async function planLook(
  em: EntityManager,
  ids: { organizationId: string; mailboxId: string },
  run: ReadingFacts,
): Promise<Awaited> {
  const after = afterReading(run);
  const { lookInMilliseconds } = after;
  if (lookInMilliseconds !== null) {
    // A poll in between changes nothing about a look that waits; a fresh announcement begins anew.
    const keepsWaiting = !run.isFresh;
    await enqueue(em, lookAgainJob, ids, { delayMilliseconds: lookInMilliseconds, keepsWaiting });
  }
  return after;
}

/**
 * Reads the folder again for mail that was announced and that no run has brought. Nothing when it has come meanwhile, or when
 * Microsoft wants to be left alone: the run that waits for that is the look.
 */
export async function lookAgain(
  { database }: { database: Database },
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  const em = forkFor(database, organizationId, signal);
  const mailbox = await em.findOne(Mailbox, { id: mailboxId });
  const state = await em.findOne(SyncState, { mailbox: mailboxId });
  if (!mailbox?.incomingEnabled || !state || state.awaited === 0 || state.resumesAt) return;
  logger.info({ mailboxId, awaited: state.awaited }, 'the folder is read again for announced mail');
  await requestSync(em, mailbox, 'PUSH');
}

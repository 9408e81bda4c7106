import { v7 as uuidv7 } from 'uuid';
import { InvalidInputError } from '../errors.ts';
import { enqueue } from '../jobs/define-job.ts';
import { liveJobExists } from '../jobs/live-job.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { knownFrom } from './imported-range.ts';
import { reconcileMailboxJob } from './reconcile.jobs.ts';
import { startOfWindow } from './reconcile-plan.ts';
import { Reconciliation, type ReconciliationTrigger } from './reconciliation.entity.ts';
import { IncomingDisabledError } from './sync-errors.ts';

/** What to reconcile. */
export interface ReconciliationRequest {
  trigger: ReconciliationTrigger;
  /** Mail received from here on; null for the usual window. Never before `receiveFrom` or what was imported. */
  since: Date | null;
  /** Whether mail in the archive folder that nothing here ever knew becomes tickets, too. */
  takesInArchive: boolean;
}

/**
 * Asks for a reconciliation and gives it back. When one waits or runs already, that one is given back, whatever it was
 * asked for. Throws {@link IncomingDisabledError}, and InvalidInputError when `since` lies in the future.
 */
export async function requestReconciliation(
  em: EntityManager,
  mailbox: Mailbox,
  { trigger, since, takesInArchive }: ReconciliationRequest,
  now: Date,
): Promise<Reconciliation> {
  const { receiveFrom } = mailbox;
  if (!mailbox.incomingEnabled || !receiveFrom) throw new IncomingDisabledError();
  if (since && since > now) {
    throw new InvalidInputError(
      'since',
      'No mail can have been received in the future.',
      'Give an earlier time.',
    );
  }
  const organizationId = mailbox.organization.id;
  const from = await knownFrom(em, mailbox, receiveFrom);
  return em.transactional(async (tx) => {
    const id = uuidv7();
    // The unique index on open ones decides between two that ask at once; `do update` gives back the row that is there.
    const [row] = await tx.execute<{ id: string }[]>(
      `insert into reconciliation (id, organization_id, mailbox_id, trigger, state, since, takes_in_archive,
         created_at, updated_at)
       values (?, ?, ?, ?, 'QUEUED', ?, ?, ?, ?)
       on conflict (mailbox_id) where state in ('QUEUED', 'RUNNING') do update set updated_at = excluded.updated_at
       returning id`,
      [id, organizationId, mailbox.id, trigger, startOfWindow(since, from, now), takesInArchive, now, now],
    );
    const [job] = await tx.execute<{ is_live: boolean }[]>(
      `select ${liveJobExists('?', '?::text')} as is_live`,
      [reconcileMailboxJob.name, mailbox.id],
    );
    // One that is there may have lost its job. One that has it may wait because Microsoft wants to be left alone: hurried,
    // it would be refused again, until it gives up.
    if (row?.id === id || !job?.is_live) {
      await enqueue(tx, reconcileMailboxJob, { organizationId, mailboxId: mailbox.id });
    }
    if (row?.id === id) {
      await recordEvents(tx, organizationId, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
    }
    return tx.findOneOrFail(Reconciliation, { id: row?.id ?? id }, { refresh: true });
  });
}

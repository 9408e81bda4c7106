import { LockMode } from '@mikro-orm/core';
import { enqueue } from '../jobs/define-job.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import { forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { reconcileMailboxJob } from './reconcile.jobs.ts';
import { readTotals } from './reconcile-ledger.ts';
import { reconcileRetryDelay } from './reconcile-plan.ts';
import { Reconciliation } from './reconciliation.entity.ts';
import type { SyncDependencies } from './run-sync.ts';

/** Writes the end of a reconciliation, with its sums; `problem` is why it failed. */
export async function finishReconciliation(
  { database, clock }: SyncDependencies,
  { id, organization, mailbox }: Reconciliation,
  problem: Problem | null,
): Promise<void> {
  const [organizationId, mailboxId] = [organization.id, mailbox.id];
  await forkFor(database, organizationId).transactional(async (em) => {
    const ended = await em.findOne(
      Reconciliation,
      { id, state: 'RUNNING' },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!ended) return;
    const now = clock.now();
    const counting = { em, organizationId, mailboxId, reconciliationId: id };
    const totals = await readTotals(counting, ended.since, ended.until ?? now);
    const state = problem ? 'FAILED' : 'SUCCEEDED';
    em.assign(ended, { ...totals, state, finishedAt: now, problem });
    await em.flush();
    await recordEvents(em, organizationId, [{ type: 'sync-status.changed', mailboxId }]);
  });
}

/** Tries it again later, from where it is; ends it when it has been refused too often, or for good. */
export async function putOff(
  deps: SyncDependencies,
  reconciliation: Reconciliation,
  error: GraphError,
  requests: number,
): Promise<void> {
  const { database, clock } = deps;
  const { id, organization, mailbox } = reconciliation;
  const [organizationId, mailboxId] = [organization.id, mailbox.id];
  const problem = error.toProblem(clock.now());
  const isOver = await forkFor(database, organizationId).transactional(async (em) => {
    const refused = await em.findOne(
      Reconciliation,
      { id, state: 'RUNNING' },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!refused) return false;
    const failures = refused.failures + 1;
    em.assign(refused, { failures, problem, requests: refused.requests + requests });
    await em.flush();
    const wait = error.isTransient ? reconcileRetryDelay(failures, error.retryAfterMilliseconds) : null;
    if (wait === null) return true;
    await enqueue(em, reconcileMailboxJob, { organizationId, mailboxId }, { delayMilliseconds: wait });
    return false;
  });
  if (isOver) await finishReconciliation(deps, reconciliation, problem);
}

/**
 * Ends it because of a fault of ours. Without its sums: to count may be what fails. Nothing when it has ended already, or
 * another worker has gone on with it.
 */
export async function breakOff(
  { database, clock }: SyncDependencies,
  { id, organization, mailbox, version }: Reconciliation,
): Promise<void> {
  const now = clock.now();
  await forkFor(database, organization.id).transactional(async (em) => {
    const ended = await em.nativeUpdate(
      Reconciliation,
      { id, state: 'RUNNING', version },
      { state: 'FAILED', finishedAt: now, updatedAt: now, problem: brokenOff(now) },
    );
    if (ended === 0) return;
    await recordEvents(em, organization.id, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
  });
}

/** Our own fault, in words that quote nothing of it. */
function brokenOff(now: Date): Problem {
  return {
    code: 'RECONCILIATION_FAILED',
    message:
      'The folders could not be compared to their end because of a fault in Deskgraph or its database.',
    remedy:
      'The coming night reconciles again, and `reconcileMailbox` does it now. If it lasts, look for the id of the mailbox in the log.',
    since: now.toISOString(),
  };
}

/** There is nothing to compare with, or no longer. */
export function unsyncedProblem(now: Date): Problem {
  return {
    code: 'NOT_SYNCED_YET',
    message: 'The watched folder, as the settings have it now, has not been read to its end yet.',
    remedy:
      'Wait until a sync run of the mailbox has succeeded and ask again, or leave it to the coming night.',
    since: now.toISOString(),
  };
}

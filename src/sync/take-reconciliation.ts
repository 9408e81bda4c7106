import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { unsyncedProblem } from './finish-reconciliation.ts';
import { placeAtStart } from './reconcile-plan.ts';
import { Reconciliation } from './reconciliation.entity.ts';
import { SyncState } from './sync-state.entity.ts';

/**
 * Takes the open reconciliation of a mailbox: begins the one that waits, or goes on with the one that a wait, a stop or a
 * crash broke off. Null when there is none, or nothing to compare: before the folder has been read to its end once,
 * everything would be a difference.
 */
export async function takeReconciliation(
  em: EntityManager,
  mailboxId: string,
  clock: Clock,
): Promise<{ mailbox: Mailbox; reconciliation: Reconciliation } | null> {
  return em.transactional(async (tx) => {
    const now = clock.now();
    const reconciliation = await tx.findOne(Reconciliation, {
      mailbox: mailboxId,
      state: { $in: ['QUEUED', 'RUNNING'] },
    });
    const mailbox = await tx.findOne(Mailbox, { id: mailboxId });
    if (!reconciliation || !mailbox) return null;
    if (reconciliation.state === 'RUNNING') return { mailbox, reconciliation };
    const { folder, afterProcessing, archiveFolder, incomingEnabled } = mailbox;
    const state = await tx.findOne(SyncState, { mailbox: mailboxId });
    const isSynced = incomingEnabled && folder && state?.coveredUntil && state.folderId === folder.id;
    tx.assign(reconciliation, {
      startedAt: now,
      until: now,
      ...(isSynced
        ? {
            state: 'RUNNING',
            folderId: folder.id,
            archiveFolderId: afterProcessing === 'ARCHIVE' ? (archiveFolder?.id ?? null) : null,
            place: placeAtStart('WATCHED', reconciliation.since),
          }
        : { state: 'FAILED', finishedAt: now, problem: unsyncedProblem(now) }),
    });
    await tx.flush();
    await recordEvents(tx, mailbox.organization.id, [{ type: 'sync-status.changed', mailboxId }]);
    return isSynced ? { mailbox, reconciliation } : null;
  });
}

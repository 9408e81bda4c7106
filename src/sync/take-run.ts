import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { type Clock, MINUTE } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { SyncRun } from './sync-run.entity.ts';
import { SyncState } from './sync-state.entity.ts';

/** The run that a worker has taken, and where the mailbox's sync stands. */
export interface TakenRun {
  run: SyncRun;
  state: SyncState;
}

/**
 * Takes the waiting run, and closes those that a killed process left open: without a waiting one, a new run with the
 * trigger `RECOVERY` then goes on from the stored cursor. Null when nothing waits and nothing was left: an earlier job
 * has done this one's work.
 */
export async function takeRun(em: EntityManager, mailbox: Mailbox, clock: Clock): Promise<TakenRun | null> {
  return em.transactional(async (tx) => {
    const now = clock.now();
    const open = await tx.find(SyncRun, { mailbox: mailbox.id, state: { $in: ['QUEUED', 'RUNNING'] } });
    if (open.length === 0) return null;
    for (const left of open.filter(({ state }) => state === 'RUNNING')) {
      tx.assign(left, { state: 'INTERRUPTED', finishedAt: now });
    }
    const run =
      open.find(({ state }) => state === 'QUEUED') ??
      tx.create(SyncRun, {
        organization: mailbox.organization,
        mailbox,
        trigger: 'RECOVERY',
        state: 'RUNNING',
      });
    tx.assign(run, { state: 'RUNNING', startedAt: now });
    const state =
      (await tx.findOne(SyncState, { mailbox: mailbox.id })) ??
      tx.create(SyncState, { organization: mailbox.organization, mailbox });
    // Set before the work begins: a run that takes long must not be asked for again at every tick meanwhile.
    tx.assign(state, {
      nextPollAt: new Date(now.getTime() + mailbox.syncIntervalMinutes * MINUTE),
      resumesAt: null,
    });
    await tx.flush();
    await recordEvents(tx, mailbox.organization.id, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
    return { run, state };
  });
}

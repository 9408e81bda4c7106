import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, forkFor } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { requestSync } from './request-sync.ts';
import { retryDelay } from './sync-plan.ts';
import { SyncRun } from './sync-run.entity.ts';
import { SyncState } from './sync-state.entity.ts';

/** How a run ended. */
export interface RunEnd {
  organizationId: string;
  mailboxId: string;
  runId: string;
  /** HTTP requests to Graph. */
  requests: number;
  /** Why it failed; null when it did not. */
  problem: GraphError | null;
}

/**
 * Writes the end of a run into its row and into the mailbox's sync state. A failure shortens the wait until the next
 * poll; success clears the problem. When the watched folder was changed during the run, another run follows at once.
 */
export async function finishRun(
  { database, clock }: { database: Database; clock: Clock },
  { organizationId, mailboxId, runId, requests, problem }: RunEnd,
): Promise<void> {
  const fork = forkFor(database, organizationId);
  await fork.transactional(async (em) => {
    const now = clock.now();
    const [run, state, mailbox] = await Promise.all([
      em.findOne(SyncRun, { id: runId }),
      em.findOne(SyncState, { mailbox: mailboxId }),
      em.findOne(Mailbox, { id: mailboxId }),
    ]);
    if (!run || !state || !mailbox) return;
    const told = problem?.toProblem(now) ?? null;
    em.assign(run, { state: told ? 'FAILED' : 'SUCCEEDED', finishedAt: now, requests, problem: told });
    if (told) {
      const failures = state.consecutiveFailures + 1;
      const since = state.problem?.code === told.code ? state.problem.since : told.since;
      const wait = Math.max(
        retryDelay(failures, mailbox.syncIntervalMinutes),
        problem?.retryAfterMilliseconds ?? 0,
      );
      em.assign(state, {
        consecutiveFailures: failures,
        problem: { ...told, since },
        nextPollAt: new Date(now.getTime() + wait),
      });
    } else {
      em.assign(state, { consecutiveFailures: 0, problem: null, lastSuccessAt: now });
    }
    if (!mailbox.incomingEnabled) em.assign(state, { nextPollAt: null });
    await em.flush();
    const isBehind = !told && mailbox.incomingEnabled && state.folderId !== mailbox.folder?.id;
    if (isBehind) await requestSync(em, mailbox, 'RECOVERY');
    await recordEvents(em, organizationId, [{ type: 'sync-status.changed', mailboxId }]);
  });
}

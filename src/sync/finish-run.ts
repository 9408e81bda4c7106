import { LockMode } from '@mikro-orm/core';
import { enqueue } from '../jobs/define-job.ts';
import { hurryQueues } from '../jobs/hurry-queues.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { attachmentQueues } from '../ticketing/attachments.jobs.ts';
import { planLook } from './announced-mail.ts';
import { resumeArchiving } from './archive-again.ts';
import { requestSync } from './request-sync.ts';
import { syncMailboxJob } from './sync.jobs.ts';
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
  failure: RunFailure | null;
}

/** Why a run failed, or was only postponed. */
export interface RunFailure {
  problem: Problem;
  /** How long Microsoft wants to be left alone, at least. */
  retryAfterMilliseconds: number | null;
  /** Microsoft asked us to slow down: nothing is wrong with the mailbox, and another run goes on after so long. */
  postponedMilliseconds: number | null;
}

/**
 * Writes the end of a run into its row and into the mailbox's sync state. A failure shortens the wait until the next
 * poll; success clears the problem. A postponed run is no failure: its successor waits already, and begins when Microsoft
 * allows it. When the watched folder was changed during the run, another run follows at once.
 */
export async function finishRun(
  { database, clock }: { database: Database; clock: Clock },
  { organizationId, mailboxId, runId, requests, failure }: RunEnd,
): Promise<void> {
  const fork = forkFor(database, organizationId);
  await fork.transactional(async (em) => {
    const now = clock.now();
    // Locked: another run may be calling this one interrupted at this moment, and then it is not this one's to end.
    const run = await em.findOne(
      SyncRun,
      { id: runId, state: 'RUNNING' },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    const state = await em.findOne(
      SyncState,
      { mailbox: mailboxId },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    const mailbox = await em.findOne(Mailbox, { id: mailboxId });
    if (!run || !state || !mailbox) return;
    const told = failure?.problem ?? null;
    const wait = failure?.postponedMilliseconds ?? null;
    const resumesAt = wait === null || !mailbox.incomingEnabled ? null : new Date(now.getTime() + wait);
    const outcome = !told ? 'SUCCEEDED' : wait === null ? 'FAILED' : 'POSTPONED';
    em.assign(run, { state: outcome, finishedAt: now, requests, problem: told, resumesAt });
    if (wait !== null) {
      // What kept it from working before, if anything did, is neither over nor worse.
      em.assign(state, { resumesAt, nextPollAt: resumesAt });
    } else if (told) {
      const failures = state.consecutiveFailures + 1;
      const since = state.problem?.code === told.code ? state.problem.since : told.since;
      const delay = Math.max(
        retryDelay(failures, mailbox.syncIntervalMinutes),
        failure?.retryAfterMilliseconds ?? 0,
      );
      em.assign(state, {
        consecutiveFailures: failures,
        problem: { ...told, since },
        nextPollAt: new Date(now.getTime() + delay),
      });
    } else {
      // What could not be done while Microsoft refused may wait for long by now: it is tried at once.
      if (state.consecutiveFailures > 0) {
        await resumeArchiving(em, organizationId, mailboxId);
        await hurryQueues(em, [
          ...Object.values(attachmentQueues(mailboxId)),
          `retry:${mailboxId}`,
          `import:${mailboxId}`,
        ]);
      }
      em.assign(state, { consecutiveFailures: 0, problem: null, lastSuccessAt: now });
    }
    const after = await leftToBring(em, { organizationId, mailboxId }, run, state);
    em.assign(state, { ...after, awaitedSince: run.announcedAt ?? null });
    if (!mailbox.incomingEnabled) em.assign(state, { nextPollAt: null, awaited: 0 });
    await em.flush();
    const isBehind = !told && mailbox.incomingEnabled && state.folderId !== mailbox.folder?.id;
    if (isBehind) await requestSync(em, mailbox, 'RECOVERY');
    if (resumesAt && wait !== null) {
      await requestSync(em, mailbox, run.trigger);
      // Also a run that was asked for meanwhile would only be told the same.
      await enqueue(em, syncMailboxJob, { organizationId, mailboxId }, { delayMilliseconds: wait });
    }
    await recordEvents(em, organizationId, [{ type: 'sync-status.changed', mailboxId }]);
  });
}

/** A run that did not succeed has not looked: its successor does. */
async function leftToBring(
  em: EntityManager,
  ids: { organizationId: string; mailboxId: string },
  { state: outcome, trigger, expected, created, appended, ignored, failed, announcedAt }: SyncRun,
  { looks, awaitedSince }: SyncState,
): Promise<{ awaited: number; looks: number }> {
  const brought = created + appended + ignored + failed;
  const isFresh = announcedAt?.getTime() !== awaitedSince?.getTime();
  if (outcome !== 'SUCCEEDED') {
    return { awaited: Math.max(expected - brought, 0), looks: isFresh ? 0 : looks };
  }
  const after = await planLook(em, ids, { trigger, expected, brought, isFresh, looks });
  return { awaited: after.awaited, looks: after.looks };
}

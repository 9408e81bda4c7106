import { LockMode } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { enqueue } from '../jobs/define-job.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import { postponementOf } from '../microsoft365/graph-postpone.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { importMailJob } from './import.jobs.ts';
import { MailImport } from './mail-import.entity.ts';
import { reconcileRetryDelay } from './reconcile-plan.ts';
import type { SyncDependencies } from './run-sync.ts';
import { SyncRun } from './sync-run.entity.ts';

/** Tells those who watch that an import has changed. Call it in the transaction of the change. */
export async function tellOfImport(
  em: EntityManager,
  { id, organization, mailbox }: Pick<MailImport, 'id' | 'organization' | 'mailbox'>,
): Promise<void> {
  await recordEvents(em, organization.id, [
    { type: 'mail-import.progressed', mailboxId: mailbox.id, mailImportId: id },
  ]);
}

/**
 * Adds an import that has ended to the history of the mailbox's runs: as one row and only now, since a run that is under
 * way is the sync's, which would take a row like this one for its own.
 */
export function writeImportRun(
  em: EntityManager,
  ended: MailImport,
  state: 'SUCCEEDED' | 'FAILED',
  now: Date,
): void {
  const { organization, mailbox, seen, created, appended, ignored, failed, requests, problem } = ended;
  em.create(SyncRun, {
    id: uuidv7(),
    organization,
    mailbox,
    trigger: 'IMPORT',
    state,
    announcedAt: null,
    startedAt: ended.startedAt ?? now,
    finishedAt: now,
    seen,
    created,
    appended,
    ignored,
    failed,
    requests,
    problem: problem ?? null,
    resumesAt: null,
    createdAt: ended.createdAt,
    updatedAt: now,
  });
}

/** How an import stops for now, or for good. */
export type ImportStop =
  | {
      state: 'PAUSED';
      problem: Problem;
      waitMilliseconds: number;
      isFailure: boolean;
      /** The job will fail, and the queue comes back for it: another one would begin to count its tries anew. */
      jobComesBack?: true;
    }
  | { state: 'FAILED' | 'CANCELLED'; problem: Problem };

/** What becomes of an import that Microsoft refused something. Being asked to slow down and the want of a sign-in are no failures. */
export function afterRefusal(error: GraphError, failures: number, now: Date): ImportStop {
  const problem = error.toProblem(now);
  const postponed = postponementOf(error);
  if (postponed !== null) {
    return { state: 'PAUSED', problem, waitMilliseconds: postponed, isFailure: false };
  }
  const wait = error.isTransient ? reconcileRetryDelay(failures + 1, error.retryAfterMilliseconds) : null;
  if (wait === null) return { state: 'FAILED', problem };
  return { state: 'PAUSED', problem, waitMilliseconds: wait, isFailure: true };
}

/** Writes down that an import stops, unless somebody else has gone on with it or ended it. */
export async function stopImport(
  { database, clock }: SyncDependencies,
  { id, organization, mailbox, version }: MailImport,
  stop: ImportStop,
  requests: number,
): Promise<void> {
  const [organizationId, mailboxId] = [organization.id, mailbox.id];
  await forkFor(database, organizationId).transactional(async (em) => {
    const current = await em.findOne(
      MailImport,
      { id, state: 'RUNNING', version },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!current) return;
    const now = clock.now();
    const since = current.problem?.code === stop.problem.code ? current.problem.since : stop.problem.since;
    em.assign(current, {
      state: stop.state,
      problem: { ...stop.problem, since },
      requests: current.requests + requests,
    });
    if (stop.state === 'PAUSED') {
      const resumesAt = new Date(now.getTime() + stop.waitMilliseconds);
      em.assign(current, { resumesAt, failures: current.failures + (stop.isFailure ? 1 : 0) });
      const delayMilliseconds = stop.waitMilliseconds;
      if (!stop.jobComesBack) {
        await enqueue(em, importMailJob, { organizationId, mailboxId }, { delayMilliseconds });
      }
    } else {
      em.assign(current, { finishedAt: now });
      if (stop.state === 'FAILED') writeImportRun(em, current, 'FAILED', now);
    }
    await em.flush();
    await tellOfImport(em, current);
  });
}

/** Our own fault, in words that quote nothing of it. */
export function importFailed(now: Date): Problem {
  return {
    code: 'IMPORT_FAILED',
    message: 'The import was stopped by a fault in Deskgraph or its database.',
    remedy: 'It is tried again by itself. If it lasts, look for the id of the mailbox in the log.',
    since: now.toISOString(),
  };
}

/** The mailbox takes no mail in or opens no tickets any more, was removed, or watches another folder. */
export function settingsChanged(now: Date): Problem {
  return {
    code: 'IMPORT_SETTINGS_CHANGED',
    message:
      'Incoming mail or its tickets (`createTickets`) were switched off, the mailbox was removed, or another folder is watched now: the import has stopped.',
    remedy:
      'With the same folder, and tickets on, it goes on with `resumeImport`; for another one ask for a new import with `importExistingMail`.',
    since: now.toISOString(),
  };
}

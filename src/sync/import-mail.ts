import { LockMode } from '@mikro-orm/core';
import { toError } from '../errors.ts';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import { afterRefusal, importFailed, settingsChanged, stopImport, tellOfImport } from './finish-import.ts';
import { importMailJob } from './import.jobs.ts';
import { type ImportWork, storeImportPage } from './import-page.ts';
import { endOfPhase, firstPlace, startOfImport } from './import-plan.ts';
import { ImportReader } from './import-reader.ts';
import { refreshStatistics } from './import-statistics.ts';
import { MailImport, OPEN_IMPORT_STATES } from './mail-import.entity.ts';
import type { SyncDependencies } from './run-sync.ts';
import { SupersededError } from './store-failure.ts';

/** How long an import keeps one of the process's places before others have their turn: many may run at a time. */
const TURN = 5 * SECOND;

/** How often the statistics of the tables that an import fills are looked at. */
const STATISTICS_INTERVAL = SECOND;

/** The tries of a job at which an unexpected error becomes the problem of the import; until then it is only logged. */
const ATTEMPTS_IN_SILENCE = 3;

/**
 * Imports existing mail, from where it was, for one turn; then it stands in line again behind everything else that is due.
 *
 * Each page is stored with the place behind it in one transaction, so that a crash or a stop costs a page at most. What
 * Microsoft refuses pauses the import, or ends it with the reason; only an unexpected error is thrown.
 */
export async function importMail(
  deps: SyncDependencies,
  input: { organizationId: string; mailboxId: string },
  context: Pick<JobContext, 'signal' | 'logger' | 'attempt' | 'isLastAttempt'>,
): Promise<void> {
  const { organizationId, mailboxId } = input;
  const { signal, logger } = context;
  const em = forkFor(deps.database, organizationId, signal);
  const taken = await takeImport(em, mailboxId, deps);
  if (!taken) return;
  const counter = { requests: 0 };
  const work: ImportWork = { deps, context, ...taken, counter };
  const { mailbox, mailImport } = taken;
  try {
    const { incomingEnabled, createTickets, folder } = mailbox;
    if (!incomingEnabled || !createTickets || folder?.id !== mailImport.folderId) return await outdated();
    const end = await importPages(work);
    if (end === 'TURN_OVER') await enqueue(em, importMailJob, input);
    else if (end === 'OUTDATED') await outdated();
  } catch (thrown) {
    if (thrown instanceof SupersededError) return;
    if (signal.aborted) throw toError(thrown);
    if (!(thrown instanceof GraphError)) {
      if (context.attempt >= ATTEMPTS_IN_SILENCE) await sayFailed(work, context);
      throw toError(thrown);
    }
    const stop = afterRefusal(thrown, work.mailImport.failures, deps.clock.now());
    logger.warn({ err: thrown, mailboxId, microsoftCode: thrown.microsoftCode }, 'an import was refused');
    await stopImport(deps, work.mailImport, stop, counter.requests);
  }

  async function outdated(): Promise<void> {
    const problem = settingsChanged(deps.clock.now());
    await stopImport(deps, work.mailImport, { state: 'CANCELLED', problem }, counter.requests);
  }
}

/** Takes the open import of a mailbox. Null when there is none. */
async function takeImport(
  em: EntityManager,
  mailboxId: string,
  { clock }: SyncDependencies,
): Promise<{ mailbox: Mailbox; mailImport: MailImport } | null> {
  return em.transactional(async (tx) => {
    const mailImport = await tx.findOne(
      MailImport,
      { mailbox: mailboxId, state: { $in: [...OPEN_IMPORT_STATES] } },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    const mailbox = await tx.findOne(Mailbox, { id: mailboxId });
    if (!mailImport || !mailbox) return null;
    const isNews = mailImport.state !== 'RUNNING';
    const startedAt = mailImport.startedAt ?? clock.now();
    tx.assign(mailImport, { state: 'RUNNING', startedAt, resumesAt: null });
    await tx.flush();
    if (isNews) await tellOfImport(tx, mailImport);
    return { mailbox, mailImport };
  });
}

async function importPages(work: ImportWork): Promise<'DONE' | 'TURN_OVER' | 'OUTDATED'> {
  const { deps, context, mailbox } = work;
  const endOfTurn = monotonicMilliseconds() + TURN;
  const mail = deps.mail.withCounter(work.counter);
  using reader = new ImportReader(mail, accessOf(mailbox), work.mailImport, context.signal);
  let place = work.mailImport.place ?? firstPlace(work.mailImport);
  reader.readAhead(place);
  if (work.mailImport.estimated == null) await estimate(work);
  let statisticsDueAt = monotonicMilliseconds() + STATISTICS_INTERVAL;
  for (;;) {
    context.signal.throwIfAborted();
    if (monotonicMilliseconds() >= statisticsDueAt) {
      await refreshStatistics(deps.database, context.signal);
      statisticsDueAt = monotonicMilliseconds() + STATISTICS_INTERVAL;
    }
    const page = await reader.page(place);
    const { step } = page;
    const isTurnOver = monotonicMilliseconds() >= endOfTurn;
    if (step.next && !isTurnOver) reader.readAhead(step.next);
    if (!(await storeImportPage(work, page))) return 'OUTDATED';
    if (!step.next) return 'DONE';
    if (isTurnOver) return 'TURN_OVER';
    place = step.next;
  }
}

/** Asks how much mail there is; what comes and goes meanwhile makes it an estimate. */
async function estimate(work: ImportWork): Promise<void> {
  const { deps, context, mailbox, mailImport } = work;
  const { folderId } = mailImport;
  const range = {
    folderId,
    receivedFrom: startOfImport(mailImport),
    receivedBefore: endOfPhase(mailImport, 'AS_NEW'),
  };
  const estimated = await deps.mail
    .withCounter(work.counter)
    .countMail(accessOf(mailbox), range, context.signal);
  const em = forkFor(deps.database, mailbox.organization.id, context.signal);
  await em.transactional(async (tx) => {
    const current = await tx.findOne(
      MailImport,
      { id: mailImport.id, state: 'RUNNING', version: mailImport.version },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!current) throw new SupersededError();
    tx.assign(current, { estimated });
    await tx.flush();
    await tellOfImport(tx, current);
    work.mailImport = current;
  });
}

/** Told from a later try on: the queue comes back for it until the last one. */
async function sayFailed(
  { deps, mailImport, counter }: ImportWork,
  { attempt, isLastAttempt }: Pick<JobContext, 'attempt' | 'isLastAttempt'>,
): Promise<void> {
  const problem = importFailed(deps.clock.now());
  // As graphile-worker reckons the next try: https://worker.graphile.org/docs/exponential-backoff
  const waitMilliseconds = Math.round(Math.exp(Math.min(attempt, 10)) * SECOND);
  const pause = {
    state: 'PAUSED' as const,
    problem,
    waitMilliseconds,
    isFailure: false,
    jobComesBack: true as const,
  };
  const stop = isLastAttempt ? { state: 'FAILED' as const, problem } : pause;
  await stopImport(deps, mailImport, stop, counter.requests);
}

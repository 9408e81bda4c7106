import { LockMode } from '@mikro-orm/core';
import { toError } from '../errors.ts';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { ListingPage, MailApi, RequestCounter } from '../microsoft365/mail.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import { breakOff, finishReconciliation, putOff, unsyncedProblem } from './finish-reconciliation.ts';
import { reconcileMailboxJob } from './reconcile.jobs.ts';
import {
  type Counting,
  comparePage,
  confirmDifferences,
  countDifferences,
  forgetDeleted,
  leaveDifferences,
  nextDifferences,
  noteLost,
  settleDifferences,
} from './reconcile-ledger.ts';
import {
  afterPage,
  aroundDamage,
  confirmStep,
  MOST_DIFFERENCES,
  placeAtStart,
  requestAt,
} from './reconcile-plan.ts';
import { repairDifferences } from './reconcile-repair.ts';
import { Reconciliation } from './reconciliation.entity.ts';
import { requestSync } from './request-sync.ts';
import type { SyncDependencies } from './run-sync.ts';
import { SupersededError } from './store-failure.ts';
import { SyncState } from './sync-state.entity.ts';
import { takeReconciliation } from './take-reconciliation.ts';

/** Differences repaired before that is written down: one `$batch` request. */
const DIFFERENCES_PER_STEP = 20;

/** The tries of a job at which an unexpected error ends the reconciliation; until then it is only logged. */
const ATTEMPTS_IN_SILENCE = 3;

/** A reconciliation under way, as each of its steps needs it. */
interface Work {
  deps: SyncDependencies;
  context: Pick<JobContext, 'signal' | 'logger'>;
  mailbox: Mailbox;
  /** As it was at the last step. */
  reconciliation: Reconciliation;
  mail: MailApi;
  counter: RequestCounter;
}

/** What follows a step: the next one, the end, or a wait. */
type Following = 'GO_ON' | 'DONE' | { waitMilliseconds: number };

/**
 * Compares the watched folder, and the archive folder if there is one, with the ledger, and repairs what differs.
 *
 * Each step is stored with its results in one transaction, so that a crash or a stop costs a page at most and the
 * successor goes on from there. What Microsoft refuses is tried again later, a few hours long. An unexpected error is
 * thrown, and when it keeps coming back it also ends the reconciliation: an open one stands in the way of every other.
 */
export async function reconcileMailbox(
  deps: SyncDependencies,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  context: Pick<JobContext, 'signal' | 'logger' | 'attempt'>,
): Promise<void> {
  const { signal, logger, attempt } = context;
  const em = forkFor(deps.database, organizationId, signal);
  const taken = await takeReconciliation(em, mailboxId, deps.clock);
  if (!taken) return;
  const { mailbox, reconciliation } = taken;
  const counter: RequestCounter = { requests: 0 };
  const work = { deps, context, mailbox, reconciliation, counter, mail: deps.mail.withCounter(counter) };
  try {
    for (;;) {
      signal.throwIfAborted();
      const following = await step(work);
      if (following === 'GO_ON') continue;
      if (following === 'DONE') await finishReconciliation(deps, work.reconciliation, null);
      else {
        const delayMilliseconds = following.waitMilliseconds;
        await enqueue(em, reconcileMailboxJob, { organizationId, mailboxId }, { delayMilliseconds });
      }
      return;
    }
  } catch (thrown) {
    if (thrown instanceof SupersededError) return;
    if (signal.aborted) throw toError(thrown);
    if (!(thrown instanceof GraphError)) {
      if (attempt >= ATTEMPTS_IN_SILENCE) await breakOff(deps, work.reconciliation);
      throw toError(thrown);
    }
    logger.warn(
      { err: thrown, mailboxId, microsoftCode: thrown.microsoftCode },
      'a reconciliation was refused',
    );
    await putOff(deps, work.reconciliation, thrown, counter.requests);
  }
}

function step(work: Work): Promise<Following> {
  const { reconciliation } = work;
  if (reconciliation.step === 'LIST') return listPage(work);
  return reconciliation.step === 'CONFIRM' ? confirm(work) : repair(work);
}

async function listPage(work: Work): Promise<Following> {
  const { deps, context, mailbox, reconciliation, mail } = work;
  const { folderId, archiveFolderId, since, takesInArchive } = reconciliation;
  const until = reconciliation.until ?? deps.clock.now();
  const place = reconciliation.place ?? placeAtStart('WATCHED', since);
  const listedFolderId = place.folder === 'WATCHED' ? folderId : archiveFolderId;
  if (!listedFolderId) throw new Error('A reconciliation has no folder to list.');
  const request = requestAt(place, listedFolderId, until);
  let page: ListingPage;
  try {
    page = await mail.listMail(accessOf(mailbox), request, context.signal);
  } catch (error) {
    const detour = error instanceof GraphError ? aroundDamage(place, error.status) : null;
    if (!detour) throw error;
    await store(work, async (em, stored) => void em.assign(stored, { place: detour }));
    return 'GO_ON';
  }
  await store(work, async (em, stored, counting) => {
    const { all } = await countDifferences(counting);
    const { fresh, next, cutAt } = afterPage(place, page, all >= MOST_DIFFERENCES);
    await comparePage(counting, place.folder, place.folder === 'WATCHED' || takesInArchive, fresh, since);
    if (cutAt) em.assign(stored, { isCut: true, until: cutAt < until ? cutAt : until });
    if (next) return void em.assign(stored, { place: next });
    if (place.folder === 'WATCHED' && archiveFolderId && archiveFolderId !== folderId) {
      return void em.assign(stored, { place: placeAtStart('ARCHIVE', since) });
    }
    await noteLost(counting, since, stored.until ?? until);
    em.assign(stored, { place: null, step: 'CONFIRM', listedAt: deps.clock.now() });
    const { unknown } = await countDifferences(counting);
    if (unknown > 0) await requestSync(em, mailbox, 'RECOVERY');
  });
  return 'GO_ON';
}

async function confirm(work: Work): Promise<Following> {
  const { deps, reconciliation } = work;
  const { listedAt } = reconciliation;
  let wait: number | null = null;
  await store(work, async (em, stored, counting) => {
    const { unknown } = await countDifferences(counting);
    if (unknown > 0 && listedAt) {
      const state = await em.findOne(SyncState, { mailbox: work.mailbox.id });
      const next = confirmStep(listedAt, state?.coveredUntil ?? null, deps.clock.now());
      if (next.kind === 'WAIT') {
        wait = next.milliseconds;
        return;
      }
    }
    await settleDifferences(counting, 'OPEN');
    await confirmDifferences(counting);
    em.assign(stored, { step: 'REPAIR' });
  });
  return wait === null ? 'GO_ON' : { waitMilliseconds: wait };
}

async function repair(work: Work): Promise<Following> {
  const { deps, context, mailbox, reconciliation, mail } = work;
  const organizationId = mailbox.organization.id;
  const em = forkFor(deps.database, organizationId, context.signal);
  const differences = await nextDifferences(countingOf(em, work), DIFFERENCES_PER_STEP);
  if (differences.length === 0) return 'DONE';
  const owner = {
    database: deps.database,
    clock: deps.clock,
    logger: context.logger.child({ mailboxId: mailbox.id, reconciliationId: reconciliation.id }),
    signal: context.signal,
    organizationId,
    mailboxId: mailbox.id,
    runId: null,
    folderId: reconciliation.folderId ?? '',
  };
  const { archiveFolderId = null, failures } = reconciliation;
  const facts = { archiveFolderId, failures };
  const result = await repairDifferences(owner, mail, accessOf(mailbox), differences, facts);
  // Switched off or pointed elsewhere: the next step finds that, and ends it.
  await store(work, async (_em, _stored, counting) => {
    if (!result) return;
    // First: their ledger rows say `FAILED` by now, which is an outcome and yet no repair.
    await leaveDifferences(counting, result.left);
    await settleDifferences(counting, 'CONFIRMED');
    await forgetDeleted(counting, result.deleted);
    await leaveDifferences(
      counting,
      differences.map(({ graphMessageId }) => graphMessageId),
    );
  });
  return 'GO_ON';
}

/**
 * Stores a step with its results. Throws {@link SupersededError} when another worker has gone on with it, and when the
 * settings no longer are what it began with: then it is ended here.
 */
async function store(
  work: Work,
  change: (em: EntityManager, stored: Reconciliation, counting: Counting) => Promise<void>,
): Promise<void> {
  const { deps, context, mailbox, reconciliation, counter } = work;
  const fork = forkFor(deps.database, mailbox.organization.id, context.signal);
  const { stored, isOutdated } = await fork.transactional(async (em) => {
    const current = await em.findOne(
      Reconciliation,
      { id: reconciliation.id, state: 'RUNNING', version: reconciliation.version },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!current) throw new SupersededError();
    const now = await em.findOne(Mailbox, { id: mailbox.id });
    if (!now?.incomingEnabled || now.folder?.id !== current.folderId) {
      return { stored: current, isOutdated: true };
    }
    em.assign(current, { requests: current.requests + counter.requests, failures: 0, problem: null });
    await change(em, current, countingOf(em, work));
    await em.flush();
    return { stored: current, isOutdated: false };
  });
  counter.requests = 0;
  work.reconciliation = stored;
  if (!isOutdated) return;
  await finishReconciliation(deps, stored, unsyncedProblem(deps.clock.now()));
  throw new SupersededError();
}

function countingOf(em: EntityManager, { mailbox, reconciliation }: Work): Counting {
  return {
    em,
    organizationId: mailbox.organization.id,
    mailboxId: mailbox.id,
    reconciliationId: reconciliation.id,
  };
}

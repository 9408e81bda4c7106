import { toError } from '../errors.ts';
import type { JobContext } from '../jobs/define-job.ts';
import { UNKNOWN_INBOX } from '../mailboxes/another-mailbox.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { signalOf } from '../microsoft365/account-signal.ts';
import { noteAccountSignal } from '../microsoft365/account-status.ts';
import { DeltaExpiredError, GraphError } from '../microsoft365/graph-error.ts';
import { isThrottling, postponementOf } from '../microsoft365/graph-postpone.ts';
import type { DeltaPage, MailApi } from '../microsoft365/mail.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { finishRun, type RunFailure } from './finish-run.ts';
import { PageReader } from './page-reader.ts';
import { newRound, resumeRound, type StoredRound, storeRound, withPage } from './round.ts';
import { SupersededError } from './store-failure.ts';
import { type PageOwner, storePage } from './store-page.ts';
import type { StoredMails } from './sync-metrics.ts';
import { nextStep, startOfRound } from './sync-plan.ts';
import { takeRun } from './take-run.ts';
import { watchInbox } from './watch-inbox.ts';

/** The tries of a job at which an unexpected error becomes the problem of the run; until then it is only logged. */
const ATTEMPTS_IN_SILENCE = 3;

/** What a sync needs. */
export interface SyncDependencies {
  database: Database;
  mail: MailApi;
  clock: Clock;
  /** Told of mail that became part of tickets. */
  onStored?: (stored: StoredMails) => void;
}

/** Microsoft answers with an error wherever one mail is part of the answer; one by one, the others can still be had. */
function isPageUnreadable(error: unknown): boolean {
  return error instanceof GraphError && error.code === 'PAGE_UNREADABLE';
}

/** Graph's links lead in a circle, twice in one run. */
function loopError(): GraphError {
  return new GraphError(
    'UNEXPECTED_ANSWER',
    'Microsoft Graph gave the same link twice while listing the folder.',
  );
}

/**
 * One pass over a mailbox's watched folder: reads the delta page by page and stores each with the cursor that covers it.
 *
 * Whatever happens in between, a crash, an abort or a second run, a page is stored whole with its cursor or not at all,
 * and a message that is listed again is found in the ledger. What Microsoft refuses ends the run as `FAILED` with its
 * problem and the next poll tries again, or as `POSTPONED` when it asked us to slow down; only an unexpected error is thrown.
 */
export async function runSync(
  deps: SyncDependencies,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  { signal, logger, attempt }: Pick<JobContext, 'signal' | 'logger' | 'attempt'>,
): Promise<void> {
  const em = forkFor(deps.database, organizationId, signal);
  const taken = await takeRun(em, { organizationId, mailboxId }, deps.clock);
  if (!taken) return;
  const { runId, state } = taken;
  // Read afterwards: a change of the settings that this run was asked for is in it.
  let mailbox = await em.findOne(Mailbox, { id: mailboxId });
  if (!mailbox) return;
  const counter = { requests: 0 };
  const end = { organizationId, mailboxId, runId };
  let failure: RunFailure | null = null;
  try {
    if (mailbox.incomingEnabled && mailbox.folder?.id === UNKNOWN_INBOX.id) {
      mailbox = await watchInbox({ ...deps, mail: deps.mail.withCounter(counter) }, mailbox, signal);
    }
    const { folder, receiveFrom } = mailbox;
    if (mailbox.incomingEnabled && folder && receiveFrom) {
      const isSameFolder = state.folderId === folder.id;
      const hasEnded = await readFolder(deps.mail.withCounter(counter), {
        owner: {
          database: deps.database,
          clock: deps.clock,
          onStored: deps.onStored,
          logger: logger.child({ mailboxId, syncRunId: runId }),
          signal,
          organizationId,
          mailboxId,
          runId,
          folderId: folder.id,
          stateVersion: state.version,
        },
        mailbox,
        cursor: isSameFolder ? (state.cursor ?? null) : null,
        round: isSameFolder && state.cursor ? (state.round ?? null) : null,
        from: startOfRound(receiveFrom, isSameFolder ? (state.coveredUntil ?? null) : null),
        // After failures there is more to do than to say that it went well.
        endsWithPage: () => (state.consecutiveFailures === 0 ? counter.requests : null),
      });
      await tellAccount(deps, mailbox, null, 0);
      if (hasEnded) return;
    }
  } catch (thrown) {
    if (thrown instanceof SupersededError) return;
    if (signal.aborted) throw toError(thrown);
    if (!(thrown instanceof GraphError)) {
      // A lost connection is the queue's business, and the run stays open for its successor. What keeps coming back is
      // shown to people, and polling tries again: a run that says RUNNING for hours would be a lie.
      if (attempt >= ATTEMPTS_IN_SILENCE) {
        const problem = syncFailed(deps.clock.now());
        const failed = { problem, retryAfterMilliseconds: null, postponedMilliseconds: null };
        await finishRun(deps, { ...end, requests: counter.requests, failure: failed });
      }
      throw toError(thrown);
    }
    await tellAccount(deps, mailbox, thrown, state.consecutiveFailures + 1);
    failure = {
      problem: thrown.toProblem(deps.clock.now()),
      retryAfterMilliseconds: thrown.retryAfterMilliseconds,
      postponedMilliseconds: isThrottling(thrown) ? postponementOf(thrown) : null,
    };
    if (isThrottling(thrown)) {
      const { retryAfterMilliseconds } = thrown;
      logger.info(
        { mailboxId, retryAfterMilliseconds },
        'Microsoft 365 asked to slow down; the sync goes on later',
      );
    } else {
      logger.warn({ err: thrown, mailboxId, microsoftCode: thrown.microsoftCode }, 'a sync run failed');
    }
  }
  await finishRun(deps, { ...end, requests: counter.requests, failure });
}

/** The account learns from each run whether Microsoft serves it. Nothing is written while nothing changes. */
async function tellAccount(
  { database, clock }: Pick<SyncDependencies, 'database' | 'clock'>,
  { account, organization }: Mailbox,
  error: GraphError | null,
  failures: number,
): Promise<void> {
  const now = clock.now();
  const signal = signalOf(error, failures, now);
  // A removed mailbox may have none by now.
  if (signal === null || !account) return;
  const reference = { organizationId: organization.id, accountId: account.id };
  await noteAccountSignal(database, reference, signal, now);
}

/** Our own fault, in words that quote nothing of it. */
function syncFailed(now: Date): Problem {
  return {
    code: 'SYNC_FAILED',
    message: 'The folder could not be read to its end because of a fault in Deskgraph or its database.',
    remedy: 'It is tried again by itself. If it lasts, look for the id of the mailbox in the log.',
    since: now.toISOString(),
  };
}

interface Reading {
  owner: PageOwner;
  mailbox: Mailbox;
  /** Where to go on; null for a fresh round. */
  cursor: string | null;
  /** The filtered round that the cursor is in the middle of. */
  round: StoredRound | null;
  /** Where a fresh round starts. */
  from: Date;
  /** Asked before the last page is stored: the requests so far when the run may end with it, null when it may not. */
  endsWithPage(): number | null;
}

/** Whether the run was ended with its last page. */
async function readFolder(mail: MailApi, reading: Reading): Promise<boolean> {
  const { owner, mailbox, from } = reading;
  const { clock, signal, folderId } = owner;
  using reader = new PageReader(mail, accessOf(mailbox), folderId, signal);
  let { cursor } = reading;
  let round = reading.round ? resumeRound(reading.round) : newRound(from, clock.now(), cursor === null);
  let hasRestarted = false;
  let hasExpired = false;
  let oneByOne = false;
  const followed = new Set<string>();
  for (;;) {
    signal.throwIfAborted();
    let page: DeltaPage;
    try {
      page = await (cursor === null ? reader.first(round.start, oneByOne) : reader.next(cursor));
    } catch (error) {
      // Each once per run: a fresh link that has expired already is Microsoft's trouble, not an old bookmark, and what
      // cannot be read one by one cannot be read.
      if (error instanceof DeltaExpiredError && !hasExpired) hasExpired = true;
      else if (isPageUnreadable(error) && !oneByOne) oneByOne = true;
      else throw error;
      cursor = null;
      round = newRound(from, clock.now(), true);
      continue;
    }
    round = withPage(round, page);
    const step = nextStep({
      isLastPage: page.isLastPage,
      cursorRepeats: followed.has(page.cursor),
      hasRestarted,
      isFilteredRound: round.isFiltered,
      listedInRound: round.listed,
      newestInRound: round.newest,
      roundStart: round.start,
    });
    followed.add(page.cursor);
    const isNewRound = step.kind === 'RESTART' || step.kind === 'NEXT_WINDOW';
    if (step.kind === 'CONTINUE') reader.readAhead(page.cursor);
    const endsAfterRequests = step.kind === 'DONE' ? reading.endsWithPage() : null;
    const storedPage = await storePage(owner, page, {
      cursor: isNewRound ? null : page.cursor,
      round: step.kind === 'CONTINUE' ? storeRound(round) : null,
      coveredUntil: step.kind === 'DONE' ? round.begunAt : step.kind === 'NEXT_WINDOW' ? step.from : null,
      endsAfterRequests,
    });
    if (storedPage === null || step.kind === 'DONE') return storedPage !== null && endsAfterRequests !== null;
    if (step.kind === 'LOOP') throw loopError();
    owner.stateVersion = storedPage.stateVersion;
    if (step.kind === 'RESTART') hasRestarted = true;
    if (isNewRound) {
      followed.clear();
      round = newRound(step.kind === 'NEXT_WINDOW' ? step.from : from, clock.now(), true);
    }
    cursor = isNewRound ? null : page.cursor;
  }
}

import { ExpectedError, toError } from '../errors.ts';
import type { Sender } from '../mailboxes/choose-identity.ts';
import { deniedProblem } from '../mailboxes/denied-problem.ts';
import { markIdentity } from '../mailboxes/identities.ts';
import { noteAccountSignal } from '../microsoft365/account-status.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { type Delivered, Delivery, type DeliveryDeps } from './delivery.ts';
import { failureOutcome } from './delivery-failure.ts';
import { CrashedError } from './fault-points.ts';
import { type DeliveryRow, LostRowError, loadForDelivery, saveClaimed } from './outbox-rows.ts';
import { recordEnd, release } from './record-delivery.ts';
import { pauseMailbox } from './sending-pause.ts';
import { storedFilesOf } from './upload-files.ts';

/**
 * Brings a mail that was claimed to its end, or as far as it comes now, and stores which. Throws what is not the mail's
 * failure: a database that is away, a process that stops.
 */
export async function deliverMessage(
  deps: DeliveryDeps,
  claimed: { organizationId: string; id: string },
  { signal, logger }: { signal: AbortSignal; logger: Logger },
): Promise<Delivered> {
  const em = forkFor(deps.database, claimed.organizationId, signal);
  const loaded = await loadForDelivery(em, claimed.organizationId, claimed.id);
  if (loaded === null) return { kind: 'POSTPONED' };
  const { row, sender } = loaded;
  let delivered: Delivered;
  try {
    const files = row.messageId === null ? [] : await storedFilesOf(em, row.messageId);
    delivered = await new Delivery(deps, em, loaded, files, signal).run();
  } catch (error) {
    // It counts as a failure in a row: two processes that take one mail from each other come to rest.
    if (error instanceof LostRowError) return { kind: 'POSTPONED' };
    if (error instanceof CrashedError) throw error;
    signal.throwIfAborted();
    try {
      return await fail(deps, em, row, sender, toError(error), logger);
    } catch (thrown) {
      if (thrown instanceof LostRowError) return { kind: 'POSTPONED' };
      throw thrown;
    }
  }
  const { account } = sender;
  // Where no mail is taken in, nothing else tells that Microsoft serves the account again.
  if (delivered.kind === 'ENDED' && account && account.status !== 'ACTIVE') {
    const reference = { organizationId: claimed.organizationId, accountId: account.id };
    await noteAccountSignal(deps.database, reference, { kind: 'REACHED' }, deps.clock.now());
  }
  return delivered;
}

async function fail(
  { clock, observer }: DeliveryDeps,
  em: EntityManager,
  row: DeliveryRow,
  { identity, mailbox, account }: Sender,
  error: Error,
  logger: Logger,
): Promise<Delivered> {
  const now = clock.now();
  const outcome = failureOutcome(error, { failedSince: row.failedSince, failures: row.failures, now });
  // Microsoft does not say who lacks the right for what.
  const isExplained = outcome.kind === 'FAIL' && outcome.isSendAsDenied && account !== null;
  const problem = isExplained
    ? deniedProblem(outcome.problem, { mailbox, account }, identity.emailAddress)
    : outcome.problem;
  const level = error instanceof ExpectedError ? 'warn' : 'error';
  const { id: outboundMessageId, mailboxId } = row;
  logger[level]({ err: error, outboundMessageId, mailboxId, outcome: outcome.kind }, 'a mail was not sent');
  if (outcome.kind === 'RETRY') {
    await release(em, row, { milliseconds: outcome.milliseconds, problem, isCounted: true }, now);
    return { kind: 'POSTPONED' };
  }
  if (outcome.kind === 'WAIT') {
    const { milliseconds, isPause } = outcome;
    // Apart from the row, and before it: it holds also where another process has taken the row.
    if (isPause) await pauseMailbox(em, row, milliseconds, problem);
    // What met the pause keeps its turn: the mailbox as a whole waits, and then the first goes first.
    const wait = { milliseconds: isPause ? 0 : milliseconds, problem, isCounted: false };
    await release(em, row, wait, now);
    return { kind: 'BLOCKED', milliseconds };
  }
  await em.transactional(async (inside) => {
    // Where Microsoft was told to send it, the draft says later whether it did. Otherwise it shall not lie about.
    const isLeft = row.sendAttemptedAt === null;
    await saveClaimed(
      inside,
      row,
      {
        state: 'FAILED',
        problem,
        failedSince: row.failedSince ?? now,
        ...(isLeft && { graphMessageId: null, draftAttemptedAt: null, filesCompleteAt: null }),
      },
      now,
    );
    if (outcome.isSendAsDenied) await markIdentity(inside, identity.id, 'DENIED', problem, now);
    await recordEnd(inside, row);
  });
  observer.onFailed({ kind: row.kind, code: problem.code });
  return { kind: 'ENDED' };
}

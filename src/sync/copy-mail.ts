import type { JobContext } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { isThrottling, postponementOf } from '../microsoft365/graph-postpone.ts';
import type { MailApi, MailboxAccess } from '../microsoft365/mail.ts';
import { delay, SECOND } from '../platform/clock.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { saveFiling } from './filing-failures.ts';
import type { SyncDependencies } from './run-sync.ts';

/** Messages copied before the result is written down: five `$batch` requests. */
const MESSAGES_PER_STEP = 100;
/** A copy that was asked for may still be on its way at Microsoft when its request is long lost. */
const COPY_SETTLES = 5 * SECOND;

const UNKNOWN_OUTCOME = new GraphError(
  'GRAPH_UNAVAILABLE',
  'Microsoft Graph did not say whether it copied the mail.',
);

/**
 * Copies the mailbox's incoming mail to its copy folder, as the settings say now. That a copy is asked for is written down
 * before; whatever comes between that and the answer, a crash or a lost connection, the copy is then looked for by its
 * Message-ID before another one is made. (A mail without a Message-ID, which Exchange does not deliver, may be copied twice.)
 *
 * Gives what has to wait, if anything does: those behind it were copied all the same. Throws `GraphError`.
 */
export async function copyMail(
  { database, mail, clock }: SyncDependencies,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  { signal, logger, isLastAttempt }: Pick<JobContext, 'signal' | 'logger' | 'isLastAttempt'>,
): Promise<GraphError | undefined> {
  let postponed: GraphError | undefined;
  for (let after: string | null = null; ; ) {
    signal.throwIfAborted();
    const em = forkFor(database, organizationId, signal);
    const mailbox = await em.findOne(Mailbox, { id: mailboxId });
    if (!mailbox || mailbox.removedAt) return undefined;
    const due: InboundMessage[] = await em.find(
      InboundMessage,
      { mailbox: mailboxId, copyState: 'DUE', ...(after === null ? {} : { id: { $gt: after } }) },
      { limit: MESSAGES_PER_STEP, orderBy: { id: 'asc' } },
    );
    const last = due.at(-1);
    if (!last) return postponed;
    after = last.id;
    const { copyFolder } = mailbox;
    if (!copyFolder) {
      for (const row of due) row.copyState = 'NOT_WANTED';
      await em.flush();
      continue;
    }
    const tried = due.filter(({ copyTriedAt }) => copyTriedAt);
    await settle(tried);
    const found = await findMadeCopies(em, mail, accessOf(mailbox), copyFolder.id, tried, signal);
    for (const row of due) {
      const copyId = found.get(row.id);
      if (copyId === undefined) row.copyTriedAt = clock.now();
      else {
        em.assign(row, { copyState: 'DONE', copiedAt: clock.now(), copyGraphMessageId: copyId });
      }
    }
    await em.flush();
    const missing = due.filter(({ copyState }) => copyState === 'DUE');
    if (missing.length === 0) continue;
    const outcomes = await mail.copyMails(
      accessOf(mailbox),
      missing.map(({ graphMessageId }) => graphMessageId),
      copyFolder.id,
      signal,
    );
    let done = 0;
    let hasFailures = false;
    for (const row of missing) {
      const outcome = outcomes.get(row.graphMessageId) ?? UNKNOWN_OUTCOME;
      if (outcome instanceof GraphError) {
        if (postponementOf(outcome) === null && (!outcome.isTransient || isLastAttempt)) {
          em.assign(row, { copyState: 'FAILED', problem: outcome.toProblem(clock.now()) });
          hasFailures = true;
          logger.warn({ err: outcome, inboundMessageId: row.id }, 'a message could not be copied');
        } else postponed = isThrottling(postponed) ? postponed : outcome;
        continue;
      }
      done += 1;
      // Gone: somebody deleted it before it could be copied, and there is nothing left to keep.
      em.assign(row, { copyState: outcome === 'GONE' ? 'NOT_WANTED' : 'DONE' });
      if (outcome !== 'GONE') em.assign(row, { copiedAt: clock.now(), copyGraphMessageId: outcome.copyId });
    }
    await saveFiling(em, { organizationId, mailboxId }, hasFailures);
    if (postponed && (done === 0 || isThrottling(postponed))) return postponed;
  }

  async function settle(tried: readonly InboundMessage[]): Promise<void> {
    const latest = Math.max(0, ...tried.map(({ copyTriedAt }) => copyTriedAt?.getTime() ?? 0));
    const rest = latest + COPY_SETTLES - clock.now().getTime();
    if (rest > 0) await delay(Math.min(rest, COPY_SETTLES), signal);
  }
}

/** The copies that were made of these, by ledger id. A mail that came twice has two copies, each its own. */
async function findMadeCopies(
  em: EntityManager,
  mail: MailApi,
  access: MailboxAccess,
  folderId: string,
  rows: readonly InboundMessage[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const made = new Map<string, string>();
  const ids = rows.flatMap(({ internetMessageId }) => internetMessageId ?? []);
  if (ids.length === 0) return made;
  const inFolder = await mail.findCopies(access, folderId, ids, signal);
  const everyId = [...inFolder.values()].flat();
  if (everyId.length === 0) return made;
  const owned = await em.find(InboundMessage, {
    copyGraphMessageId: { $in: everyId },
    mailbox: { emailAddress: access.emailAddress },
  });
  const taken = new Set(owned.map(({ copyGraphMessageId }) => copyGraphMessageId));
  for (const { id, internetMessageId, graphMessageId } of rows) {
    const copyId = inFolder
      .get(internetMessageId ?? '')
      // The mail itself may lie there, filed by a person: that is no copy.
      ?.find((candidate) => candidate !== graphMessageId && !taken.has(candidate));
    if (copyId === undefined) continue;
    taken.add(copyId);
    made.set(id, copyId);
  }
  return made;
}

import { LockMode } from '@mikro-orm/core';
import { enqueue } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { DeltaPage, IncomingMail } from '../microsoft365/mail.ts';
import { isPushProbe } from '../microsoft365/push-probe.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { Problem } from '../platform/problem.ts';
import type { ImportOption } from '../ticketing/imported-mail.ts';
import { type IngestResult, ingestMails, recordFailedMail } from '../ticketing/ingest.ts';
import { type ReadMail, readMails } from '../ticketing/read-mails.ts';
import { isFaultOfData, processingProblem } from './store-failure.ts';
import { archiveMailJob, retryInboundMessageJob } from './sync.jobs.ts';
import type { StoredMails } from './sync-metrics.ts';
import { messageRetryDelay } from './sync-plan.ts';
import type { SyncTrigger } from './sync-run.entity.ts';

/** Who stores mail, and of which folder. */
export interface MailOwner {
  database: Database;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
  organizationId: string;
  mailboxId: string;
  /** The run that counts what is stored; null when none does. */
  runId: string | null;
  /** Given for mail that lay there before incoming mail was enabled, which is left alone otherwise. */
  imported?: ImportOption;
  /** Counts what is stored, in the transaction that stores it. */
  count?(em: EntityManager, counts: StoredCounts): Promise<void>;
  /** Told of mail that became part of tickets, once that is committed. */
  onStored?: ((stored: StoredMails) => void) | undefined;
  /** The watched folder when the mail was read. */
  folderId: string;
}

/** What became of mails, as a run or an import counts it. */
export type StoredCounts = Pick<IngestResult, 'created' | 'appended' | 'ignored' | 'failed'>;

/** Mail of a transaction that is not committed yet. */
type NewMails = Omit<StoredMails, 'committedAt'>;

/**
 * Stores mails with their ledger rows, tickets, events and follow-up jobs, and whatever `finish` writes behind them, in one
 * transaction. When one mail makes it fail, they are stored one by one, so that a poison message becomes `FAILED` alone and
 * stops nobody; `finish` still comes last.
 *
 * Null when the settings have changed so that the mails no longer count. Throws what `finish` throws, and then nothing is
 * stored; and what the database throws when it is away. `read` is what `readMails` made of the mails, if that was done
 * already.
 */
export async function storeAndFinish<T>(
  owner: MailOwner,
  { mails, read: known }: Pick<DeltaPage, 'mails'> & { read?: ReadonlyMap<IncomingMail, ReadMail> },
  finish: (em: EntityManager, mailbox: Mailbox) => Promise<T>,
): Promise<T | null> {
  const read = known ?? (await readMails(mails, owner.signal));
  try {
    return await inTransaction(owner, async (em, mailbox, committed) => {
      await storeMails(em, owner, mailbox, mails, read, committed);
      return finish(em, mailbox);
    });
  } catch (error) {
    if (!isFaultOfData(error)) throw error;
    owner.logger.warn({ err: error }, 'a page could not be stored at once; storing it message by message');
  }
  for (const mail of mails) {
    if ((await storeAlone(owner, mail, read)) === null) return null;
  }
  return inTransaction(owner, finish);
}

/**
 * Stores mail that no cursor covers, as {@link storeAndFinish} does: all at once, or one by one when one of them makes that
 * fail. False when the settings have changed so that it no longer counts. Throws what the database throws when it is away.
 */
export async function storeMissed(
  owner: MailOwner,
  { mails, unreadable }: Pick<DeltaPage, 'mails' | 'unreadable'>,
): Promise<boolean> {
  const read = await readMails(mails, owner.signal);
  const stored = await inTransaction(owner, async (em, mailbox) => {
    await storeUnreadable(em, owner, mailbox, unreadable);
    return true;
  });
  if (!stored) return false;
  try {
    const all = await inTransaction(owner, async (em, mailbox, committed) => {
      await storeMails(em, owner, mailbox, mails, read, committed);
      return true;
    });
    return all === true;
  } catch (error) {
    if (!isFaultOfData(error)) throw error;
    owner.logger.warn({ err: error }, 'mail could not be stored at once; storing it message by message');
  }
  for (const mail of mails) {
    if ((await storeAlone(owner, mail, read)) === null) return false;
  }
  return true;
}

async function storeAlone(
  owner: MailOwner,
  mail: IncomingMail,
  read: ReadonlyMap<IncomingMail, ReadMail>,
): Promise<boolean | null> {
  try {
    return await inTransaction(owner, async (em, mailbox, committed) => {
      await storeMails(em, owner, mailbox, [mail], read, committed);
      return true;
    });
  } catch (error) {
    if (!isFaultOfData(error)) throw error;
    return inTransaction(owner, async (em, mailbox) => {
      const now = owner.clock.now();
      await storeFailure(em, owner, mailbox, mail, processingProblem(error, now));
      return true;
    });
  }
}

/** Runs `work` unless the mailbox was switched off, removed or pointed at another folder since the page was read. */
async function inTransaction<T>(
  owner: MailOwner,
  work: (em: EntityManager, mailbox: Mailbox, committed: NewMails[]) => Promise<T>,
): Promise<T | null> {
  const fork = forkFor(owner.database, owner.organizationId, owner.signal);
  const committed: NewMails[] = [];
  const result = await fork.transactional(async (em) => {
    // Locked, so that a change of the settings waits for the page: once it is saved, nothing comes by the old ones.
    const mailbox = await em.findOne(
      Mailbox,
      { id: owner.mailboxId },
      { lockMode: LockMode.PESSIMISTIC_READ },
    );
    if (!mailbox?.incomingEnabled || mailbox.folder?.id !== owner.folderId) return null;
    // What an import ignores now no later one would bring.
    if (owner.imported && !mailbox.createTickets) return null;
    return work(em, mailbox, committed);
  });
  for (const mails of committed) owner.onStored?.({ ...mails, committedAt: owner.clock.now() });
  return result;
}

async function storeMails(
  em: EntityManager,
  owner: MailOwner,
  mailbox: Mailbox,
  mails: readonly IncomingMail[],
  read: ReadonlyMap<IncomingMail, ReadMail>,
  committed: NewMails[],
): Promise<void> {
  const { receiveFrom } = mailbox;
  // A probe's draft concerns nobody, wherever it is met: it is not even an ignored mail.
  const listed = mails.filter((mail) => !isPushProbe(mail));
  const wanted = owner.imported
    ? listed
    : listed.filter(({ receivedAt }) => !receivedAt || !receiveFrom || receivedAt >= receiveFrom);
  const now = owner.clock.now();
  const { organizationId, imported = null } = owner;
  const result = await ingestMails(em, { organizationId, mailbox, mails: wanted, read, imported, now });
  for (const err of result.failures) owner.logger.warn({ err }, 'a message could not be processed');
  const { stormed } = result;
  if (stormed > 0) {
    owner.logger.warn({ organizationId, mailboxId: mailbox.id, stormed }, 'a storm: a sender sends too much');
  }
  const run = await count(em, owner, listed.length, result);
  if (run && result.storedReceivedAt.length > 0) {
    const announcedAt = run.announced_at === null ? null : new Date(run.announced_at);
    committed.push({ trigger: run.trigger, announcedAt, receivedAt: result.storedReceivedAt, stormed });
  }
  if (result.archiveDue > 0) await enqueue(em, archiveMailJob, idsOf(owner));
  for (const inboundMessageId of result.failedInboundMessageIds) {
    await retryLater(em, owner, inboundMessageId);
  }
}

/** Puts mails that could not be read into the ledger as `FAILED`; they are tried again by themselves. */
export async function storeUnreadable(
  em: EntityManager,
  owner: MailOwner,
  mailbox: Mailbox,
  unreadable: DeltaPage['unreadable'],
): Promise<void> {
  for (const { graphMessageId, problem } of unreadable) {
    // Without an id there is nothing to hang a ledger row on; the client has logged it.
    if (graphMessageId !== null) await storeFailure(em, owner, mailbox, { graphMessageId }, problem);
  }
}

async function storeFailure(
  em: EntityManager,
  owner: MailOwner,
  mailbox: Mailbox,
  mail: Pick<IncomingMail, 'graphMessageId'> & Partial<IncomingMail>,
  problem: Problem,
): Promise<void> {
  const { organizationId, clock } = owner;
  const id = await recordFailedMail(em, {
    organizationId,
    mailbox,
    graphMessageId: mail.graphMessageId,
    internetMessageId: mail.internetMessageId ?? null,
    fromAddress: mail.from?.emailAddress ?? null,
    receivedAt: mail.receivedAt ?? null,
    problem,
    imported: owner.imported ?? null,
    now: clock.now(),
  });
  if (id === null) return;
  await count(em, owner, 1, { created: 0, appended: 0, ignored: 0, failed: 1 });
  await retryLater(em, owner, id);
}

async function retryLater(em: EntityManager, owner: MailOwner, inboundMessageId: string): Promise<void> {
  const delayMilliseconds = messageRetryDelay(1);
  await enqueue(em, retryInboundMessageJob, { ...idsOf(owner), inboundMessageId }, { delayMilliseconds });
}

/** Counts into the run's row, in the transaction of what is counted: after a crash the counts are still true. */
async function count(
  em: EntityManager,
  { runId, organizationId, count: countInto }: MailOwner,
  seen: number,
  { created, appended, ignored, failed }: StoredCounts,
): Promise<{ trigger: SyncTrigger; announced_at: string | null } | undefined> {
  await countInto?.(em, { created, appended, ignored, failed });
  if (runId === null) return undefined;
  const [run] = await em.execute<{ trigger: SyncTrigger; announced_at: string | null }[]>(
    `update sync_run set seen = seen + ?, created = created + ?, appended = appended + ?, ignored = ignored + ?,
       failed = failed + ?, updated_at = now() where id = ? and organization_id = ?
     returning trigger, announced_at`,
    [seen, created, appended, ignored, failed, runId, organizationId],
  );
  return run;
}

function idsOf({ organizationId, mailboxId }: MailOwner): { organizationId: string; mailboxId: string } {
  return { organizationId, mailboxId };
}

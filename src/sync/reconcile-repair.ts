import type { z } from 'zod';
import { enqueue } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { postponementOf } from '../microsoft365/graph-postpone.ts';
import type { DeltaPage, IncomingMail, MailApi, MailboxAccess } from '../microsoft365/mail.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { readMails } from '../ticketing/read-mails.ts';
import { relinkMails } from '../ticketing/relink.ts';
import { failLost, restoreMessage } from '../ticketing/restore-message.ts';
import { treatMails } from './imported-range.ts';
import type { Difference } from './reconcile-ledger.ts';
import { isFaultOfData } from './store-failure.ts';
import { type MailOwner, storeMissed } from './store-mails.ts';
import { archiveMailJob, retryInboundMessageJob } from './sync.jobs.ts';
import { messageRetryDelay } from './sync-plan.ts';

/** Refusals in a row that may pass, before they are about the mails that were asked for. */
const PATIENCE = 2;

/** What a reconciliation knows besides its differences. */
export interface RepairFacts {
  archiveFolderId: string | null;
  /** Refusals in a row so far. */
  failures: number;
}

/** What became of the mails of a few differences, as far as the ledger does not tell. */
export interface RepairResult {
  /** Mails that do not exist any more, that a person has put elsewhere meanwhile, or that nobody has sent. */
  deleted: string[];
  /** Mails that could not be repaired. */
  left: string[];
}

/**
 * Repairs a few differences by the same path as sync and retry: mail that the ledger does not know is taken in, or gets
 * its row again when it is a message already; a message that is missing is made again from its mail. Whatever is done
 * twice changes nothing. Null when the settings have changed so that it no longer counts.
 *
 * What Microsoft refuses for a mail, and not for the mailbox, makes its ledger row `FAILED`, where people see it and from
 * where it is tried again for some hours; the others are repaired. Throws `GraphError` when the mailbox refuses, and whatever
 * the database throws when it is away.
 */
export async function repairDifferences(
  owner: MailOwner,
  mail: MailApi,
  access: MailboxAccess,
  differences: readonly Difference[],
  { archiveFolderId, failures }: RepairFacts,
): Promise<RepairResult | null> {
  const { mails, unreadable } = await readAll(owner, mail, access, differences, failures);
  const found = new Map(mails.map((one) => [one.graphMessageId, one]));
  const problems = new Map(unreadable.map(({ graphMessageId, problem }) => [graphMessageId, problem]));
  const result: RepairResult = { deleted: [], left: [] };
  const unknown: MissedMails = { mails: [], unreadable: [] };
  for (const { kind, folder, graphMessageId } of differences) {
    const one = found.get(graphMessageId);
    if (kind === 'LOST') {
      const isRestored = one !== undefined && (await restore(owner, one));
      if (isRestored) continue;
      if (one === undefined) await sayLost(owner, graphMessageId, problems.get(graphMessageId) ?? null);
      result.left.push(graphMessageId);
    } else if (one?.isDraft === true || (one && wasMoved(one))) {
      result.deleted.push(graphMessageId);
    } else if (one !== undefined) {
      unknown.mails.push(one);
    } else if (!problems.has(graphMessageId)) {
      result.deleted.push(graphMessageId);
    }

    /** Since it was listed, as into the bin: what a person has put elsewhere is no mail that we missed. */
    function wasMoved({ folderId }: IncomingMail): boolean {
      if (folderId === undefined || folderId === owner.folderId) return false;
      return folder !== 'ARCHIVE' || folderId !== archiveFolderId;
    }
  }
  unknown.unreadable = differences.flatMap(({ kind, graphMessageId, receivedAt }) => {
    const problem = kind === 'UNKNOWN' ? problems.get(graphMessageId) : undefined;
    return problem ? { graphMessageId, problem, receivedAt } : [];
  });
  const { mails: missed } = unknown;
  if (missed.length > 0) await relink(owner, missed);
  if (missed.length + unknown.unreadable.length > 0 && !(await takeIn(owner, unknown))) return null;
  return result;
}

/** Mail that was missed; of what cannot be read the listing has told when it was received. */
interface MissedMails {
  mails: IncomingMail[];
  unreadable: (DeltaPage['unreadable'][number] & { receivedAt: Date })[];
}

/**
 * Mail from before incoming mail was enabled is taken in as the import would have done it that missed it: also what cannot
 * be read now, and is once it can.
 */
async function takeIn(owner: MailOwner, { mails, unreadable }: MissedMails): Promise<boolean> {
  const em = forkFor(owner.database, owner.organizationId, owner.signal);
  const mailbox = await em.findOne(Mailbox, { id: owner.mailboxId });
  if (!mailbox) return false;
  for (const { imported, mails: alike } of await treatMails(em, mailbox, unreadable)) {
    const taker = imported ? { ...owner, imported } : owner;
    if (!(await storeMissed(taker, { mails: [], unreadable: alike }))) return false;
  }
  for (const { imported, mails: alike } of await treatMails(em, mailbox, mails)) {
    const taker = imported ? { ...owner, imported } : owner;
    if (!(await storeMissed(taker, { mails: alike, unreadable: [] }))) return false;
  }
  return true;
}

/** What is refused for all of these mails while the folder can be read is about the mails, unless it may pass. */
async function readAll(
  { folderId, signal, clock }: MailOwner,
  mail: MailApi,
  access: MailboxAccess,
  differences: readonly Difference[],
  failures: number,
): Promise<Pick<DeltaPage, 'mails' | 'unreadable'>> {
  const ids = differences.map(({ graphMessageId }) => graphMessageId);
  try {
    return await mail.getMails(access, ids, signal);
  } catch (error) {
    if (!(error instanceof GraphError) || postponementOf(error) !== null) throw error;
    if (error.isTransient && failures < PATIENCE) throw error;
    if ((await mail.getFolder(access, folderId, signal)) === null) throw error;
    const problem = error.toProblem(clock.now());
    return { mails: [], unreadable: ids.map((graphMessageId) => ({ graphMessageId, problem })) };
  }
}

async function relink(owner: MailOwner, mails: readonly IncomingMail[]): Promise<void> {
  const { organizationId, mailboxId, clock, signal } = owner;
  const read = await readMails(mails, signal);
  await forkFor(owner.database, organizationId, signal).transactional(async (em) => {
    const mailbox = await em.findOneOrFail(Mailbox, { id: mailboxId });
    const linked = await relinkMails(em, { organizationId, mailbox, mails, read, now: clock.now() });
    if (linked > 0 && (mailbox.afterProcessing !== 'KEEP' || mailbox.copyFolder)) {
      await enqueue(em, archiveMailJob, { organizationId, mailboxId });
    }
  });
}

/** Whether the message is there again. */
async function restore(owner: MailOwner, mail: IncomingMail): Promise<boolean> {
  const { organizationId, mailboxId, clock, signal, logger } = owner;
  const { graphMessageId } = mail;
  const read = (await readMails([mail], signal)).get(mail);
  try {
    return await forkFor(owner.database, organizationId, signal).transactional(async (em) => {
      const result = await restoreMessage(
        em,
        { organizationId, mailboxId, graphMessageId },
        mail,
        clock.now(),
        read,
      );
      for (const err of result?.failures ?? []) logger.warn({ err }, 'a message could not be restored');
      if (result && result.archiveDue > 0) await enqueue(em, archiveMailJob, { organizationId, mailboxId });
      for (const inboundMessageId of result?.failedInboundMessageIds ?? []) {
        await retryLater(em, { organizationId, mailboxId, inboundMessageId });
      }
      return result === null || result.failed === 0;
    });
  } catch (error) {
    if (!isFaultOfData(error)) throw error;
    logger.warn({ err: error }, 'a message could not be restored');
    return false;
  }
}

/** `refused` is why its mail could not be read; null when there is none any more. */
async function sayLost(owner: MailOwner, graphMessageId: string, refused: Problem | null): Promise<void> {
  const { organizationId, mailboxId, clock, signal } = owner;
  const gone: Problem = {
    code: 'ITEM_NOT_FOUND',
    message: 'The message went missing here, and its mail is no longer in the mailbox.',
    remedy: 'If you still need it, restore the mail in Outlook and try again.',
    since: clock.now().toISOString(),
  };
  await forkFor(owner.database, organizationId, signal).transactional(async (em) => {
    const lost = { organizationId, mailboxId, graphMessageId };
    const row = await failLost(em, lost, refused ?? gone, clock.now());
    if (row && refused) await retryLater(em, { organizationId, mailboxId, inboundMessageId: row.id });
  });
}

/** As for every message that failed: eight tries within some hours. */
async function retryLater(
  em: EntityManager,
  input: z.infer<typeof retryInboundMessageJob.input>,
): Promise<void> {
  await enqueue(em, retryInboundMessageJob, input, { delayMilliseconds: messageRetryDelay(1) });
}

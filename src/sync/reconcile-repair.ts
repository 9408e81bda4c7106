import { enqueue } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { DeltaPage, IncomingMail, MailApi, MailboxAccess } from '../microsoft365/mail.ts';
import { forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { readMails } from '../ticketing/read-mails.ts';
import { relinkMails } from '../ticketing/relink.ts';
import { failLost, restoreMessage } from '../ticketing/restore-message.ts';
import type { Difference } from './reconcile-ledger.ts';
import { isFaultOfData, type MailOwner, storeMissed } from './store-page.ts';
import { archiveMailJob } from './sync.jobs.ts';

/** What became of the mails of a few differences, as far as the ledger does not tell. */
export interface RepairResult {
  /** Mails that do not exist any more, or that nobody has sent. */
  deleted: string[];
  /** Mails that could not be repaired. */
  left: string[];
}

/**
 * Repairs a few differences by the same path as sync and retry: mail that the ledger does not know is taken in, or gets
 * its row again when it is a message already; a message that is missing is made again from its mail. Whatever is done
 * twice changes nothing. Null when the settings have changed so that it no longer counts. Throws `GraphError`, and
 * whatever the database throws when it is away.
 */
export async function repairDifferences(
  owner: MailOwner,
  mail: MailApi,
  access: MailboxAccess,
  differences: readonly Difference[],
): Promise<RepairResult | null> {
  const ids = differences.map(({ graphMessageId }) => graphMessageId);
  const { mails, unreadable } = await mail.getMails(access, ids, owner.signal);
  const found = new Map(mails.map((one) => [one.graphMessageId, one]));
  const unreadableIds = new Set(unreadable.map(({ graphMessageId }) => graphMessageId));
  const result: RepairResult = { deleted: [], left: [] };
  const unknown: Pick<DeltaPage, 'mails' | 'unreadable'> = { mails: [], unreadable: [] };
  for (const { kind, graphMessageId } of differences) {
    const one = found.get(graphMessageId);
    if (kind === 'LOST') {
      const isRestored = one !== undefined && (await restore(owner, one));
      if (isRestored) continue;
      if (one === undefined && !unreadableIds.has(graphMessageId)) await sayGone(owner, graphMessageId);
      result.left.push(graphMessageId);
    } else if (one?.isDraft === true) {
      result.deleted.push(graphMessageId);
    } else if (one !== undefined) {
      unknown.mails.push(one);
    } else if (!unreadableIds.has(graphMessageId)) {
      result.deleted.push(graphMessageId);
    }
  }
  const unknownIds = new Set(
    differences.flatMap((one) => (one.kind === 'UNKNOWN' ? one.graphMessageId : [])),
  );
  unknown.unreadable = unreadable.filter((one) => unknownIds.has(one.graphMessageId ?? ''));
  const { mails: missed } = unknown;
  if (missed.length > 0) await relink(owner, missed);
  if (missed.length + unknown.unreadable.length > 0 && !(await storeMissed(owner, unknown))) return null;
  return result;
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
      return true;
    });
  } catch (error) {
    if (!isFaultOfData(error)) throw error;
    logger.warn({ err: error }, 'a message could not be restored');
    return false;
  }
}

async function sayGone(owner: MailOwner, graphMessageId: string): Promise<void> {
  const { organizationId, mailboxId, clock, signal } = owner;
  const problem: Problem = {
    code: 'ITEM_NOT_FOUND',
    message: 'The message went missing here, and its mail is no longer in the mailbox.',
    remedy: 'If you still need it, restore the mail in Outlook and try again.',
    since: clock.now().toISOString(),
  };
  await forkFor(owner.database, organizationId, signal).transactional((em) =>
    failLost(em, { organizationId, mailboxId, graphMessageId }, problem, clock.now()),
  );
}

/* What is written when an attempt ends, together with everything that follows from it. */
import { enqueue } from '../jobs/define-job.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { checkSentCopyJob, deliverJob } from './deliver.jobs.ts';
import { type DeliveryRow, lanesOfTicket, postpone, saveClaimed } from './outbox-rows.ts';

/** When the copy of a sent mail is first looked for: Exchange takes a moment to file it. */
const FIRST_LOOK = 5 * SECOND;

/**
 * Tells of the end of a mail, asks for the look at its copy (which also removes drafts that are left over), and wakes what
 * waited behind it. Call it in the transaction that stores the end.
 */
export async function recordEnd(em: EntityManager, row: EndedRow): Promise<void> {
  const { id, organizationId, mailboxId, ticketId } = row;
  await recordEvents(em, organizationId, [
    { type: 'outbound-message.changed', outboundMessageId: id, ticketId },
    ...(ticketId === null ? [] : [{ type: 'ticket.updated' as const, ticketId }]),
  ]);
  const look = { organizationId, mailboxId, outboundMessageId: id, looked: 0 };
  await enqueue(em, checkSentCopyJob, look, { delayMilliseconds: FIRST_LOOK });
  if (ticketId !== null) {
    await enqueueMany(em, deliverJob, await lanesOfTicket(em, organizationId, ticketId));
  }
}

/** What of a row is told when it ends. */
export type EndedRow = Pick<DeliveryRow, 'id' | 'organizationId' | 'mailboxId' | 'ticketId'>;

/**
 * Runs work that writes to a row, in a transaction. What it has changed of the row in memory is taken back when that is not
 * committed: the row is written again to say what went wrong, and would be taken for another's with a version that nobody
 * has stored, again and again, with everything that waits behind it.
 */
export async function writeTogether(
  em: EntityManager,
  row: DeliveryRow,
  work: (inside: EntityManager) => Promise<void>,
): Promise<void> {
  const before = { ...row };
  try {
    await em.transactional(work);
  } catch (error) {
    Object.assign(row, before);
    throw error;
  }
}

/**
 * Gives a mail back to the outbox until it is due again. As long as Microsoft was not told to send it, it can be cancelled.
 * Throws `LostRowError`.
 */
export async function release(
  em: EntityManager,
  row: DeliveryRow,
  { milliseconds, problem, isCounted }: { milliseconds: number; problem: Problem | null; isCounted: boolean },
  now: Date,
): Promise<void> {
  await em.transactional(async (inside) => {
    await saveClaimed(
      inside,
      row,
      {
        state: row.sendAttemptedAt === null ? 'QUEUED' : 'SENDING',
        problem,
        ...(isCounted
          ? { failedSince: row.failedSince ?? now, failures: row.failures + 1 }
          : { attempts: Math.max(0, row.attempts - 1) }),
      },
      now,
    );
    await postpone(inside, row.organizationId, row.id, milliseconds);
    await recordEvents(inside, row.organizationId, [
      { type: 'outbound-message.changed', outboundMessageId: row.id, ticketId: row.ticketId },
    ]);
  });
}

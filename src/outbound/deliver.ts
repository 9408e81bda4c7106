import { toError } from '../errors.ts';
import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { liveJobExists, unhinderedJobExists } from '../jobs/live-job.ts';
import { monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import { checkSentCopyJob, deliverJob } from './deliver.jobs.ts';
import { deliverMessage } from './deliver-message.ts';
import type { DeliveryDeps } from './delivery.ts';
import { claimNext, dueAfter, nextDueAfter } from './next-mail.ts';
import type { Lane } from './outbox-rows.ts';
import { endPauses } from './sending-pause.ts';

/** A run gives its worker's place up after so many mails or so long, and asks for another one: others wait as well. */
const MAILS_PER_RUN = 20;
const RUN_MILLISECONDS = 30 * SECOND;
/** After so many mails in a row that failed it is rather Microsoft than the mails: the lane pauses. */
const FAILURES_IN_A_ROW = 3;
const PAUSE = 10 * SECOND;
/** Lanes and mails looked at in one sweep. */
const SWEPT = 500;
/** How long a copy may be looked for before the sweep asks for it again. */
const FORGOTTEN_COPY = '15 minutes';

/**
 * Sends what is due in a lane, one mail after the other, and asks for the next run when it stops before the lane is empty:
 * at once when its time is over, otherwise when something is due.
 */
export async function deliverLane(
  deps: DeliveryDeps,
  lane: Lane,
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  const until = monotonicMilliseconds() + RUN_MILLISECONDS;
  let failures = 0;
  let delayMilliseconds: number | null = 0;
  for (let mails = 0; mails < MAILS_PER_RUN && monotonicMilliseconds() < until; mails += 1) {
    signal.throwIfAborted();
    const em = forkFor(deps.database, lane.organizationId, signal);
    const id = await claimNext(em, lane, deps.clock.now());
    if (id === null) {
      delayMilliseconds = await dueAfter(em, lane);
      break;
    }
    const claimed = { organizationId: lane.organizationId, id };
    const delivered = await deliverMessage(deps, claimed, { signal, logger });
    if (delivered.kind === 'BLOCKED') {
      // What waits on its own may be free to go sooner: a reply is not kept by the limit of notifications.
      delayMilliseconds = Math.min(delivered.milliseconds, (await nextDueAfter(em, lane)) ?? Infinity);
      break;
    }
    failures = delivered.kind === 'POSTPONED' ? failures + 1 : 0;
    if (failures === FAILURES_IN_A_ROW) {
      delayMilliseconds = PAUSE;
      break;
    }
  }
  if (delayMilliseconds === null) return;
  // Whoever queued something meanwhile has asked for a run at once, and keeps it.
  const em = forkFor(deps.database, lane.organizationId, signal);
  await enqueue(em, deliverJob, lane, { delayMilliseconds, keepsWaiting: true });
}

/**
 * Wakes the lanes, of whatever organization, in which something is due and no job is at it, and asks again for the look at
 * copies that nobody has looked for, and for drafts of what was cancelled: a job that failed too often while the database
 * was away comes back by this, and one that waits for hours since its workers died or the database was away. Forgets
 * pauses of mailboxes that are over.
 */
export async function sweepOutbox(
  { database }: Pick<DeliveryDeps, 'database'>,
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  await endPauses(database, signal);
  // Over all organizations: the clock ticks for all of them.
  const across = forkAcrossOrganizations(database, signal);
  const lanes = await across.execute<{ organization_id: string; mailbox_id: string; lane: Lane['lane'] }[]>(
    `select organization_id, mailbox_id, lane from (
       select distinct organization_id, mailbox_id, lane from outbound_message as queued
        where state in ('QUEUED', 'SENDING') and (problem is null or due_at <= clock_timestamp())
     ) as lanes
     where not ${unhinderedJobExists('?', `(lanes.mailbox_id::text || ':' || lanes.lane)`)} limit ${SWEPT}`,
    [deliverJob.name],
  );
  for (const { organization_id: organizationId, mailbox_id: mailboxId, lane } of lanes) {
    try {
      await enqueue(forkFor(database, organizationId, signal), deliverJob, {
        organizationId,
        mailboxId,
        lane,
      });
    } catch (thrown) {
      signal.throwIfAborted();
      logger.error({ err: toError(thrown), mailboxId }, 'could not wake an outbox');
    }
  }
  const copies = await across.execute<{ id: string; organization_id: string; mailbox_id: string }[]>(
    `select id, organization_id, mailbox_id from outbound_message as sent
      where ((state in ('SENT', 'BOUNCED') and sent_copy = 'PENDING'
           and sent_at between clock_timestamp() - interval '1 day' and clock_timestamp() - interval '${FORGOTTEN_COPY}')
         or (state = 'CANCELLED' and draft_attempted_at > clock_timestamp() - interval '1 day'))
        and not ${liveJobExists('?', 'sent.id::text')} limit ${SWEPT}`,
    [checkSentCopyJob.name],
  );
  for (const { id, organization_id: organizationId, mailbox_id: mailboxId } of copies) {
    const look = { organizationId, mailboxId, outboundMessageId: id, looked: 0 };
    await enqueue(forkFor(database, organizationId, signal), checkSentCopyJob, look);
  }
}

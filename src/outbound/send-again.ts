import { enqueue } from '../jobs/define-job.ts';
import type { OutgoingCopy } from '../microsoft365/mail-sending.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { deliverJob } from './deliver.jobs.ts';
import type { DeliveryDeps } from './delivery.ts';
import type { OutboundMessage } from './outbound-message.entity.ts';
import { SEND_UNCLEAR, sendingProblem } from './outbound-problems.ts';
import { databaseNow } from './outbox-rows.ts';

/** For how long after it was queued a mail that counted as sent is sent again. */
const GOES_AGAIN_FOR = '1 day';

/** Whether Exchange has it in hand, or has sent it. */
export function isOnItsWay({ isDraft, folder }: OutgoingCopy): boolean {
  return !isDraft || folder === 'OUTBOX';
}

/**
 * Puts a mail that counts as sent back into the outbox when the very draft of it still lies in Drafts, long after Microsoft
 * was told to send it, and no copy is to be seen: a 202 says that the request was taken, not that the mail has left. The
 * same draft cannot be sent twice. True when it was put back: what lies in the mailbox is to be left alone then.
 */
export async function sendAgain(
  { times }: Pick<DeliveryDeps, 'times'>,
  em: EntityManager,
  row: OutboundMessage,
  copies: readonly OutgoingCopy[],
): Promise<boolean> {
  if (row.state !== 'SENT' || copies.some(isOnItsWay)) return false;
  const isThere = copies.some(
    ({ folder, graphMessageId }) => folder === 'DRAFTS' && graphMessageId === row.graphMessageId,
  );
  if (!isThere) return false;
  const organizationId = row.organization.id;
  return await em.transactional(async (inside) => {
    const problem = sendingProblem(SEND_UNCLEAR, await databaseNow(inside), 0);
    const [again] = await inside.execute<{ ticket_id: string | null }[]>(
      `update outbound_message set state = 'SENDING', sent_at = null, problem = ?::jsonb, due_at = clock_timestamp(),
         version = version + 1, updated_at = clock_timestamp()
        where organization_id = ? and id = ? and version = ? and state = 'SENT'
          and send_attempted_at <= clock_timestamp() - ?::float8 * interval '1 millisecond'
          and created_at > clock_timestamp() - interval '${GOES_AGAIN_FOR}' returning ticket_id`,
      [JSON.stringify(problem), organizationId, row.id, row.version, times.unclearSend],
    );
    if (again === undefined) return false;
    await enqueue(inside, deliverJob, { organizationId, mailboxId: row.mailbox.id, lane: row.lane });
    await recordEvents(inside, organizationId, [
      { type: 'outbound-message.changed', outboundMessageId: row.id, ticketId: again.ticket_id },
    ]);
    return true;
  });
}

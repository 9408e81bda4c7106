import type { FilterQuery } from '@mikro-orm/core';
import { z } from 'zod';
import { NotFoundError } from '../errors.ts';
import { enqueue } from '../jobs/define-job.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { parseInput } from '../platform/parse-input.ts';
import { recordEvents } from '../realtime/record.ts';
import { checkSentCopyJob, deliverJob } from './deliver.jobs.ts';
import { OutboundMessageNotFailedError, OutboundMessageNotQueuedError } from './outbound-errors.ts';
import { OUTBOUND_KINDS, OUTBOUND_STATES, OutboundMessage } from './outbound-message.entity.ts';
import { lanesOfTicket } from './outbox-rows.ts';
import { hurryMailboxes } from './sending-pause.ts';

const outboundMessageFilter = z.object({
  state: z.array(z.enum(OUTBOUND_STATES)).max(10).nullish(),
  kind: z.array(z.enum(OUTBOUND_KINDS)).max(10).nullish(),
  mailboxId: z.uuid().nullish(),
  ticketId: z.uuid().nullish(),
});

/** Which mails of the outbox; what is left out or null does not matter. */
export type OutboundMessageFilter = z.input<typeof outboundMessageFilter>;

/** One page of the outbox, the newest first. Throws InvalidCursorError and InvalidInputError. */
export async function listOutboundMessages(
  em: EntityManager,
  { filter, ...page }: PageArguments & { filter?: OutboundMessageFilter | null | undefined },
): Promise<Page<OutboundMessage>> {
  const given = parseInput(outboundMessageFilter, filter ?? {});
  const conditions: FilterQuery<OutboundMessage>[] = [];
  if (given.state != null) conditions.push({ state: { $in: given.state } });
  if (given.kind != null) conditions.push({ kind: { $in: given.kind } });
  if (given.mailboxId != null) conditions.push({ mailbox: given.mailboxId });
  if (given.ticketId != null) conditions.push({ ticket: given.ticketId });
  const where = conditions.length === 0 ? {} : ({ $and: conditions } as FilterQuery<OutboundMessage>);
  return findPage(em, OutboundMessage, where, { key: 'createdAt', direction: 'desc' }, page);
}

/** How the mail of a message is delivered; undefined for messages that did not go by the outbox. For a page one query. */
export const deliveryOf = batching(async (em, messageIds: readonly string[]) => {
  const found = await em.find(OutboundMessage, { message: { $in: [...messageIds] } });
  return new Map(found.flatMap((row) => (row.message == null ? [] : [[row.message.id, row] as const])));
});

/**
 * Tries a mail again that has failed. One that waits is hurried together with all else that waits in its mailbox: somebody
 * says that what was in the way is mended, such as an account that Microsoft had blocked. What Microsoft may have sent
 * after all is looked for first. Throws NotFoundError and {@link OutboundMessageNotFailedError}.
 */
export async function retryOutboundMessage(
  em: EntityManager,
  organizationId: string,
  id: string,
  now: Date,
): Promise<OutboundMessage> {
  await em.transactional(async (inside) => {
    const [retried] = await inside.execute<ChangedRow[]>(
      // Once Microsoft was told to send it, it cannot be cancelled any more.
      `update outbound_message set state = case when send_attempted_at is null then 'QUEUED' else 'SENDING' end,
         problem = null, failed_since = null, attempts = 0, failures = 0, due_at = clock_timestamp(), version = version + 1,
         updated_at = ?
        where organization_id = ? and id = ? and state = 'FAILED' returning ${CHANGED}`,
      [now, organizationId, id],
    );
    if (retried === undefined) {
      const { state, mailbox } = await getOutboundMessage(inside, id);
      if (state !== 'QUEUED' && state !== 'SENDING') throw new OutboundMessageNotFailedError();
      await hurryMailboxes(inside, organizationId, { mailboxId: mailbox.id });
      return;
    }
    const { mailbox_id: mailboxId, lane } = retried;
    await enqueue(inside, deliverJob, { organizationId, mailboxId, lane });
    await tell(inside, organizationId, retried);
  });
  return await getOutboundMessage(em, id);
}

/**
 * Cancels a mail that waits. Idempotent. The sender takes a mail in one statement, and so does this: one of the two comes
 * first, and the other finds it gone. Throws NotFoundError and {@link OutboundMessageNotQueuedError}.
 */
export async function cancelOutboundMessage(
  em: EntityManager,
  organizationId: string,
  id: string,
  now: Date,
): Promise<OutboundMessage> {
  await em.transactional(async (inside) => {
    const [cancelled] = await inside.execute<ChangedRow[]>(
      `update outbound_message set state = 'CANCELLED', problem = null, version = version + 1, updated_at = ?
        where organization_id = ? and id = ? and state = 'QUEUED' returning ${CHANGED}`,
      [now, organizationId, id],
    );
    if (cancelled === undefined) {
      const { state } = await getOutboundMessage(inside, id);
      if (state === 'CANCELLED') return;
      throw new OutboundMessageNotQueuedError(state === 'SENDING');
    }
    const { mailbox_id: mailboxId, ticket_id: ticketId } = cancelled;
    if (ticketId !== null) {
      await enqueueMany(inside, deliverJob, await lanesOfTicket(inside, organizationId, ticketId));
    }
    // An earlier attempt may have come as far as a draft.
    if (cancelled.has_draft) {
      const look = { organizationId, mailboxId, outboundMessageId: id, looked: 0 };
      await enqueue(inside, checkSentCopyJob, look);
    }
    await tell(inside, organizationId, cancelled);
  });
  return await getOutboundMessage(em, id);
}

/**
 * Notes that a mail came back: that of a message, or one that is no message of a ticket. Only what was sent can. Call it
 * in the transaction of the consumer that reads `message.bounced` and `outbound-message.bounced`. Idempotent; false when
 * there is no such mail.
 */
export async function markOutboundBounced(
  em: EntityManager,
  organizationId: string,
  mail: { messageId: string } | { outboundMessageId: string },
  now: Date,
): Promise<boolean> {
  const [messageId, id] = 'messageId' in mail ? [mail.messageId, null] : [null, mail.outboundMessageId];
  // The report may be here before we have noted that the mail was sent: then this is how we know.
  const [bounced] = await em.execute<ChangedRow[]>(
    `update outbound_message set state = 'BOUNCED', sent_at = coalesce(sent_at, send_attempted_at), problem = null,
       version = version + 1, updated_at = ?
      where organization_id = ? and (message_id = ?::uuid or id = ?::uuid) and (state = 'SENT'
        or (state in ('SENDING', 'FAILED') and send_attempted_at is not null)) returning ${CHANGED}`,
    [now, organizationId, messageId, id],
  );
  if (bounced === undefined) return false;
  await tell(em, organizationId, bounced);
  return true;
}

const CHANGED = 'id, mailbox_id, ticket_id, lane, draft_attempted_at is not null as has_draft';

interface ChangedRow {
  id: string;
  mailbox_id: string;
  ticket_id: string | null;
  lane: OutboundMessage['lane'];
  has_draft: boolean;
}

async function tell(em: EntityManager, organizationId: string, { id, ticket_id }: ChangedRow): Promise<void> {
  await recordEvents(em, organizationId, [
    { type: 'outbound-message.changed', outboundMessageId: id, ticketId: ticket_id },
    ...(ticket_id === null ? [] : [{ type: 'ticket.updated' as const, ticketId: ticket_id }]),
  ]);
}

async function getOutboundMessage(em: EntityManager, id: string): Promise<OutboundMessage> {
  const found = await em.findOne(OutboundMessage, { id }, { refresh: true });
  if (!found) throw new NotFoundError('The outbound message');
  return found;
}

import { enqueue, type JobContext } from '../jobs/define-job.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { postponementOf } from '../microsoft365/graph-postpone.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { OutgoingCopy } from '../microsoft365/mail-sending.ts';
import { MINUTE, SECOND } from '../platform/clock.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { checkSentCopyJob } from './deliver.jobs.ts';
import type { DeliveryDeps } from './delivery.ts';
import { OutboundMessage, type SentCopy } from './outbound-message.entity.ts';
import { isOnItsWay, sendAgain } from './send-again.ts';
import { forgetUploads } from './upload-files.ts';

/** The waits between one look and the next: usually the copy is there after seconds, now and then after minutes. */
const NEXT_LOOKS = [15 * SECOND, 1 * MINUTE, 5 * MINUTE];
/** How long after it was asked for a draft may still appear. */
const LATE_DRAFT = '5 minutes';
/** While Exchange still has it in its Outbox. */
const LAST_LOOKS = 15 * MINUTE;

/** What is written of the copy; null: look again later. */
export function sentCopyOf(copies: readonly OutgoingCopy[], isLastLook: boolean): SentCopy | null {
  const sent = copies.filter(({ isDraft }) => !isDraft);
  if (sent.some(({ folder }) => folder === 'SENT_ITEMS')) return 'FOUND';
  // Between Drafts and Sent Items it may lie in the Outbox, for as long as Exchange wants.
  if (!isLastLook || copies.some(({ folder }) => folder === 'OUTBOX')) return null;
  return sent.length > 0 ? 'ELSEWHERE' : 'MISSING';
}

/**
 * Looks where the copy of a sent mail lies, what it shows as its sender, and which Message-ID it has in the end; and removes
 * the drafts that attempts whose answer was lost have left behind. Of a mail that failed or was cancelled only the latter.
 */
export async function checkSentCopy(
  deps: DeliveryDeps,
  input: { organizationId: string; mailboxId: string; outboundMessageId: string; looked: number },
  { signal, logger }: Pick<JobContext, 'signal' | 'logger'>,
): Promise<void> {
  const { organizationId, outboundMessageId, looked } = input;
  const em = forkFor(deps.database, organizationId, signal);
  const row = await em.findOne(OutboundMessage, { id: outboundMessageId }, { populate: ['mailbox'] });
  const mailbox = row?.mailbox.getEntity();
  if (!row || !mailbox || mailbox.removedAt != null || mailbox.account == null) return;
  const access = accessOf(mailbox);
  let copies: OutgoingCopy[];
  try {
    copies = await findAll(deps, access, row, signal);
    if (await sendAgain(deps, em, row, copies)) return;
    await removeDrafts(deps, access, row, copies, signal);
  } catch (error) {
    const wait = postponementOf(error);
    if (wait !== null) {
      await enqueue(em, checkSentCopyJob, input, { delayMilliseconds: wait });
      return;
    }
    // The mailbox, or the right to it, is gone: there is nothing to be seen any more.
    if (!(error instanceof GraphError) || error.isTransient) throw error;
    logger.warn({ err: error, outboundMessageId }, 'the copy of a sent mail could not be looked for');
    copies = [];
  }
  if (row.state !== 'QUEUED' && row.state !== 'SENDING')
    await forgetUploads(em, { organizationId, outboundMessageId });
  if (row.state === 'CANCELLED') await noteRemoved(em, organizationId, outboundMessageId);
  if (row.state !== 'SENT' && row.state !== 'BOUNCED') return;
  const wait = NEXT_LOOKS[looked];
  const sentCopy = sentCopyOf(copies, wait === undefined);
  if (sentCopy === null) {
    const next = { ...input, looked: looked + 1 };
    await enqueue(em, checkSentCopyJob, next, { delayMilliseconds: wait ?? LAST_LOOKS });
    return;
  }
  const copy =
    copies.find(({ folder, isDraft }) => !isDraft && folder === 'SENT_ITEMS') ??
    copies.find(({ isDraft }) => !isDraft) ??
    null;
  await em.transactional((inside) => store(inside, row, sentCopy, copy, deps.clock.now()));
  await deps.reached('copy.checked');
}

/** By its id, and by our mark: after some answers nobody knows of a draft but the mark. */
async function findAll(
  { sending }: DeliveryDeps,
  access: MailboxAccess,
  row: OutboundMessage,
  signal: AbortSignal,
): Promise<OutgoingCopy[]> {
  const marked = await sending.findByOutboundMessageId(access, row.id, signal);
  if (row.graphMessageId == null || marked.some(({ isDraft }) => !isDraft)) return marked;
  const byId = await sending.getCopy(access, row.graphMessageId, signal);
  return byId === null || marked.some(({ graphMessageId }) => graphMessageId === byId.graphMessageId)
    ? marked
    : [...marked, byId];
}

/** Drafts of a mail that is at its end. Those that somebody has moved, to Deleted Items say, are left alone. */
async function removeDrafts(
  { sending }: DeliveryDeps,
  access: MailboxAccess,
  row: OutboundMessage,
  copies: readonly OutgoingCopy[],
  signal: AbortSignal,
): Promise<void> {
  if (row.state === 'QUEUED' || row.state === 'SENDING') return; // it was retried: the draft is needed
  for (const { isDraft, folder, graphMessageId } of copies) {
    const isOurs = isDraft && folder === 'DRAFTS';
    // Where Microsoft was told to send it and no copy is to be seen, that draft alone can say what became of it.
    const isNeeded =
      row.sendAttemptedAt != null &&
      graphMessageId === row.graphMessageId &&
      (row.state === 'FAILED' || (row.state === 'SENT' && !copies.some(isOnItsWay)));
    if (isOurs && !isNeeded) await sending.deleteDraft(access, graphMessageId, signal);
  }
}

/**
 * Nothing of it lies in the mailbox any more: the sweep need not ask again. A request for a draft whose answer was lost may
 * still be at work: some minutes later the draft would lie there for ever.
 */
async function noteRemoved(em: EntityManager, organizationId: string, id: string): Promise<void> {
  await em.execute(
    `update outbound_message set draft_attempted_at = null, graph_message_id = null, version = version + 1
      where organization_id = ? and id = ? and state = 'CANCELLED'
        and draft_attempted_at < clock_timestamp() - interval '${LATE_DRAFT}'`,
    [organizationId, id],
  );
}

async function store(
  em: EntityManager,
  row: OutboundMessage,
  sentCopy: SentCopy,
  copy: OutgoingCopy | null,
  now: Date,
): Promise<void> {
  const organizationId = row.organization.id;
  const [stored] = await em.execute<{ ticket_id: string | null; message_id: string | null }[]>(
    // What was not certain is when there is a copy.
    `update outbound_message set sent_copy = ?, sent_copy_checked_at = ?, shown_from = ?::jsonb, shown_sender = ?::jsonb,
       problem = case when ? then null else problem end,
       graph_message_id = coalesce(?, graph_message_id), updated_at = ?, version = version + 1
      where organization_id = ? and id = ? and state in ('SENT', 'BOUNCED') returning ticket_id, message_id`,
    [
      sentCopy,
      now,
      copy?.from ? JSON.stringify(copy.from) : null,
      copy?.sender ? JSON.stringify(copy.sender) : null,
      copy !== null,
      copy?.graphMessageId ?? null,
      now,
      organizationId,
      row.id,
    ],
  );
  if (stored === undefined) return;
  // Exchange may give it another Message-ID than the draft had: the message has the one that answers will name. The row of
  // the outbox keeps the draft's.
  if (copy !== null && stored.message_id !== null) {
    await em.execute(
      `update message set internet_message_id = coalesce(?, internet_message_id),
         conversation_id = coalesce(?, conversation_id), updated_at = ? where organization_id = ? and id = ?`,
      [copy.internetMessageId, copy.conversationId, now, organizationId, stored.message_id],
    );
  }
  await recordEvents(em, organizationId, [
    { type: 'outbound-message.changed', outboundMessageId: row.id, ticketId: stored.ticket_id },
  ]);
}

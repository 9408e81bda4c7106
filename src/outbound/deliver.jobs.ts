import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';
import { OUTBOUND_LANES } from './outbound-message.entity.ts';

/**
 * Sends what is due in one lane of a mailbox. One at a time per mailbox and lane: a mailbox that is slow or refused takes
 * one place of the worker for each of its lanes, and holds up no other.
 */
export const deliverJob = defineJob({
  name: 'outbound.deliver',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid(), lane: z.enum(OUTBOUND_LANES) }),
  queue: ({ mailboxId, lane }) => deliverQueue(mailboxId, lane),
  key: ({ mailboxId, lane }) => `${mailboxId}:${lane}`,
  // What Microsoft refuses is the mail's business and ends the job well; this is for a database that is away.
  maxAttempts: 25,
});

/** The queue of a mailbox's lane. */
export function deliverQueue(mailboxId: string, lane: string): string {
  return `outbound:${mailboxId}:${lane}`;
}

/** Looks for the copy of a mail that was sent. Apart from sending, which must not wait for it. */
export const checkSentCopyJob = defineJob({
  name: 'outbound.check-sent-copy',
  input: z.object({
    organizationId: z.uuid(),
    mailboxId: z.uuid(),
    outboundMessageId: z.uuid(),
    /** How often it was looked for before. */
    looked: z.int().min(0),
  }),
  queue: ({ mailboxId }) => `sent-copy:${mailboxId}`,
  key: ({ outboundMessageId }) => outboundMessageId,
});

/** Wakes the lanes in which something is due and nobody is at it. */
export const sweepOutboxJob = defineJob({
  name: 'outbound.sweep',
  input: z.object({}) as z.ZodType<Record<string, never>>,
  key: () => 'all',
  maxAttempts: 1,
});

import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';

/**
 * Makes, renews, replaces or ends the subscription of a mailbox, as its settings say now. One at a time per mailbox: of two
 * renewals side by side Microsoft keeps whichever it likes.
 */
export const managePushJob = defineJob({
  name: 'sync.manage-push',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid() }),
  queue: ({ mailboxId }) => `push:${mailboxId}`,
  key: ({ mailboxId }) => mailboxId,
  maxAttempts: 25,
});

/**
 * As {@link managePushJob}, at the time when something is due, in the same line. A name of its own: under the same key it
 * would put off what was asked for at once.
 */
export const wakePushJob = defineJob({
  name: 'sync.wake-push',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid() }),
  queue: ({ mailboxId }) => `push:${mailboxId}`,
  key: ({ mailboxId }) => mailboxId,
  maxAttempts: 25,
});

/** Ends the subscriptions that Microsoft has through an account and that nobody here knows. */
export const removePushOrphansJob = defineJob({
  name: 'sync.remove-push-orphans',
  input: z.object({ organizationId: z.uuid(), accountId: z.uuid() }),
  queue: ({ accountId }) => `push-orphans:${accountId}`,
  key: ({ accountId }) => accountId,
  maxAttempts: 3,
});

/** Asks for {@link managePushJob} where something is due, and counts what was not announced. */
export const watchPushJob = defineJob({
  name: 'sync.watch-push',
  input: z.object({}) as z.ZodType<Record<string, never>>,
  key: () => 'all',
  maxAttempts: 1,
});

/** Asks for {@link removePushOrphansJob} for every account that is connected. */
export const sweepPushJob = defineJob({
  name: 'sync.sweep-push',
  input: z.object({}) as z.ZodType<Record<string, never>>,
  key: () => 'all',
  maxAttempts: 3,
});

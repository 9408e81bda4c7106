import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';

/** Compares a mailbox's folders with the ledger. Goes on where it was; comes back by itself when it has to wait. */
export const reconcileMailboxJob = defineJob({
  name: 'sync.reconcile-mailbox',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid() }),
  queue: ({ mailboxId }) => `reconcile:${mailboxId}`,
  key: ({ mailboxId }) => mailboxId,
  // What Microsoft refuses is the reconciliation's business and ends the job well; this is for a database that is away.
  maxAttempts: 25,
});

/** Asks for the nightly reconciliation of every mailbox whose time has come. */
export const reconcileDueMailboxesJob = defineJob({
  name: 'sync.reconcile-due-mailboxes',
  input: z.object({}) as z.ZodType<Record<string, never>>,
  key: () => 'all',
  maxAttempts: 1,
});

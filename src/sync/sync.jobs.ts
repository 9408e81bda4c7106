import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';

const mailboxInput = z.object({ organizationId: z.uuid(), mailboxId: z.uuid() });

/** One pass over a mailbox's watched folder. One at a time per mailbox; any number of hints wait as one. */
export const syncMailboxJob = defineJob({
  name: 'sync.mailbox',
  input: mailboxInput,
  queue: ({ mailboxId }) => `sync:${mailboxId}`,
  key: ({ mailboxId }) => mailboxId,
  // What Microsoft refuses is the run's business and ends the job well; this is for a database that is away.
  maxAttempts: 25,
});

/** Reads the folder again for mail that was announced and that a delta query did not show: `announced-mail-plan.ts`. */
export const lookAgainJob = defineJob({
  name: 'sync.look-again',
  input: mailboxInput,
  key: ({ mailboxId }) => mailboxId,
});

/** Moves a mailbox's processed mail to its archive folder. Apart from the sync, so that moving never delays tickets. */
export const archiveMailJob = defineJob({
  name: 'sync.archive-mail',
  input: mailboxInput,
  queue: ({ mailboxId }) => `archive:${mailboxId}`,
  key: ({ mailboxId }) => mailboxId,
  maxAttempts: 25,
});

/** Tries a message again that could not be processed. */
export const retryInboundMessageJob = defineJob({
  name: 'sync.retry-inbound-message',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid(), inboundMessageId: z.uuid() }),
  // As with attachments: a mailbox takes one place, however many of its messages failed.
  queue: ({ mailboxId }) => `retry:${mailboxId}`,
  key: ({ inboundMessageId }) => inboundMessageId,
  maxAttempts: 25,
});

/** Asks for a sync of every mailbox whose polling interval has passed. */
export const pollDueMailboxesJob = defineJob({
  name: 'sync.poll-due-mailboxes',
  input: z.object({}) as z.ZodType<Record<string, never>>,
  key: () => 'all',
  maxAttempts: 1,
});

/** Asks for a sync of every mailbox that was not read since a process began to take notifications. */
export const recoverMailboxesJob = defineJob({
  name: 'sync.recover-mailboxes',
  // Without a key: each process that comes back has an instant of its own, and the earlier must not replace the later.
  input: z.object({ since: z.iso.datetime() }),
  queue: () => 'recover-mailboxes',
});

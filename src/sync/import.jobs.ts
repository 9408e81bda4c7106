import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';

/** Imports a mailbox's existing mail. Goes on where it was; comes back by itself until it is done. */
export const importMailJob = defineJob({
  name: 'sync.import-mail',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid() }),
  queue: ({ mailboxId }) => `import:${mailboxId}`,
  key: ({ mailboxId }) => mailboxId,
  // Whatever else is due goes first: above all new mail.
  priority: 10,
  // What Microsoft refuses is the import's business and ends the job well; this is for a database that is away.
  maxAttempts: 25,
});

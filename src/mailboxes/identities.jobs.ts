import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';

/** Reads the addresses of a mailbox at Microsoft and makes them its identities. */
export const discoverIdentitiesJob = defineJob({
  name: 'mailboxes.discover-identities',
  input: z.object({ organizationId: z.uuid(), mailboxId: z.uuid() }),
  key: ({ mailboxId }) => mailboxId,
  queue: ({ mailboxId }) => `mailboxes.discover-identities:${mailboxId}`,
  // Sending works with the primary address meanwhile.
  priority: 10,
});

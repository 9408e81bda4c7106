import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';

/** Fetches the attachments of a message that became part of a ticket. One at a time for each message. */
export const storeAttachmentsJob = defineJob({
  name: 'ticketing.store-attachments',
  input: z.object({ organizationId: z.uuid(), inboundMessageId: z.uuid() }),
  key: ({ inboundMessageId }) => inboundMessageId,
});

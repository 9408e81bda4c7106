import { z } from 'zod';
import { defineJob } from '../jobs/define-job.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import type { EntityManager } from '../platform/database.ts';
import type { ImportOption } from './imported-mail.ts';

/** As many listings as one `$batch` holds. */
const MAILS_PER_JOB = 20;

/** The queues of the jobs that fetch a mailbox's attachments: who asks whether files are still to come asks both. */
export function attachmentQueues(mailboxId: string): { ofNewMail: string; ofImports: string } {
  return { ofNewMail: `attachments:${mailboxId}`, ofImports: `imported-attachments:${mailboxId}` };
}

/** Fetches the attachments of messages of one mailbox that became part of tickets. */
export const storeAttachmentsJob = defineJob({
  name: 'ticketing.store-attachments',
  input: z.object({
    organizationId: z.uuid(),
    mailboxId: z.uuid(),
    inboundMessageIds: z.array(z.uuid()).min(1).max(MAILS_PER_JOB),
    /** Given for mail that an import brought; `HISTORY`: nobody is told. */
    imported: z.enum(['HISTORY', 'AS_NEW']).optional(),
    /** Somebody asks for what failed before: what is here stays, whatever has become of the mail. */
    isAgain: z.boolean().optional(),
  }),
  // Batches of one mailbox only wait for each other, and its files shall not take every worker of the process.
  // Those of new mail do not wait behind the thousands of an import.
  queue: ({ mailboxId, imported }) => attachmentQueues(mailboxId)[imported ? 'ofImports' : 'ofNewMail'],
  // A mail that is tried by itself must not take the place of the many that wait with it.
  key: ({ inboundMessageIds: [first = '', ...others] }) =>
    others.length === 0 ? first : `${first} and others`,
});

/** Enqueues what fetches the attachments of a page's messages, in the caller's transaction. One statement. */
export async function enqueueAttachments(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  inboundMessageIds: readonly string[],
  option: ImportOption | null = null,
): Promise<void> {
  const imported =
    option === null
      ? {}
      : { imported: option.importedAs === null ? ('AS_NEW' as const) : ('HISTORY' as const) };
  const inputs = [];
  for (let start = 0; start < inboundMessageIds.length; start += MAILS_PER_JOB) {
    const group = inboundMessageIds.slice(start, start + MAILS_PER_JOB);
    inputs.push({ organizationId, mailboxId, inboundMessageIds: group, ...imported });
  }
  await enqueueMany(em, storeAttachmentsJob, inputs);
}

import { NotFoundError } from '../errors.ts';
import { enqueue } from '../jobs/define-job.ts';
import { getMailbox } from '../mailboxes/mailboxes.ts';
import type { EntityManager } from '../platform/database.ts';
import { Attachment } from './attachment.entity.ts';
import { storeAttachmentsJob } from './attachments.jobs.ts';
import { InboundMessage } from './inbound-message.entity.ts';
import { AttachmentNotFailedError } from './ticketing-errors.ts';

/**
 * Has a file fetched from the mailbox again, by the limits of now. Gives the file, which is then `PENDING`; what waits
 * already, or is here, is left alone. Throws NotFoundError, also when the mail or its mailbox is no more, and
 * {@link AttachmentNotFailedError}.
 */
export async function retryAttachment(
  em: EntityManager,
  attachmentId: string,
  now: Date,
): Promise<Attachment> {
  return em.transactional(async (inside) => {
    const attachment = await inside.findOne(Attachment, { id: attachmentId });
    if (attachment === null) throw new NotFoundError('The file');
    const { state, problem, message } = attachment;
    if (state === 'STORED' || state === 'PENDING') return attachment;
    if (state === 'LINK') {
      throw new AttachmentNotFailedError(
        'The sender attached a link, so there is no content to fetch.',
        'Follow `link`, or the link in the text of the message.',
      );
    }
    if (problem?.code === 'TOO_MANY_ATTACHMENTS') {
      throw new AttachmentNotFailedError(
        'This stands for all files above the number that is kept of a message.',
        'Open the message in the mailbox to see them.',
      );
    }
    const inbound = await inside.findOne(InboundMessage, { message: message.id });
    if (inbound === null) throw new NotFoundError('The mail of the file');
    // Of a removed mailbox nothing is asked any more.
    await getMailbox(inside, inbound.mailbox.id);
    await fetchFilesAgain(inside, inbound, now, attachmentId);
    return inside.refreshOrFail(attachment);
  });
}

/**
 * Has the files of a message fetched again that are not here, or one of them. Call it inside `em.transactional`. What is
 * here already stays, whatever has become of the mail.
 */
export async function fetchFilesAgain(
  em: EntityManager,
  inbound: InboundMessage,
  now: Date,
  attachmentId: string | null = null,
): Promise<void> {
  const messageId = inbound.message?.id;
  if (messageId === undefined) return;
  const organizationId = inbound.organization.id;
  await em.execute(
    `update attachment set state = 'PENDING', problem = null, updated_at = ?
     where organization_id = ? and message_id = ? and state in ('FAILED', 'TOO_LARGE')
       and problem ->> 'code' is distinct from 'TOO_MANY_ATTACHMENTS' and id = coalesce(?::uuid, id)`,
    [now, organizationId, messageId, attachmentId],
  );
  await enqueue(em, storeAttachmentsJob, {
    organizationId,
    mailboxId: inbound.mailbox.id,
    inboundMessageIds: [inbound.id],
    isAgain: true,
  });
}

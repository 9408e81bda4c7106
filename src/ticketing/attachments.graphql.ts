import { NotFoundError } from '../errors.ts';
import { errorType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { Attachment } from './attachment.entity.ts';
import { retryAttachment } from './retry-attachment.ts';
import { AttachmentNotFailedError } from './ticketing-errors.ts';

errorType(AttachmentNotFailedError, 'There is no content that could be fetched again.');

mutation('retryAttachment', {
  description:
    'Fetches a file that is `FAILED` or `TOO_LARGE` from the mailbox again, by the limits of now. It goes on in the background; `ticketUpdated` tells of its end. A file that waits already, or is here, stays as it is. A mail that was not deleted for want of the file is deleted with `retryInboundMessage`, which fetches its files as well.',
  permission: 'ticket:update',
  input: (t) => ({ attachmentId: t.id({ required: true, description: 'Which file.' }) }),
  payload: { attachment: { type: Attachment, description: 'The file, which waits to be fetched.' } },
  errors: [NotFoundError, AttachmentNotFailedError],
  resolve: async ({ attachmentId }, { em, services }) => ({
    attachment: await retryAttachment(em, decodeId('Attachment', attachmentId), services.clock.now()),
  }),
});

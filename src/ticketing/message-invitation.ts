import type { EntityManager } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import { openAttachment } from './attachments.ts';
import { type Invitation, MAX_INVITATION_BYTES, readInvitation } from './invitation.ts';
import { attachmentsOf } from './message-list.ts';

/**
 * The invitation that came with a message: its first stored calendar file. Read when it is asked for, so that nothing has
 * to be kept in step with the file. Null when there is none, or none that can be read.
 */
export async function invitationOf(
  em: EntityManager,
  storages: ObjectStorages,
  messageId: string,
): Promise<Invitation | null> {
  const calendar = (await attachmentsOf(em, messageId)).find(
    ({ name, contentType, state, sizeBytes }) =>
      (contentType === 'text/calendar' || /\.ics$/i.test(name)) &&
      state === 'STORED' &&
      sizeBytes > 0 &&
      sizeBytes <= MAX_INVITATION_BYTES,
  );
  const opened = calendar === undefined ? null : await openAttachment(em, storages, calendar.id);
  if (opened === null) return null;
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.chunks) chunks.push(chunk);
  return readInvitation(Buffer.concat(chunks).toString('utf8'));
}

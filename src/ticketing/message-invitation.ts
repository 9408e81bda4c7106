import type { EntityManager } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import { openAttachment } from './attachments.ts';
import { type Invitation, MAX_INVITATION_BYTES, readInvitation } from './invitation.ts';
import { invitationTime } from './invitation-time.ts';
import { attachmentsOf } from './message-list.ts';

/** An invitation as somebody of a time zone reads it. */
export interface ShownInvitation extends Invitation {
  /** See {@link invitationTime}. */
  when: string | null;
}

/**
 * The invitation that came with a message: its first stored calendar file. Read when it is asked for, so that nothing has
 * to be kept in step with the file. Null when there is none, or none that can be read.
 */
export async function invitationOf(
  em: EntityManager,
  storages: ObjectStorages,
  messageId: string,
  timeZone: string,
): Promise<ShownInvitation | null> {
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
  const invitation = readInvitation(Buffer.concat(chunks).toString('utf8'), timeZone);
  return invitation && { ...invitation, when: invitationTime(invitation, timeZone) };
}

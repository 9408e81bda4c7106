import type { EntityManager } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import { openAttachment } from './attachments.ts';
import { type Invitation, MAX_INVITATION_BYTES, readInvitation } from './invitation.ts';
import { invitationTime } from './invitation-time.ts';
import { invitationByExchange } from './message-details.ts';
import { attachmentsOf } from './message-list.ts';

/** An invitation as somebody of a time zone reads it. */
export interface ShownInvitation extends Invitation {
  /** See {@link invitationTime}. */
  when: string | null;
}

/** Whose invitation is asked for, and by which clock. */
export interface InvitationQuestion {
  organizationId: string;
  messageId: string;
  /** IANA's name. */
  timeZone: string;
}

/**
 * The invitation that came with a message: what Exchange has made of its calendar part, else its first stored calendar
 * file, which is read when it is asked for, so that nothing has to be kept in step with it. Null when there is neither, or
 * none that can be read.
 */
export async function invitationOf(
  em: EntityManager,
  storages: ObjectStorages,
  { organizationId, messageId, timeZone }: InvitationQuestion,
): Promise<ShownInvitation | null> {
  const invitation =
    (await invitationByExchange(em, organizationId, messageId)) ??
    (await invitationByFile(em, storages, messageId, timeZone));
  return invitation && { ...invitation, when: invitationTime(invitation, timeZone) };
}

async function invitationByFile(
  em: EntityManager,
  storages: ObjectStorages,
  messageId: string,
  timeZone: string,
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
  return readInvitation(Buffer.concat(chunks).toString('utf8'), timeZone);
}

import { LockMode } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { Attachment } from '../ticketing/attachment.entity.ts';
import type { Message } from '../ticketing/message.entity.ts';
import { FileNotStoredError, MessageTooLargeError, UploadIncompleteError } from './reply-errors.ts';
import { imageNamesIn } from './reply-images.ts';
import { Upload } from './upload.entity.ts';
import { MAX_UPLOAD_BYTES } from './uploads.ts';

/** What Exchange takes in one mail at the most, all files together. */
export const MAX_FILES_BYTES = MAX_UPLOAD_BYTES;
/** What Exchange takes from a mailbox unless somebody has raised it; 35 MB by the smaller reading of a megabyte. */
export const USUAL_MESSAGE_BYTES = 35_000_000;
/** Images of quoted mail are sent along up to here: they shall not make a short answer a large mail. */
const MAX_QUOTED_IMAGE_BYTES = 2 * 1024 * 1024;
const MAX_QUOTED_IMAGES = 20;

/** A file of a reply. Its content is there already, and is shared with what it was taken from. */
export interface ReplyFile {
  name: string;
  contentType: string;
  detectedContentType: string | null;
  sizeBytes: number;
  sha256: string;
  storedContentId: string;
  /** Without angle brackets, unique in the mail. */
  contentId: string;
  isInline: boolean;
}

/** Files that the caller names, by rows' ids. */
export interface WantedFiles {
  attachmentIds: readonly string[];
  uploadIds: readonly string[];
}

/** The files, and the content ids by which the author's HTML may show them, by the row's id. */
export interface ReplyFiles {
  files: ReplyFile[];
  byId: ReadonlyMap<string, ReplyFile>;
}

/**
 * The files that a reply names, in their order: attachments of tickets of the organization, then uploads of the user. With
 * `isLocking`, nobody deletes them until the transaction ends.
 *
 * Throws NotFoundError, {@link FileNotStoredError}, {@link UploadIncompleteError} and {@link MessageTooLargeError}.
 */
export async function loadReplyFiles(
  em: EntityManager,
  { attachmentIds, uploadIds }: WantedFiles,
  { userId, now, isLocking }: { userId: string; now: Date; isLocking: boolean },
): Promise<ReplyFiles> {
  const orderBy = { id: 'asc' } as const; // two replies with the same files wait for each other, not in a circle
  const attachments = await em.find(
    Attachment,
    { id: { $in: [...new Set(attachmentIds)] } },
    { refresh: true, orderBy, ...(isLocking && { lockMode: LockMode.PESSIMISTIC_READ as const }) },
  );
  const uploads = await em.find(
    Upload,
    { id: { $in: [...new Set(uploadIds)] }, author: userId, expiresAt: { $gt: now } },
    { refresh: true, orderBy, ...(isLocking && { lockMode: LockMode.PESSIMISTIC_WRITE as const }) },
  );
  const byId = new Map<string, ReplyFile>();
  const files = [
    ...[...new Set(attachmentIds)].map((id) => {
      const attachment = attachments.find((one) => one.id === id);
      if (!attachment) throw new NotFoundError('The attachment');
      const file = fileOf(attachment, attachment.contentType);
      if (file === null || attachment.state !== 'STORED') throw new FileNotStoredError(attachment.name);
      byId.set(id, file);
      return file;
    }),
    ...[...new Set(uploadIds)].map((id) => {
      const upload = uploads.find((one) => one.id === id);
      if (!upload) throw new NotFoundError('The upload');
      const file = fileOf(upload, upload.contentType);
      if (file === null) throw new UploadIncompleteError(upload.name);
      byId.set(id, file);
      return file;
    }),
  ];
  const bytes = sizeOf(files);
  if (bytes > MAX_FILES_BYTES) throw new MessageTooLargeError(bytes, MAX_FILES_BYTES);
  return { files, byId };
}

/**
 * The content ids of the images in the author's HTML, which names files by `cid:` and the id that the caller knows them by
 * (`idOf` gives the row's). Marks these files as inline. Throws InvalidInputError for a name that is none of the mail's files.
 */
export function nameImages(
  html: string | null,
  { byId }: ReplyFiles,
  idOf: (name: string) => string | null,
): Map<string, string> {
  const contentIds = new Map<string, string>();
  for (const name of html === null ? [] : imageNamesIn(html)) {
    const file = byId.get(idOf(name) ?? '');
    if (file === undefined) {
      throw new InvalidInputError(
        'html',
        `The image "cid:${name.slice(0, 100)}" is none of the files of the mail.`,
        'Name it by `cid:` and the id of one of `attachmentIds` or `uploadIds`.',
      );
    }
    file.isInline = true;
    contentIds.set(name, file.contentId);
  }
  return contentIds;
}

/** The images that the quoted HTML shows, as far as they are here and small enough; the others are left out. */
export async function quotedImages(
  em: EntityManager,
  message: Message,
  html: string,
  roomBytes: number,
): Promise<{ files: ReplyFile[]; contentIds: Map<string, string>; isAnyLeftOut: boolean }> {
  const names = imageNamesIn(html);
  const contentIds = new Map<string, string>();
  if (names.length === 0) return { files: [], contentIds, isAnyLeftOut: false };
  const attachments = await em.find(
    Attachment,
    { message: message.id, contentId: { $in: names }, state: 'STORED' },
    { orderBy: { position: 'asc' } },
  );
  const files: ReplyFile[] = [];
  let room = Math.min(roomBytes, MAX_QUOTED_IMAGE_BYTES);
  for (const name of names.slice(0, MAX_QUOTED_IMAGES)) {
    const attachment = attachments.find(({ contentId }) => contentId === name);
    const type = attachment?.detectedContentType ?? attachment?.contentType ?? '';
    const file = attachment && type.startsWith('image/') ? fileOf(attachment, type) : null;
    if (file === null || file.sizeBytes > room) continue;
    room -= file.sizeBytes;
    file.isInline = true;
    files.push(file);
    contentIds.set(name, file.contentId);
  }
  return { files, contentIds, isAnyLeftOut: contentIds.size < names.length };
}

/**
 * Whether the mailbox may refuse a mail with so many bytes of files, once they have all been uploaded: nobody can ask
 * Exchange for its limit, but where it has taken as much before, it is known to be above.
 */
export async function mayBeTooLarge(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
  filesBytes: number,
): Promise<boolean> {
  if (filesBytes <= USUAL_MESSAGE_BYTES) return false;
  const asLarge = await em.execute<object[]>(
    `select from outbound_message as sent
       join attachment on attachment.organization_id = sent.organization_id and attachment.message_id = sent.message_id
      where sent.organization_id = ? and sent.mailbox_id = ? and sent.lane = 'BULKY' and sent.state = 'SENT'
      group by sent.id having sum(attachment.size_bytes) >= ? limit 1`,
    [organizationId, mailboxId, filesBytes],
  );
  return asLarge.length === 0;
}

/** Bytes of all of them. */
export function sizeOf(files: readonly ReplyFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function fileOf(
  row: Pick<Attachment, 'name' | 'sizeBytes'> & {
    sha256?: string | null | undefined;
    storedContentId?: string | null | undefined;
    detectedContentType?: string | null | undefined;
  },
  contentType: string,
): ReplyFile | null {
  const { name, sizeBytes, sha256, storedContentId, detectedContentType } = row;
  if (sha256 == null || storedContentId == null) return null;
  return {
    name,
    contentType,
    detectedContentType: detectedContentType ?? null,
    sizeBytes,
    sha256,
    storedContentId,
    contentId: `${uuidv7()}@deskgraph`,
    isInline: false,
  };
}

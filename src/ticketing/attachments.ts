import type { EntityManager } from '../platform/database.ts';
import type { ByteRange, ObjectStorages } from '../platform/object-storage.ts';
import { Attachment } from './attachment.entity.ts';
import { StoredContent } from './stored-content.entity.ts';

/** A stored file, ready to be sent. */
export interface OpenAttachment {
  attachment: Attachment;
  /** Bytes that `chunks` will give. */
  contentLength: number;
  chunks: AsyncIterable<Uint8Array>;
}

/**
 * Opens the content of an attachment, or a part of it, wherever it lies; one piece is in memory at a time. Null when there
 * is no such attachment in the organization, or its content is not stored. The route answers a range outside of the file
 * with 416 before it asks: here it throws a `RangeError`.
 *
 * Nothing is read before the first piece is asked for, and then it ends with `signal`: nobody needs to close anything.
 */
export async function openAttachment(
  em: EntityManager,
  storages: ObjectStorages,
  attachmentId: string,
  { range, signal }: { range?: ByteRange; signal?: AbortSignal } = {},
): Promise<OpenAttachment | null> {
  const attachment = await em.findOne(Attachment, { id: attachmentId, state: 'STORED' });
  if (attachment?.storedContentId == null) return null;
  const { start, end } = range ?? { start: 0, end: attachment.sizeBytes - 1 };
  if (range !== undefined && (start < 0 || end < start || end >= attachment.sizeBytes)) {
    throw new RangeError('the range lies outside of the file');
  }
  const content = await em.findOne(StoredContent, { id: attachment.storedContentId });
  if (content === null) return null;
  const key = { organizationId: content.organization.id, id: content.id };
  const chunks = storages.of(content.storage).open(key, { start, end }, signal);
  return { attachment, contentLength: end - start + 1, chunks };
}

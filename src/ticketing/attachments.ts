import type { EntityManager } from '../platform/database.ts';
import { Attachment } from './attachment.entity.ts';
import { CHUNK_BYTES } from './attachment-content.ts';

/** Bytes of a file, both ends included, as HTTP counts them (RFC 9110, 14.1.2). */
export interface ByteRange {
  start: number;
  end: number;
}

/** A stored file, ready to be sent. */
export interface OpenAttachment {
  attachment: Attachment;
  /** Bytes that `chunks` will give. */
  contentLength: number;
  chunks: AsyncIterable<Uint8Array>;
}

/**
 * Opens the content of an attachment, or a part of it; one piece is in memory at a time. Null when there is no such
 * attachment in the organization, or its content is not stored. The route answers a range outside of the file with 416
 * before it asks: here it throws a `RangeError`.
 *
 * Each piece is read when it is asked for, with the `em`'s signal: nobody needs to close anything.
 */
export async function openAttachment(
  em: EntityManager,
  attachmentId: string,
  range?: ByteRange,
): Promise<OpenAttachment | null> {
  const attachment = await em.findOne(Attachment, { id: attachmentId, state: 'STORED' });
  if (attachment === null) return null;
  const { start, end } = range ?? { start: 0, end: attachment.sizeBytes - 1 };
  if (range !== undefined && (start < 0 || end < start || end >= attachment.sizeBytes)) {
    throw new RangeError('the range lies outside of the file');
  }
  return { attachment, contentLength: end - start + 1, chunks: readChunks(em, attachmentId, start, end) };
}

async function* readChunks(
  em: EntityManager,
  attachmentId: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  for (let position = Math.floor(start / CHUNK_BYTES); position * CHUNK_BYTES <= end; position += 1) {
    // Not filtered by organization: the attachment was, just above.
    const rows = await em.execute<{ content: Buffer }[]>(
      'select content from attachment_chunk where attachment_id = ? and position = ?',
      [attachmentId, position],
    );
    const row = rows[0];
    if (row === undefined) throw new Error('the attachment was deleted while it was read');
    const offset = position * CHUNK_BYTES;
    yield row.content.subarray(Math.max(0, start - offset), end - offset + 1);
  }
}

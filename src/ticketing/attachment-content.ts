import { createHash } from 'node:crypto';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';

/** Bytes of a piece of content. A piece is the most that is ever in memory of a file, a few times over. */
export const CHUNK_BYTES = 1024 * 1024;

/** The file is larger than the limit; nothing of it is kept. */
export class ContentTooLargeError extends Error {}

/**
 * Stores a file's content as it comes, in pieces of 1 MiB, and marks the attachment `STORED` with its true size and its
 * SHA-256.
 *
 * Each piece is a statement of its own and not part of one long transaction: reading from Microsoft can take minutes,
 * and an open transaction would hold up the event stream of everybody (see realtime/event-log.ts). Until the last
 * statement the attachment stays `PENDING`, so pieces that a crash leaves behind are never shown; the next attempt
 * begins by deleting them.
 *
 * Throws {@link ContentTooLargeError} as soon as more than `maxBytes` came; then nothing is kept.
 */
export async function storeContent(
  em: EntityManager,
  attachmentId: string,
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
  now: () => Date,
): Promise<void> {
  await deleteContent(em, attachmentId);
  const hash = createHash('sha256');
  let position = 0;
  let sizeBytes = 0;
  for await (const piece of inPieces(content)) {
    sizeBytes += piece.length;
    if (sizeBytes > maxBytes) {
      await deleteContent(em, attachmentId);
      throw new ContentTooLargeError();
    }
    hash.update(piece);
    await em.execute('insert into attachment_chunk (attachment_id, position, content) values (?, ?, ?)', [
      attachmentId,
      position,
      piece,
    ]);
    position += 1;
  }
  await em.execute(
    `update attachment set state = 'STORED', size_bytes = ?, sha256 = ?, problem = null, updated_at = ?
     where id = ? and state = 'PENDING'`,
    [sizeBytes, hash.digest('hex'), now(), attachmentId],
  );
}

/** Marks an attachment whose content is not kept, with the reason. */
export async function refuseContent(
  em: EntityManager,
  attachmentId: string,
  state: 'TOO_LARGE' | 'FAILED',
  problem: Problem,
  now: Date,
): Promise<void> {
  await em.execute(
    `update attachment set state = ?, problem = ?::jsonb, updated_at = ? where id = ? and state = 'PENDING'`,
    [state, JSON.stringify(problem), now, attachmentId],
  );
}

async function deleteContent(em: EntityManager, attachmentId: string): Promise<void> {
  await em.execute('delete from attachment_chunk where attachment_id = ?', [attachmentId]);
}

/** Regroups a stream: every piece but the last is exactly {@link CHUNK_BYTES}, so that a range is found by dividing. */
async function* inPieces(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of content) {
    let rest = bytes;
    while (length + rest.length >= CHUNK_BYTES) {
      const missing = CHUNK_BYTES - length;
      yield Buffer.concat([...waiting, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      waiting = [];
      length = 0;
    }
    if (rest.length > 0) waiting.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(waiting);
}

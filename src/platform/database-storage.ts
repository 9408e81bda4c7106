import { type Database, forkAcrossOrganizations } from './database.ts';
import { measure, ObjectMissingError, type ObjectStorage } from './object-storage.ts';

/** Bytes of a piece of content. A piece is the most that is in memory of a content, a few times over. */
export const CHUNK_BYTES = 1024 * 1024;

interface Tables {
  object_chunk: { object_id: string; position: number; content: Buffer };
}

/**
 * Keeps contents in the table `object_chunk`, in pieces of 1 MiB. By the id alone, which is random: whoever asks has found
 * it in its organization.
 *
 * Each piece is a statement of its own and not part of one long transaction: a content that comes from Microsoft can take
 * minutes, and an open transaction would hold up the event stream of everybody (see realtime/event-log.ts).
 */
export function createDatabaseStorage(database: Database): ObjectStorage {
  const fork = (signal?: AbortSignal) => forkAcrossOrganizations(database, signal);
  return {
    kind: 'DATABASE',
    async put({ id }, source, signal) {
      const em = fork(signal);
      const { content, measured } = measure(source);
      let position = 0;
      try {
        for await (const piece of inPieces(content)) {
          // As a parameter: `em.execute` writes it into the statement, as text of twice the length (five times the wait,
          // and 9 ms in place of 2 in which nobody else has their turn, for a piece of 1 MiB).
          await em
            .getKysely<Tables>()
            .insertInto('object_chunk')
            .values({ object_id: id, position, content: piece })
            .execute(signal && { signal, inflightQueryAbortStrategy: 'cancel query' });
          position += 1;
        }
      } catch (error) {
        // Without the signal, which may be the reason. When the database is away, the caller's record leads to the rest.
        await fork()
          .execute('delete from object_chunk where object_id = ?', [id])
          .catch(() => undefined);
        throw error;
      }
      return measured();
    },
    async *open({ id }, { start, end }, signal) {
      const em = fork(signal);
      for (let position = Math.floor(start / CHUNK_BYTES); position * CHUNK_BYTES <= end; position += 1) {
        const [row] = await em.execute<{ content: Buffer }[]>(
          'select content from object_chunk where object_id = ? and position = ?',
          [id, position],
        );
        if (row === undefined) throw new ObjectMissingError();
        const offset = position * CHUNK_BYTES;
        yield row.content.subarray(Math.max(0, start - offset), end - offset + 1);
      }
    },
    async delete({ id }, signal) {
      await fork(signal).execute('delete from object_chunk where object_id = ?', [id]);
    },
    async exists({ id }, signal) {
      const rows = await fork(signal).execute<object[]>(
        'select from object_chunk where object_id = ? limit 1',
        [id],
      );
      return rows.length > 0;
    },
    async check(signal) {
      await fork(signal).execute('select 1');
    },
  };
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

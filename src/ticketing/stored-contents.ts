import type { EntityManager } from '../platform/database.ts';
import type { ObjectKey, ObjectStorages, StorageKind, StoredObject } from '../platform/object-storage.ts';

/*
 * The life of a content: WRITING, its row is there and its bytes are on their way; STORED, in the same transaction that
 * makes the first attachment refer to it; DELETING, once nobody refers to it any more; gone.
 *
 * Who refers to a content that is there holds its row (`for key share`) until the reference is committed. Who wants to
 * delete it holds the row against that (`for update`), looks for references after that, and only then turns it to DELETING:
 * so either the deletion sees the reference, or the new attachment does not see the content and stores its own.
 */

/** A content's key, with the place that it goes to. */
export interface NewContent extends ObjectKey {
  storage: StorageKind;
}

/** Says that a content is on its way, before its first byte is. Not in a transaction: a crash must not take it back. */
export async function beginContent(
  em: EntityManager,
  { organizationId, id, storage }: NewContent,
  now: Date,
): Promise<void> {
  await em.execute(
    `insert into stored_content (id, organization_id, storage, state, created_at, updated_at)
     values (?, ?, ?, 'WRITING', ?, ?)`,
    [id, organizationId, storage, now, now],
  );
}

/**
 * The id of the stored content with this hash, held until the end of the transaction; null when there is none. Then those
 * who store the same content at the same time come one after the other, until the transaction ends.
 */
export async function findContent(
  em: EntityManager,
  organizationId: string,
  sha256: string,
): Promise<string | null> {
  await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`${organizationId} ${sha256}`]);
  const [found] = await em.execute<{ id: string }[]>(
    `select id from stored_content where organization_id = ? and sha256 = ? and state = 'STORED' for key share`,
    [organizationId, sha256],
  );
  return found?.id ?? null;
}

/** Makes a content that is whole one that others may refer to. Throws when it took so long that it was swept up. */
export async function finishContent(
  em: EntityManager,
  { organizationId, id }: ObjectKey,
  { sizeBytes, sha256 }: StoredObject,
  now: Date,
): Promise<void> {
  const finished = await em.execute<object[]>(
    `update stored_content set state = 'STORED', size_bytes = ?, sha256 = ?, updated_at = ?
     where organization_id = ? and id = ? and state = 'WRITING' returning id`,
    [sizeBytes, sha256, now, organizationId, id],
  );
  if (finished.length === 0) throw new Error('The content was swept up while it was stored.');
}

/** Deletes a content that nobody refers to: what is stored of it, then its row. */
export async function discardContent(
  em: EntityManager,
  storages: ObjectStorages,
  content: NewContent,
  signal?: AbortSignal,
): Promise<void> {
  const { organizationId, id, storage } = content;
  await storages.of(storage).delete(content, signal);
  await em.execute(`delete from stored_content where organization_id = ? and id = ? and state <> 'STORED'`, [
    organizationId,
    id,
  ]);
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobContext } from '../../src/jobs/define-job.ts';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { createDatabaseStorage } from '../../src/platform/database-storage.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { type ObjectStorage, objectStorages } from '../../src/platform/object-storage.ts';
import { Attachment } from '../../src/ticketing/attachment.entity.ts';
import { storeContent } from '../../src/ticketing/attachment-content.ts';
import {
  DEFAULT_ATTACHMENT_LIMITS,
  describeAttachments,
  putAttachmentRows,
} from '../../src/ticketing/attachment-rows.ts';
import { openAttachment } from '../../src/ticketing/attachments.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { StoredContent } from '../../src/ticketing/stored-content.entity.ts';
import { createContentSweep, WRITING_GRACE } from '../../src/ticketing/sweep-contents.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { createDesk, ingest, mail, NOW, waitUntilBlocked } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const small = Buffer.from('the same logo');
const large = Buffer.alloc(2 * 1024 * 1024 + 11, 'x');

/** A desk with messages that have one attachment each, which waits for its content. */
async function messages(count: number) {
  const desk = await createDesk(own.database);
  const { organizationId } = desk;
  const fork = () => forkFor(own.database, organizationId);
  await ingest(
    own.database,
    desk,
    Array.from({ length: count }, () => mail()),
  );
  const ids: string[] = [];
  for (const { id } of await fork().find(Message, { kind: 'INBOUND' }, { orderBy: { id: 'asc' } })) {
    const file = {
      graphAttachmentId: 'graph',
      kind: 'FILE' as const,
      name: 'logo.png',
      contentType: 'image/png',
      sizeBytes: 13,
      contentId: null,
      isInline: false,
      link: null,
    };
    const rows = describeAttachments([file], DEFAULT_ATTACHMENT_LIMITS, NOW);
    const { pending } = await fork().transactional((em) =>
      putAttachmentRows(em, organizationId, id, rows, NOW),
    );
    ids.push(pending[0]?.id ?? '');
  }
  const store = (attachmentId: string, content: Buffer, storage: ObjectStorage = inDatabase()) =>
    storeContent(
      fork(),
      {
        storages: objectStorages(storage),
        organizationId,
        attachmentId,
        maxBytes: 10_000_000,
        now: () => NOW,
      },
      one(content),
    );
  return {
    fork,
    ids,
    store,
    contents: () => fork().find(StoredContent, {}, { orderBy: { id: 'asc' } }),
    remove: (attachmentId: string) => fork().nativeDelete(Attachment, { id: attachmentId }),
    read: async (attachmentId: string) => {
      const opened = await openAttachment(fork(), objectStorages(inDatabase()), attachmentId);
      const read: Uint8Array[] = [];
      for await (const chunk of opened?.chunks ?? []) read.push(chunk);
      return Buffer.concat(read);
    },
  };
}

const inDatabase = () => createDatabaseStorage(own.database);

async function* one(content: Buffer): AsyncGenerator<Uint8Array> {
  yield content;
}

/** Sweeps, at `now`. */
function sweep(now = NOW, storage: ObjectStorage = inDatabase()): Promise<void> {
  const { handle } = createContentSweep({
    database: own.database,
    storages: objectStorages(storage),
    clock: { now: () => now },
  });
  const context: JobContext = {
    signal: new AbortController().signal,
    logger: createLogger('silent'),
    attempt: 1,
    isLastAttempt: false,
  };
  return handle({}, context);
}

/** Pieces of contents that no row leads to. */
async function lostPieces(): Promise<number> {
  const [row] = await forkAcrossOrganizations(own.database).execute<{ count: number }[]>(
    'select count(*)::int as count from object_chunk where object_id not in (select id from stored_content)',
  );
  return row?.count ?? 0;
}

describe('a content of an organization', () => {
  test.each([
    ['small', small],
    ['large', large],
  ])('is stored once, however many %s files have it', async (_, content) => {
    const { ids, store, contents, read } = await messages(3);
    for (const id of ids) await store(id, content);
    expect(await contents()).toMatchObject([{ state: 'STORED', sizeBytes: content.length }]);
    for (const id of ids) expect((await read(id)).equals(content)).toBe(true);
    expect(await lostPieces()).toBe(0);
  });

  test('is stored once when all come at the same time', async () => {
    const { ids, store, contents, read } = await messages(6);
    await Promise.all(ids.map((id) => store(id, large)));
    expect(await contents()).toHaveLength(1);
    for (const id of ids) expect((await read(id)).equals(large)).toBe(true);
    expect(await lostPieces()).toBe(0);
  });

  test('is never shared with another organization', async () => {
    const [first, second] = [await messages(1), await messages(1)];
    await first.store(first.ids[0] ?? '', small);
    await second.store(second.ids[0] ?? '', small);
    const [one, two] = [await first.contents(), await second.contents()];
    expect(one).toHaveLength(1);
    expect(two).toHaveLength(1);
    expect(one[0]?.id).not.toBe(two[0]?.id);
    expect(await second.read(first.ids[0] ?? '')).toHaveLength(0);
  });
});

describe('the sweep', () => {
  test('deletes a content with the last file that has it, and not before', async () => {
    const { ids, store, contents, remove, read } = await messages(2);
    const [first = '', second = ''] = ids;
    await store(first, small);
    await store(second, small);
    await remove(first);
    await sweep();
    expect((await read(second)).equals(small)).toBe(true);
    expect(await contents()).toMatchObject([{ state: 'STORED', isReleased: false }]);
    await remove(second);
    await sweep();
    expect(await contents()).toEqual([]);
    expect(await lostPieces()).toBe(0);
  });

  test('leaves a content to a file that is referring to it right now', async () => {
    const { fork, ids, store, contents, remove, read } = await messages(2);
    const [first = '', second = ''] = ids;
    await store(first, small);
    await remove(first);
    const [content] = await contents();
    // The new file's transaction holds the content and is not committed yet.
    await fork().transactional(async (em) => {
      await em.execute('select id from stored_content where id = ? for key share', [content?.id]);
      await em.execute(
        `update attachment set state = 'STORED', stored_content_id = ?, size_bytes = ? where id = ?`,
        [content?.id, small.length, second],
      );
      await sweep();
    });
    await sweep();
    expect((await read(second)).equals(small)).toBe(true);
  });

  test('and a file with the same content: the file waits for its decision, and stores its own', async () => {
    const { ids, store, contents, remove, read } = await messages(2);
    const [first = '', second = ''] = ids;
    await store(first, small);
    await remove(first);
    const [old] = await contents();
    let storing: Promise<unknown> = Promise.resolve();
    await forkAcrossOrganizations(own.database).transactional(async (em) => {
      // As the sweep does it.
      await em.execute('select id from stored_content where id = ? for update skip locked', [old?.id]);
      storing = store(second, small);
      await waitUntilBlocked(own.database);
      await em.execute(`update stored_content set state = 'DELETING' where id = ?`, [old?.id]);
    });
    await storing;
    await sweep();
    expect((await read(second)).equals(small)).toBe(true);
    expect((await contents()).map(({ id }) => id)).not.toContain(old?.id);
    expect(await contents()).toHaveLength(1);
  });

  test('under load: files come and go with one content, and none that is there has lost it', async () => {
    const { ids, store, remove, read } = await messages(12);
    await Promise.all(
      ids.map(async (id, index) => {
        await store(id, small);
        if (index % 2 === 0) await remove(id);
        await sweep();
      }),
    );
    await sweep();
    for (const [index, id] of ids.entries()) {
      expect((await read(id)).equals(index % 2 === 0 ? Buffer.alloc(0) : small), `file ${index}`).toBe(true);
    }
    expect(await lostPieces()).toBe(0);
  });

  test('finds what a crash left behind, after a day; what is still being written is let be', async () => {
    const { ids, store, contents } = await messages(1);
    const crash = new Error('the process was killed');
    const crashing: ObjectStorage = {
      ...inDatabase(),
      // Everything was written, and then nothing more could be done: not even tidying up.
      async put(key, content, signal) {
        await inDatabase().put(key, content, signal);
        throw crash;
      },
      delete: () => Promise.reject(crash),
    };
    await expect(store(ids[0] ?? '', large, crashing)).rejects.toBe(crash);
    expect(await contents()).toMatchObject([{ state: 'WRITING' }]);
    await sweep(new Date(NOW.getTime() + WRITING_GRACE - 1));
    expect(await contents()).toHaveLength(1);
    await sweep(new Date(NOW.getTime() + WRITING_GRACE + 1));
    expect(await contents()).toEqual([]);
    expect(await lostPieces()).toBe(0);
  });

  test('tries again what a storage that was away did not delete', async () => {
    const { ids, store, contents, remove } = await messages(2);
    for (const [index, id] of ids.entries()) await store(id, Buffer.from(`content ${index}`));
    for (const id of ids) await remove(id);
    await sweep(NOW, { ...inDatabase(), delete: () => Promise.reject(new Error('away')) });
    expect(await contents()).toMatchObject([{ state: 'DELETING' }, { state: 'DELETING' }]);
    await sweep();
    expect(await contents()).toEqual([]);
  });
});

test('a file whose message was deleted while it came leaves nothing behind', async () => {
  const { ids, store, contents, remove } = await messages(1);
  const [id = ''] = ids;
  const deleting: ObjectStorage = {
    ...inDatabase(),
    async put(key, content, signal) {
      const stored = await inDatabase().put(key, content, signal);
      await remove(id);
      return stored;
    },
  };
  await store(id, large, deleting);
  expect(await contents()).toEqual([]);
  expect(await lostPieces()).toBe(0);
});

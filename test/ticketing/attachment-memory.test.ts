import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabaseStorage } from '../../src/platform/database-storage.ts';
import type { ObjectStorage } from '../../src/platform/object-storage.ts';
import { createS3Storage } from '../../src/platform/s3-storage.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { startBucket, type TestBucket } from '../support/s3.ts';

/*
 * A file far larger than what may be in memory goes in and comes out with little of it in memory. PostgreSQL and the S3 server are
 * processes of their own, so that what is measured is ours.
 */

const MEGABYTE = 1024 * 1024;
const FILE_MEGABYTES = 100;
const MOST_GROWTH = 64 * MEGABYTE;

/** Collects garbage: what is left is held by somebody. */
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

let own: TestDatabase;
let bucket: TestBucket;
beforeAll(async () => {
  [own, bucket] = await Promise.all([cloneDatabase(), startBucket()]);
});
afterAll(async () => {
  await own?.[Symbol.asyncDispose]();
  await bucket?.[Symbol.asyncDispose]();
});

/** Bytes that buffers and objects take at most while `work` runs, more than before it. */
async function growthOf(work: (look: () => void) => Promise<void>): Promise<number> {
  const taken = () => {
    // Twice: what the first one finds of buffers is given back by another thread, and the second waits for that.
    collectGarbage();
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage(); // external holds the buffers, too
    return heapUsed + external;
  };
  const before = taken();
  let most = before;
  await work(() => {
    most = Math.max(most, taken());
  });
  return most - before;
}

test.each([
  ['the database', () => createDatabaseStorage(own.database)],
  ['an S3 bucket', () => createS3Storage(bucket.settings)],
] as [name: string, create: () => ObjectStorage][])(
  '100 MB go through %s with less than 64 MB of it in memory',
  async (name, create) => {
    const storage = create();
    const key = { organizationId: crypto.randomUUID(), id: crypto.randomUUID() };
    const hash = createHash('sha256');
    const put = await growthOf(async (look) => {
      const content = async function* () {
        for (let sent = 0; sent < FILE_MEGABYTES * 16; sent += 1) {
          const piece = Buffer.alloc(MEGABYTE / 16, sent); // as small as a network gives them
          hash.update(piece);
          yield piece;
          if (sent % 320 === 0) look();
        }
      };
      await storage.put(key, content());
      look();
    });
    const read = createHash('sha256');
    const opened = await growthOf(async (look) => {
      let bytes = 0;
      let looks = 0;
      for await (const chunk of storage.open(key, { start: 0, end: FILE_MEGABYTES * MEGABYTE - 1 })) {
        read.update(chunk);
        bytes += chunk.length;
        if (bytes < 30 * MEGABYTE * (looks + 1)) continue;
        looks += 1;
        look();
      }
    });
    expect(read.digest('hex')).toBe(hash.digest('hex'));
    expect(put, `storing in ${name}`).toBeLessThan(MOST_GROWTH);
    expect(opened, `reading from ${name}`).toBeLessThan(MOST_GROWTH);
  },
  240_000,
);

test('a file that is held whole would be noticed (a control)', async () => {
  const held: Buffer[] = [];
  const growth = await growthOf(async (look) => {
    for (let piece = 0; piece < FILE_MEGABYTES; piece += 1) held.push(Buffer.alloc(MEGABYTE, piece));
    look();
  });
  expect(held).toHaveLength(FILE_MEGABYTES);
  expect(growth).toBeGreaterThan(MOST_GROWTH);
});

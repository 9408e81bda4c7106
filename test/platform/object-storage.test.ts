import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHUNK_BYTES, createDatabaseStorage } from '../../src/platform/database-storage.ts';
import { createLogger } from '../../src/platform/logger.ts';
import {
  ObjectMissingError,
  type ObjectStorage,
  ObjectStorageUnavailableError,
  objectStorages,
} from '../../src/platform/object-storage.ts';
import { ObjectStorageRefusedError, openStorages } from '../../src/platform/open-storages.ts';
import { createS3Storage } from '../../src/platform/s3-storage.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { startBucket, type TestBucket } from '../support/s3.ts';

const MEGABYTE = 1024 * 1024;
let own: TestDatabase;
let bucket: TestBucket;
beforeAll(async () => {
  [own, bucket] = await Promise.all([cloneDatabase(), startBucket()]);
});
afterAll(async () => {
  await own?.[Symbol.asyncDispose]();
  await bucket?.[Symbol.asyncDispose]();
});

const newKey = () => ({ organizationId: crypto.randomUUID(), id: crypto.randomUUID() });

async function* pieces(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < content.length; offset += size) yield content.subarray(offset, offset + size);
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return Buffer.concat(read);
}

describe.each([
  ['the database', () => createDatabaseStorage(own.database)],
  ['an S3 bucket', () => createS3Storage(bucket.settings)],
] as [name: string, create: () => ObjectStorage][])('%s', (_, create) => {
  test.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 12 * MEGABYTE + 7])(
    'gives %i bytes as they were put, with their size and hash',
    async (size) => {
      const storage = create();
      const key = newKey();
      const content = randomBytes(size);
      expect(await storage.put(key, pieces(content, 300_007))).toEqual({
        sizeBytes: size,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      expect((await readAll(storage.open(key, { start: 0, end: size - 1 }))).equals(content)).toBe(true);
    },
  );

  test('gives any range, also across pieces', async () => {
    const storage = create();
    const key = newKey();
    const content = randomBytes(2 * CHUNK_BYTES + 100);
    await storage.put(key, pieces(content, CHUNK_BYTES));
    for (const [start, end] of [
      [0, 0],
      [CHUNK_BYTES - 1, CHUNK_BYTES],
      [10, 2 * CHUNK_BYTES + 99],
      [2 * CHUNK_BYTES + 99, 2 * CHUNK_BYTES + 99],
    ] as const) {
      const read = await readAll(storage.open(key, { start, end }));
      expect(read.equals(content.subarray(start, end + 1))).toBe(true);
    }
  });

  test('deletes, and what is not there is deleted already', async () => {
    const storage = create();
    const key = newKey();
    await storage.put(key, pieces(Buffer.from('content'), 3));
    expect(await storage.exists(key)).toBe(true);
    await storage.delete(key);
    await storage.delete(key);
    expect(await storage.exists(key)).toBe(false);
    await expect(readAll(storage.open(key, { start: 0, end: 6 }))).rejects.toThrow(ObjectMissingError);
  });

  test.each([1, 8])('throws what the source throws after %i MB, and keeps nothing', async (megabytes) => {
    const storage = create();
    const key = newKey();
    const failure = new RangeError('the source is dry');
    async function* breaking(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < megabytes; sent += 1) yield Buffer.alloc(MEGABYTE);
      throw failure;
    }
    await expect(storage.put(key, breaking())).rejects.toBe(failure);
    expect(await storage.exists(key)).toBe(false);
  });

  test('stops with the signal', async () => {
    const storage = create();
    const reason = new Error('the process stops');
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; ; sent += 1) {
        if (sent === 7) stop.abort(reason);
        yield Buffer.alloc(MEGABYTE);
      }
    }
    await expect(storage.put(newKey(), endless(), stop.signal)).rejects.toThrow();
  });

  test('says that it can be used', async () => {
    await create().check();
  });
});

describe('a bucket', () => {
  const open = (settings = bucket.settings, registry = new Registry()) =>
    openStorages({ database: own.database, s3: settings, logger: createLogger('silent'), registry });

  test('that does not exist refuses the start, and says which variables to look at', async () => {
    const refused = open({ ...bucket.settings, bucket: 'another' });
    await expect(refused).rejects.toThrow(ObjectStorageRefusedError);
    await expect(refused).rejects.toThrow(/another of DESKGRAPH_S3_BUCKET cannot be used/);
    await expect(refused).rejects.not.toThrow(/secret/i);
  });

  test('takes what is new, and what is in the database stays readable', async () => {
    const key = newKey();
    await createDatabaseStorage(own.database).put(key, pieces(Buffer.from('old'), 3));
    const storages = await open();
    expect(storages.primary.kind).toBe('S3');
    expect((await readAll(storages.of('DATABASE').open(key, { start: 0, end: 2 }))).toString()).toBe('old');
  });

  test('that was taken out of the configuration says so when something of it is asked for', () => {
    const storages = objectStorages(createDatabaseStorage(own.database));
    expect(() => storages.of('S3')).toThrow(ObjectStorageUnavailableError);
  });

  test('that is away does not keep the process from starting; a metric tells until it is back', async () => {
    const registry = new Registry();
    await bucket.stop();
    const { primary } = await open(bucket.settings, registry);
    await expect(primary.put(newKey(), pieces(Buffer.from('x'), 1))).rejects.toThrow(
      ObjectStorageUnavailableError,
    );
    expect(await registry.metrics()).toContain('deskgraph_object_storage_up{storage="S3"} 0');
    await bucket.start();
    expect(await registry.metrics()).toContain('deskgraph_object_storage_up{storage="S3"} 1');
  });
});

test.each([
  ['never answers', ''],
  ['stops in the middle of its answer', 'HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\n\r\nabc'],
])(
  'a bucket that takes a request and %s is unavailable after its deadline',
  async (_, answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(answer));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const storage = createS3Storage({ ...bucket.settings, endpoint: `http://127.0.0.1:${port}` }, 500);
    await expect(readAll(storage.open(newKey(), { start: 0, end: 9 }))).rejects.toThrow(
      ObjectStorageUnavailableError,
    );
    server.close();
  },
  20_000,
);

import { Gauge, type Registry } from 'prom-client';
import { ExpectedError, toError } from '../errors.ts';
import { SECOND } from './clock.ts';
import type { Database } from './database.ts';
import { createDatabaseStorage } from './database-storage.ts';
import type { Logger } from './logger.ts';
import {
  type ObjectStorage,
  type ObjectStorages,
  ObjectStorageUnavailableError,
  objectStorages,
} from './object-storage.ts';
import { createS3Storage, type S3Settings } from './s3-storage.ts';

/** How long the bucket may take to answer whether it is there. */
const CHECK_DEADLINE = 5 * SECOND;

/** The bucket answered that it cannot be used: no use to start with it. */
export class ObjectStorageRefusedError extends ExpectedError {
  constructor(bucket: string, cause: Error) {
    super(
      'OBJECT_STORAGE_REFUSED',
      `The bucket ${bucket} of DESKGRAPH_S3_BUCKET cannot be used: ${cause.message}`,
      'Check the DESKGRAPH_S3_… variables, that the bucket exists, and that the key may list, read, write and delete in it.',
      { cause },
    );
  }
}

/** What the storages are made of. */
export interface StoragesOptions {
  database: Database;
  /** Where new contents go; null for the database. */
  s3: S3Settings | null;
  logger: Logger;
  registry: Registry;
}

/**
 * Opens the places where contents lie. What is in the database stays readable when there is a bucket.
 *
 * Throws {@link ObjectStorageRefusedError} when the bucket refuses. When it does not answer, the process starts all the
 * same: everything but files works meanwhile, and files are fetched when it is back. The gauge
 * `deskgraph_object_storage_up` tells; readiness does not, since no other process would reach the bucket either.
 */
export async function openStorages({
  database,
  s3,
  logger,
  registry,
}: StoragesOptions): Promise<ObjectStorages> {
  const inDatabase = createDatabaseStorage(database);
  if (s3 === null) return objectStorages(inDatabase);
  const inBucket = createS3Storage(s3);
  try {
    await inBucket.check(AbortSignal.timeout(CHECK_DEADLINE));
  } catch (thrown) {
    const error = toError(thrown);
    if (error instanceof ObjectStorageUnavailableError && error.isRefusal) {
      throw new ObjectStorageRefusedError(s3.bucket, error);
    }
    logger.warn({ err: error }, 'the S3 bucket does not answer; files wait until it does');
  }
  observe(inBucket, registry);
  return objectStorages(inBucket, inDatabase);
}

function observe(storage: ObjectStorage, registry: Registry): void {
  new Gauge({
    name: 'deskgraph_object_storage_up',
    help: 'Whether the place where files are kept answers: 1 or 0.',
    labelNames: ['storage'],
    registers: [registry],
    async collect() {
      const up = await storage.check(AbortSignal.timeout(CHECK_DEADLINE)).then(
        () => 1,
        () => 0,
      );
      this.set({ storage: storage.kind }, up);
    },
  });
}

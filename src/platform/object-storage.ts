import { createHash } from 'node:crypto';

/** Where contents lie. The value is stored beside each content, so that a change of configuration loses none. */
export const STORAGE_KINDS = ['DATABASE', 'S3'] as const;
export type StorageKind = (typeof STORAGE_KINDS)[number];

/** What a content is found by. The id is never used twice: what is stored under it does not change any more. */
export interface ObjectKey {
  organizationId: string;
  id: string;
}

/** What was stored. */
export interface StoredObject {
  sizeBytes: number;
  /** In hexadecimal. */
  sha256: string;
}

/** Bytes of a content, both ends included, as HTTP counts them (RFC 9110, 14.1.2). */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * A place for contents of any size, written once and read in parts. All of it streams: of a content, a few megabytes are in
 * memory at most.
 *
 * Every method throws {@link ObjectStorageUnavailableError} when the place cannot be reached or refuses: trying again later
 * may help. `signal` ends the waiting, with its reason.
 */
export interface ObjectStorage {
  readonly kind: StorageKind;
  /**
   * Stores a stream whose size need not be known. What `content` throws is thrown on as it is; then nothing is kept, unless
   * the process ends in the middle: the caller finds what is left by the key, and deletes it.
   */
  put(key: ObjectKey, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<StoredObject>;
  /** Opens a range, which must lie inside of the content. Reading throws {@link ObjectMissingError} when it is gone. */
  open(key: ObjectKey, range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Deletes a content, or what is left of one that was cut off. What is not there is deleted already. */
  delete(key: ObjectKey, signal?: AbortSignal): Promise<void>;
  exists(key: ObjectKey, signal?: AbortSignal): Promise<boolean>;
  /** Whether the place can be used: resolves when it can. */
  check(signal?: AbortSignal): Promise<void>;
}

/** The place that new contents go to, and those that older ones lie in. */
export interface ObjectStorages {
  readonly primary: ObjectStorage;
  /** Throws {@link ObjectStorageUnavailableError} when the place is not configured any more. */
  of(kind: StorageKind): ObjectStorage;
}

/** Gathers the places. The first takes what is new. */
export function objectStorages(primary: ObjectStorage, ...others: ObjectStorage[]): ObjectStorages {
  const all = [primary, ...others];
  return {
    primary,
    of(kind) {
      const found = all.find((one) => one.kind === kind);
      if (found) return found;
      throw new ObjectStorageUnavailableError(
        `The content lies in ${kind}, which is not configured any more.`,
      );
    },
  };
}

/** The place cannot be used now. */
export class ObjectStorageUnavailableError extends Error {
  /** Whether it answered, and refused: waiting will hardly help, but a change of the configuration. */
  readonly isRefusal: boolean;

  constructor(message: string, { isRefusal = false, cause }: { isRefusal?: boolean; cause?: unknown } = {}) {
    super(message, { cause });
    this.name = 'ObjectStorageUnavailableError';
    this.isRefusal = isRefusal;
  }
}

/** There is no such content, or no more. */
export class ObjectMissingError extends Error {
  constructor() {
    super('The content is not there, or was deleted while it was read.');
    this.name = 'ObjectMissingError';
  }
}

/** A stream that is counted and hashed as it passes by. */
export interface MeasuredContent {
  content: AsyncIterable<Uint8Array>;
  /** What has passed, once all has. */
  measured(): StoredObject;
  /** What the source has thrown, as it threw it: libraries put errors of their own in its place. */
  failure(): { error: unknown } | null;
}

/** Counts and hashes a stream. */
export function measure(source: AsyncIterable<Uint8Array>): MeasuredContent {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let failure: { error: unknown } | null = null;
  return {
    content: (async function* () {
      try {
        for await (const bytes of source) {
          sizeBytes += bytes.length;
          hash.update(bytes);
          yield bytes;
        }
      } catch (error) {
        failure = { error };
        throw error;
      }
    })(),
    measured: () => ({ sizeBytes, sha256: hash.digest('hex') }),
    failure: () => failure,
  };
}

import { Readable } from 'node:stream';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { SECOND } from './clock.ts';
import {
  measure,
  type ObjectKey,
  ObjectMissingError,
  type ObjectStorage,
  ObjectStorageUnavailableError,
} from './object-storage.ts';

/** An S3 bucket, or one of a service that speaks the same protocol. */
export interface S3Settings {
  bucket: string;
  /** Null for Amazon's own, by the region. */
  endpoint: string | null;
  region: string;
  /** Null: whatever the AWS client finds by itself, such as the role of the machine. */
  credentials: { accessKeyId: string; secretAccessKey: string } | null;
  /** `https://host/bucket/key` in place of `https://bucket.host/key`: most services that are not Amazon's want it. */
  forcePathStyle: boolean;
}

/** The least that S3 takes for a part. One is being sent and one is being filled: that is all that is in memory. */
const PART_BYTES = 5 * 1024 * 1024;
const CONNECTION_DEADLINE = 5 * SECOND;
/** From the first byte of a request to the first of its answer, and of silence in an answer. */
const REQUEST_DEADLINE = 60 * SECOND;
const MAX_ATTEMPTS = 3;

/** By what a bucket that cannot be used is told from one that cannot be reached: these do not go away by waiting. */
const REFUSALS: ReadonlySet<string> = new Set([
  'NoSuchBucket',
  'NotFound',
  'AccessDenied',
  'Forbidden',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'CredentialsProviderError',
  'ENOTFOUND',
]);

/**
 * Keeps contents in a bucket, each as `organizations/<organization>/<content>`. The client is loaded at the first use:
 * whoever keeps contents in the database does not pay for it.
 */
export function createS3Storage(settings: S3Settings, requestDeadline = REQUEST_DEADLINE): ObjectStorage {
  const { bucket: Bucket } = settings;
  let loaded: Promise<{ sdk: typeof import('@aws-sdk/client-s3'); client: S3Client }> | undefined;
  const load = () => {
    loaded ??= import('@aws-sdk/client-s3').then((sdk) => ({
      sdk,
      client: new sdk.S3Client(clientConfig(settings, requestDeadline)),
    }));
    return loaded;
  };
  const head = async (key: ObjectKey, signal?: AbortSignal) => {
    const { sdk, client } = await load();
    await client.send(new sdk.HeadObjectCommand({ Bucket, Key: pathOf(key) }), options(signal));
  };
  return {
    kind: 'S3',
    async put(key, source, signal) {
      const { client } = await load();
      const { Upload } = await import('@aws-sdk/lib-storage');
      const { content, measured, failure } = measure(source);
      const upload = new Upload({
        client,
        params: { Bucket, Key: pathOf(key), Body: Readable.from(content, { objectMode: false }) },
        partSize: PART_BYTES,
        queueSize: 1,
        leavePartsOnError: false,
      });
      const abort = () => void upload.abort();
      signal?.throwIfAborted();
      signal?.addEventListener('abort', abort, { once: true });
      try {
        await upload.done();
      } catch (error) {
        signal?.throwIfAborted();
        const failed = failure();
        // An upload that fails tidies up after itself, and what that throws is not the reason.
        throw failed === null ? unavailable(error) : failed.error;
      } finally {
        signal?.removeEventListener('abort', abort);
      }
      return measured();
    },
    async *open(key, { start, end }, signal) {
      if (end < start) return; // S3 has no range for an empty content
      const { sdk, client } = await load();
      const command = new sdk.GetObjectCommand({ Bucket, Key: pathOf(key), Range: `bytes=${start}-${end}` });
      const body = await translated(async () => (await client.send(command, options(signal))).Body, signal);
      if (!(body instanceof Readable)) throw new ObjectMissingError();
      const stop = () => body.destroy();
      signal?.addEventListener('abort', stop, { once: true });
      try {
        // Some services give more than was asked for, such as all of it for the first byte: whoever reads has said to
        // somebody how much will come.
        let left = end - start + 1;
        for await (const bytes of body as AsyncIterable<Uint8Array>) {
          yield bytes.subarray(0, left);
          left -= bytes.length;
          if (left <= 0) return;
        }
        throw new Error(`${left} bytes of the content are missing.`);
      } catch (error) {
        signal?.throwIfAborted();
        throw unavailable(error);
      } finally {
        signal?.removeEventListener('abort', stop);
        body.destroy();
      }
    },
    delete: (key, signal) =>
      translated(async () => {
        const { sdk, client } = await load();
        await client.send(new sdk.DeleteObjectCommand({ Bucket, Key: pathOf(key) }), options(signal));
      }, signal),
    async exists(key, signal) {
      try {
        await translated(() => head(key, signal), signal);
        return true;
      } catch (error) {
        if (error instanceof ObjectMissingError) return false;
        throw error;
      }
    },
    async check(signal) {
      const { sdk, client } = await load();
      try {
        await client.send(new sdk.HeadBucketCommand({ Bucket }), options(signal));
      } catch (error) {
        signal?.throwIfAborted();
        throw unavailable(error);
      }
    },
  };
}

function clientConfig(
  { endpoint, region, credentials, forcePathStyle }: S3Settings,
  requestDeadline: number,
): S3ClientConfig {
  return {
    region,
    forcePathStyle,
    ...(endpoint && { endpoint }),
    ...(credentials && { credentials }),
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECTION_DEADLINE,
      requestTimeout: requestDeadline,
      throwOnRequestTimeout: true, // else it only warns, and waits for ever
      socketTimeout: requestDeadline,
    },
    // The checksums that the client adds by itself since 2025 are refused by many services that are not Amazon's.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  };
}

function pathOf({ organizationId, id }: ObjectKey): string {
  return `organizations/${organizationId}/${id}`;
}

function options(signal: AbortSignal | undefined) {
  return signal ? { abortSignal: signal } : {};
}

/** Gives errors the names that the port promises. */
async function translated<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    const name = error instanceof Error ? error.name : '';
    if (name === 'NoSuchKey' || name === 'NotFound') throw new ObjectMissingError();
    throw unavailable(error);
  }
}

/** The answers of S3 name no secret: an access key's id at most. */
function unavailable(error: unknown): ObjectStorageUnavailableError {
  const { name, message, code } =
    error instanceof Error
      ? (error as Error & { code?: unknown })
      : { name: 'Error', message: String(error), code: null };
  const status = (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
  const isRefusal =
    REFUSALS.has(name) || REFUSALS.has(String(code)) || status === 301 || status === 403 || status === 404;
  const detail = [name, status && `HTTP ${status}`, message !== name && message].filter(Boolean).join(', ');
  return new ObjectStorageUnavailableError(`The S3 bucket cannot be used: ${detail}`, {
    isRefusal,
    cause: error,
  });
}

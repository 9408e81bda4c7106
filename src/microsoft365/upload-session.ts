/*
 * Ranges of bytes to an upload session of Outlook. Its URL is authorized in itself, lies outside of Graph, and gets no
 * token. https://learn.microsoft.com/graph/outlook-large-attachments
 */
import { z } from 'zod';
import { type Clock, delay, MINUTE, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { startDeadline } from './deadline.ts';
import type { EndpointOverrides } from './endpoints.ts';
import { readFailure, timeoutError, unreachableError } from './graph-answer.ts';
import type { GraphObserver, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { decideRetry, type RetryBudget } from './graph-retry.ts';

/** Ranges are multiples of 320 KiB, and stay below 4 MB. */
const RANGE_BYTES = 12 * 320 * 1_024;
/** 4 MB over a slow line. */
const RANGE_MILLISECONDS = 2 * MINUTE;
const STATUS_MILLISECONDS = 30 * SECOND;
/** Of one range, with what is asked in between. A pause that is longer than some seconds is the caller's to sit out. */
const RANGE_BUDGET: RetryBudget = { attempts: 5, milliseconds: 5 * MINUTE, pauseMilliseconds: 8 * SECOND };
const UPLOAD = 'attachment.upload';

/** The token in the URL has expired, or the session has. */
const ENDED_STATUSES: ReadonlySet<number | null> = new Set([401, 403, 404, 410]);

const progressSchema = z.record(z.string(), z.unknown());

/** A file that is uploaded, read as it is needed. */
export interface UploadSource {
  sizeBytes: number;
  read(fromByte: number): AsyncIterable<Uint8Array>;
  /** Called when Microsoft has taken a range, and wants more. */
  onRange?(): Promise<void>;
}

/** Sends files to upload sessions. */
export interface UploadSessions {
  /** Whether bytes may be sent there: over TLS, or to where requests of Graph go instead of Microsoft. */
  isAllowed(uploadUrl: string): boolean;
  /** Where to go on, in bytes; null when the session does not exist (any more), or does not say. */
  whereToGoOn(uploadUrl: string, scope: GraphScope): Promise<number | null>;
  /**
   * Sends the file from `fromByte` on, in order. Resolves with `EXPIRED` when the session ended before the file did.
   * Throws `GraphError`, or the signal's reason; what was sent until then is kept by Microsoft.
   */
  send(
    uploadUrl: string,
    source: UploadSource,
    fromByte: number,
    scope: GraphScope,
  ): Promise<'DONE' | 'EXPIRED'>;
}

export interface UploadDeps {
  overrides: EndpointOverrides;
  clock: Clock;
  observer: GraphObserver;
  /** In [0, 1). */
  random(): number;
  /** For tests: how long one range may take. */
  rangeMilliseconds?: number;
}

type RangeAnswer = 'DONE' | 'EXPIRED' | { next: number };

/** Makes them. */
export function createUploadSessions(deps: UploadDeps): UploadSessions {
  const { clock, observer, overrides } = deps;

  async function request(
    method: 'GET' | 'PUT',
    uploadUrl: string,
    scope: GraphScope,
    { headers, body, milliseconds }: { headers: Record<string, string>; body?: Buffer; milliseconds: number },
  ): Promise<{ response: Response; json: unknown }> {
    if (!isAllowed(uploadUrl)) {
      throw new GraphError('FOREIGN_LINK', 'A link for uploads leads elsewhere and was not followed.');
    }
    const deadline = startDeadline(milliseconds, timeoutError(UPLOAD));
    const startedAt = monotonicMilliseconds();
    let status: number | null = null;
    try {
      if (scope.counter !== null) scope.counter.requests += 1;
      const response = await fetch(uploadUrl, {
        method,
        headers: { accept: 'application/json', ...headers },
        ...(body === undefined
          ? {}
          : { body: new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length) }),
        redirect: 'manual',
        signal: AbortSignal.any([scope.signal, deadline.signal]),
      });
      status = response.status;
      if (!response.ok) throw await readFailure(response, 'ITEM', clock.now());
      return { response, json: jsonOf(await response.text()) };
    } catch (error) {
      if (scope.signal.aborted) throw scope.signal.reason;
      throw error instanceof GraphError ? error : unreachableError(UPLOAD, error);
    } finally {
      deadline.clear();
      observer.onRequest?.({
        operation: UPLOAD,
        status,
        seconds: (monotonicMilliseconds() - startedAt) / SECOND,
      });
    }
  }

  function isAllowed(uploadUrl: string): boolean {
    if (!URL.canParse(uploadUrl)) return false;
    const { protocol, origin, username, password } = new URL(uploadUrl);
    if (username !== '' || password !== '') return false;
    return protocol === 'https:' || origin === originOf(overrides.graphUrl);
  }

  async function whereToGoOn(uploadUrl: string, scope: GraphScope): Promise<number | null> {
    try {
      const { json } = await request('GET', uploadUrl, scope, {
        headers: {},
        milliseconds: STATUS_MILLISECONDS,
      });
      return nextExpected(json);
    } catch (error) {
      // Outlook's page documents no GET: whatever it refuses, a new session is as good.
      if (error instanceof GraphError && !error.isTransient) return null;
      throw error;
    }
  }

  async function sendRange(
    uploadUrl: string,
    range: Buffer,
    start: number,
    sizeBytes: number,
    scope: GraphScope,
  ): Promise<RangeAnswer> {
    const end = start + range.length;
    const { response, json } = await request('PUT', uploadUrl, scope, {
      headers: {
        'content-type': 'application/octet-stream',
        'content-range': `bytes ${start}-${end - 1}/${sizeBytes}`,
      },
      body: range,
      milliseconds: deps.rangeMilliseconds ?? RANGE_MILLISECONDS,
    });
    if (response.status === 201) return 'DONE';
    const next = nextExpected(json) ?? end;
    if (next < sizeBytes) return { next };
    throw new GraphError(
      'UNEXPECTED_ANSWER',
      'Microsoft took the whole file and did not say that it has it.',
      {
        status: response.status,
      },
    );
  }

  /** Tries until Microsoft has taken the range, or says where else to go on. */
  async function insist(
    uploadUrl: string,
    range: Buffer,
    start: number,
    sizeBytes: number,
    scope: GraphScope,
  ): Promise<RangeAnswer> {
    const startedAt = monotonicMilliseconds();
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await sendRange(uploadUrl, range, start, sizeBytes, scope);
      } catch (error) {
        if (scope.signal.aborted || !(error instanceof GraphError)) throw error;
        if (ENDED_STATUSES.has(error.status)) return 'EXPIRED';
        if (error.status === 409 || error.status === 416) {
          // It has these bytes already, or lacks earlier ones: an answer was lost.
          const next = await whereToGoOn(uploadUrl, scope);
          if (next === null) return 'EXPIRED';
          if (next !== start) return { next };
        }
        const { status, retryAfterMilliseconds } = error;
        const decision = decideRetry(
          {
            status,
            retryAfterMilliseconds,
            attempts,
            elapsedMilliseconds: monotonicMilliseconds() - startedAt,
            // The same bytes at the same place.
            isRepeatable: error.isTransient,
          },
          RANGE_BUDGET,
          deps.random(),
        );
        if (decision.action === 'GIVE_UP') throw error;
        const { waitMilliseconds } = decision;
        observer.onRetry?.({ operation: UPLOAD, status, waitSeconds: waitMilliseconds / SECOND });
        await delay(waitMilliseconds, scope.signal);
        if (status !== null && status < 500) continue;
        const next = await whereToGoOn(uploadUrl, scope);
        // Null says nothing about a session that just took bytes: the range itself will tell.
        if (next !== null && next !== start) return { next };
      }
    }
  }

  return {
    isAllowed,
    whereToGoOn,
    async send(uploadUrl, source, fromByte, scope) {
      let reader = new RangeReader(source, fromByte);
      // Microsoft may send us back, yet not for ever.
      let left = 10 + 3 * Math.ceil(source.sizeBytes / RANGE_BYTES);
      try {
        while (left > 0) {
          left -= 1;
          const start = reader.position;
          const range = await reader.next();
          const answer = await insist(uploadUrl, range, start, source.sizeBytes, scope);
          if (answer === 'DONE' || answer === 'EXPIRED') return answer;
          await source.onRange?.();
          if (answer.next !== reader.position) {
            await reader.close();
            reader = new RangeReader(source, answer.next);
          }
        }
        throw new GraphError(
          'UNEXPECTED_ANSWER',
          'Microsoft asked for the same parts of a file again and again.',
        );
      } finally {
        await reader.close();
      }
    },
  };
}

/** Cuts a file into ranges; holds one of them. */
class RangeReader {
  /** Of the next range. */
  position: number;
  readonly #sizeBytes: number;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor({ sizeBytes, read }: UploadSource, fromByte: number) {
    this.position = fromByte;
    this.#sizeBytes = sizeBytes;
    this.#chunks = read(fromByte)[Symbol.asyncIterator]();
  }

  async next(): Promise<Buffer> {
    const range = Buffer.allocUnsafe(Math.min(RANGE_BYTES, this.#sizeBytes - this.position));
    let filled = 0;
    while (filled < range.length) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#chunks.next();
        if (done) throw new Error('A file to be sent is shorter than its size says.');
        this.#rest = value;
        continue;
      }
      const part = this.#rest.subarray(0, range.length - filled);
      range.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    this.position += range.length;
    return range;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** `nextExpectedRanges` in any capitals: `["2097152"]`, `["2097152-"]` or `["2097152-4194303"]`; null without one. */
function nextExpected(json: unknown): number | null {
  const parsed = progressSchema.safeParse(json);
  if (!parsed.success) return null;
  const name = Object.keys(parsed.data).find((key) => key.toLowerCase() === 'nextexpectedranges');
  const ranges = name === undefined ? null : parsed.data[name];
  const [first] = Array.isArray(ranges) ? ranges : [];
  const start = /^\s*(\d{1,15})/.exec(String(first ?? ''))?.[1];
  return start === undefined ? null : Number(start);
}

function originOf(graphUrl: string | null): string | null {
  const url = graphUrl?.replace('{host}', 'graph.microsoft.com') ?? '';
  return URL.canParse(url) ? new URL(url).origin : null;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

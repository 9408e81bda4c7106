/* What comes back from Graph, as far as it is the same for every call: JSON, bytes, failures. */
import { MINUTE, monotonicMilliseconds } from '../platform/clock.ts';
import type { Deadline } from './deadline.ts';
import { GraphError } from './graph-error.ts';
import { type GraphSubject, toGraphError } from './graph-failure.ts';

/** The longest that a stream may last. */
const STREAM_MILLISECONDS = 15 * MINUTE;

/** The error of an answer that is none. */
export async function readFailure(response: Response, subject: GraphSubject, now: Date): Promise<GraphError> {
  const text = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy's error page: the status has to do.
  }
  return toGraphError(
    { status: response.status, header: (name) => response.headers.get(name), body },
    subject,
    now,
  );
}

/**
 * The JSON of an answer; null when it is empty. Throws `GraphError` when it is no JSON, or larger than `largestBytes`.
 */
export async function readJson(response: Response, largestBytes: number): Promise<unknown> {
  const text = await readText(response, largestBytes);
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph answered with something that is not JSON.', {
      status: response.status,
      requestId: response.headers.get('request-id'),
      cause,
    });
  }
}

/** Throws `ANSWER_TOO_LARGE` as soon as it is, and lets the rest go. */
async function readText(response: Response, largestBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > largestBytes) {
      throw new GraphError('ANSWER_TOO_LARGE', 'Microsoft Graph answered with more than can be held.', {
        status: response.status,
        requestId: response.headers.get('request-id'),
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The bytes of an answer as they come. `release` is called once they have all come, or nobody wants more. */
export async function* readStream(
  response: Response,
  operation: string,
  signal: AbortSignal,
  deadline: Deadline,
  release: () => void,
): AsyncGenerator<Uint8Array> {
  const openedAt = monotonicMilliseconds();
  try {
    for await (const chunk of response.body ?? []) {
      const left = STREAM_MILLISECONDS - (monotonicMilliseconds() - openedAt);
      // The reader's own time is limited only as a whole: what is being timed here is Microsoft.
      deadline.restart(Math.max(0, left));
      yield chunk;
      if (deadline.signal.aborted) throw deadline.signal.reason;
      deadline.restart();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof GraphError ? error : unreachableError(operation, error);
  } finally {
    release();
  }
}

/** What a call ends with when time is up. */
export function timeoutError(operation: string): GraphError {
  return new GraphError('GRAPH_TIMEOUT', `Microsoft Graph did not answer in time (${operation}).`);
}

/** What a call ends with when there was no whole answer. */
export function unreachableError(operation: string, cause: unknown): GraphError {
  return new GraphError('GRAPH_UNAVAILABLE', `Microsoft Graph could not be reached (${operation}).`, {
    cause,
  });
}

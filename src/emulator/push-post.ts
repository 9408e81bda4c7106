import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

/** More of an answer is not read. */
const MOST_ANSWER_BYTES = 8 * 1024;

/** A request to a client's endpoint. */
export interface PushRequest {
  url: URL;
  contentType: string;
  body: string;
  timeoutMs: number;
  /** Cuts the request off when the emulator is reset or closed. */
  signal: AbortSignal;
}

/** What came back, or why nothing did. Redirects are answers like any other: they are never followed. */
export type PushAnswer =
  | { kind: 'answered'; status: number; contentType: string; body: string; milliseconds: number }
  | { kind: 'timeout' | 'unreachable' | 'cut'; milliseconds: number };

/** POSTs to an endpoint, over a connection of its own: nothing stays open. Never throws. */
export async function pushPost(push: PushRequest): Promise<PushAnswer> {
  const startedAt = performance.now();
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), push.timeoutMs);
  try {
    const answer = await send(push, AbortSignal.any([push.signal, timeout.signal]));
    return { kind: 'answered', ...answer, milliseconds: performance.now() - startedAt };
  } catch {
    const milliseconds = performance.now() - startedAt;
    if (push.signal.aborted) return { kind: 'cut', milliseconds };
    return { kind: timeout.signal.aborted ? 'timeout' : 'unreachable', milliseconds };
  } finally {
    clearTimeout(timer);
  }
}

function send(
  { url, contentType, body }: PushRequest,
  signal: AbortSignal,
): Promise<{ status: number; contentType: string; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    contentType: string;
    body: string;
  }>();
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const outgoing = request(url, {
    method: 'POST',
    agent: false,
    signal,
    headers: { 'content-type': contentType, 'content-length': Buffer.byteLength(body), connection: 'close' },
  });
  outgoing.on('error', reject);
  outgoing.on('response', (incoming) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const done = (): void => {
      const text = Buffer.concat(chunks).toString('utf8');
      resolve({
        status: incoming.statusCode ?? 0,
        contentType: incoming.headers['content-type'] ?? '',
        body: text,
      });
    };
    incoming.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= MOST_ANSWER_BYTES) return;
      done();
      incoming.destroy();
    });
    incoming.on('end', done);
    incoming.on('error', reject);
  });
  outgoing.end(body);
  return promise;
}

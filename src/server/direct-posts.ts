import type { IncomingMessage, ServerResponse } from 'node:http';
import { toError } from '../errors.ts';
import { MAX_BODY_BYTES } from '../graphql/limits.ts';
import { monotonicMilliseconds } from '../platform/clock.ts';
import { currentCorrelationId, type Logger } from '../platform/logger.ts';
import { bodyTooLarge } from './body-limit.ts';
import { jsonError, unexpectedError } from './json-error.ts';
import type { Metrics } from './metrics.ts';
import { createRequestRecord, withRequestId } from './request-log.ts';
import { securityHeadersOf } from './security-headers.ts';

/** What is answered. Without a body, an empty one. */
export interface DirectAnswer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string;
}

/** Answers a POST whose body has come whole, within the limit of all bodies. */
export type DirectPost = (text: string, query: URLSearchParams) => DirectAnswer | Promise<DirectAnswer>;

/** By path. */
export type DirectPosts = ReadonlyMap<string, DirectPost>;

/** What serving them takes. */
export interface DirectPostsOptions {
  posts: DirectPosts;
  logger: Logger;
  metrics: Metrics;
  publicUrl: string;
}

/** As the web's own `text()`: without a byte order mark, and with a replacement for what is no UTF-8. */
const utf8 = new TextDecoder();

/**
 * Serves POSTs of programs that come by the thousand, straight from Node: web requests, their streams and the routes'
 * middleware cost more than all that is done about a short notification. They get what every request gets: a correlation id,
 * a line in the log, a measurement, the limit of the body and the headers against harm; but no CORS, since no page calls them.
 *
 * The function says whether the request was one of them; otherwise it has not touched it.
 */
export function createDirectPosts({
  posts,
  logger,
  metrics,
  publicUrl,
}: DirectPostsOptions): (request: IncomingMessage, response: ServerResponse) => boolean {
  const securityHeaders = securityHeadersOf(publicUrl);
  const record = createRequestRecord(logger, metrics);

  async function serve(
    post: DirectPost,
    { pathname: path, searchParams }: URL,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const startedAt = monotonicMilliseconds();
    const { status, headers, body = '' } = await answer(post, searchParams, request);
    const id = currentCorrelationId();
    response
      .writeHead(status, {
        ...securityHeaders,
        ...(id !== undefined && { 'x-request-id': id }),
        'Content-Length': Buffer.byteLength(body),
        ...headers,
      })
      .end(body);
    record({ method: 'POST', path, route: path, status, startedAt });
  }

  async function answer(
    post: DirectPost,
    query: URLSearchParams,
    request: IncomingMessage,
  ): Promise<DirectAnswer> {
    try {
      const body = await bodyOf(request);
      // Nobody reads this answer.
      if (body === 'BROKEN_OFF') return { status: 400 };
      if (body !== 'TOO_LARGE') return await post(utf8.decode(body), query);
      const refused = await plain(jsonError(413, bodyTooLarge(), request.headers.accept));
      // What is left of the body is not read: the client must not send its next request behind it.
      return { ...refused, headers: { ...refused.headers, Connection: 'close' } };
    } catch (thrown) {
      logger.error({ err: toError(thrown), path: request.url?.split('?')[0] }, 'unexpected error in a route');
      return plain(unexpectedError());
    }
  }

  return (request, response) => {
    if (request.method !== 'POST') return false;
    const url = URL.parse(request.url ?? '', 'http://localhost');
    const post = url ? posts.get(url.pathname) : undefined;
    if (!url || !post) return false;
    void withRequestId(request.headers['x-request-id'], () => serve(post, url, request, response));
    return true;
  };
}

/** Broken off when the client went away in the middle of it, or was cut off for taking too long. */
function bodyOf(request: IncomingMessage): Promise<Buffer | 'BROKEN_OFF' | 'TOO_LARGE'> {
  const { promise, resolve } = Promise.withResolvers<Buffer | 'BROKEN_OFF' | 'TOO_LARGE'>();
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) resolve('TOO_LARGE');
  const parts: Buffer[] = [];
  let bytes = 0;
  request.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) resolve('TOO_LARGE');
    else parts.push(part);
  });
  request.on('end', () => resolve(Buffer.concat(parts)));
  request.on('error', () => resolve('BROKEN_OFF'));
  request.on('close', () => resolve('BROKEN_OFF'));
  return promise;
}

async function plain(response: Response): Promise<DirectAnswer> {
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}

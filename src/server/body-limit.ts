import type { MiddlewareHandler } from 'hono';
import { MAX_BODY_BYTES } from '../graphql/limits.ts';
import { RefusedRequestError } from './json-error.ts';

/**
 * Refuses bodies of more than `maxBytes`, with what `refuse` answers. A body whose length is declared is not touched: Node's
 * parser gives no more than that, and wrapping it into web streams would cost more than all the rest of a short request. One
 * that comes in chunks is read here.
 *
 * Hono's own does the latter by `new Request(request)`, which fails for the requests of its Node server (2.1.8): every
 * chunked request was answered with 500.
 */
export function bodyLimit(
  maxBytes: number,
  refuse: (accept: string | undefined) => Response,
): MiddlewareHandler {
  return async (context, next) => {
    const { req } = context;
    const tooLarge = () => {
      const response = refuse(req.header('accept'));
      // What is left of the body is not read: the client must not send its next request behind it.
      response.headers.set('Connection', 'close');
      return response;
    };
    if (req.header('transfer-encoding') === undefined) {
      if (Number(req.header('content-length') ?? 0) > maxBytes) return tooLarge();
      return next();
    }
    const { body, headers, method, signal } = req.raw;
    if (body === null) return next();
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of body as ReadableStream<Uint8Array>) {
      bytes += part.length;
      if (bytes > maxBytes) return tooLarge();
      parts.push(part);
    }
    req.raw = new Request(req.url, { method, headers, body: Buffer.concat(parts), signal });
    return next();
  };
}

/** What is said of a body beyond the limit. */
export function bodyTooLarge(): RefusedRequestError {
  return new RefusedRequestError(
    'LIMIT_EXCEEDED',
    `The body has more than ${MAX_BODY_BYTES} bytes, which is the limit.`,
    'Send less at a time.',
  );
}

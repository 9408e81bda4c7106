import { Readable } from 'node:stream';
import type { Hono } from 'hono';
import { NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import type { Services } from '../graphql/services.ts';
import { HOUR, SECOND } from '../platform/clock.ts';
import { forkFor } from '../platform/database.ts';
import { ObjectMissingError, ObjectStorageUnavailableError } from '../platform/object-storage.ts';
import { openAttachment } from '../ticketing/attachments.ts';
import { IMAGE_HEAD_BYTES, imageTypeOf, inlineImageSubject } from '../ticketing/inline-images.ts';
import type { Routes } from './http-app.ts';
import { jsonError } from './json-error.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * `GET /inline-images/:id`, for `<img src>`: a browser sends no Authorization header there, so the address itself is
 * signed, for one image and an hour at most (`Message.inlineImages` gives it to those who may read the message). It shows
 * PNG, JPEG, GIF and WebP, by their content and never by the mail's word; everything else is 404, as is a link that has
 * ended, was changed or is of another organization.
 */
export function inlineImage({ database, storages, links, clock }: Services): Routes {
  return (app: Hono) => {
    app.get('/inline-images/:id', async (context) => {
      const notFound = () => jsonError(404, new NotFoundError('The image'));
      const { organization = '', expires = '', signature = '' } = context.req.query();
      const id = readId(context.req.param('id'));
      if (id === null || !UUID.test(organization) || !/^\d{1,15}$/.test(expires)) return notFound();
      const subject = inlineImageSubject(organization, id);
      if (!links.verify(subject, new Date(Number(expires)), signature, clock.now())) return notFound();

      const em = forkFor(database, organization, context.req.raw.signal);
      const opened = await openAttachment(em, storages, id, { signal: context.req.raw.signal });
      if (opened === null || opened.contentLength < IMAGE_HEAD_BYTES) return notFound();
      let first: IteratorResult<Uint8Array>;
      const iterator = opened.chunks[Symbol.asyncIterator]();
      try {
        first = await iterator.next();
      } catch (error) {
        // Gone, or in a storage that is away: a browser shows its sign for a missing image either way.
        if (error instanceof ObjectMissingError || error instanceof ObjectStorageUnavailableError) {
          return notFound();
        }
        throw error;
      }
      const type = first.done ? null : imageTypeOf(first.value);
      if (first.done || type === null || context.req.method === 'HEAD') await iterator.return?.();
      if (first.done || type === null) return notFound();
      const { value } = first;
      const content = async function* () {
        yield value;
        yield* { [Symbol.asyncIterator]: () => iterator };
      };
      const headers = {
        'Cache-Control': `private, max-age=${HOUR / 2 / SECOND}`,
        'Content-Disposition': 'inline',
        'Content-Length': String(opened.contentLength),
        'Content-Security-Policy': "sandbox; default-src 'none'",
        'Content-Type': type,
        'Cross-Origin-Resource-Policy': 'cross-origin',
        'X-Content-Type-Options': 'nosniff',
      };
      if (context.req.method === 'HEAD') return context.body(null, 200, headers);
      return context.body(
        Readable.toWeb(Readable.from(content())) as ReadableStream<Uint8Array>,
        200,
        headers,
      );
    });
  };
}

function readId(globalId: string): string | null {
  try {
    return decodeId('Attachment', globalId);
  } catch {
    return null;
  }
}

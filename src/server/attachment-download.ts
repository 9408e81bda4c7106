import { Readable } from 'node:stream';
import type { Context, Hono } from 'hono';
import { authenticate } from '../access/authenticate.ts';
import { can } from '../access/session.ts';
import { ExpectedError, NotFoundError } from '../errors.ts';
import { ForbiddenError, UnauthenticatedError } from '../graphql/authorization-errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import type { Services } from '../graphql/services.ts';
import { forkFor } from '../platform/database.ts';
import { ObjectMissingError, ObjectStorageUnavailableError } from '../platform/object-storage.ts';
import { Attachment } from '../ticketing/attachment.entity.ts';
import { type OpenAttachment, openAttachment } from '../ticketing/attachments.ts';
import { parseByteRange } from './byte-range.ts';
import type { Routes } from './http-app.ts';
import { jsonError, RefusedRequestError } from './json-error.ts';
import { started } from './started.ts';

/**
 * `GET /attachments/:id` with the attachment's global id. What comes from outside is never shown by a browser under our
 * origin: it is always a download, its type is never guessed, and what opens it anyway is sandboxed.
 */
export function attachmentDownload({ database, storages, logger }: Services): Routes {
  return (app: Hono) => {
    app.get('/attachments/:id', async (context) => {
      const session = await authenticate(database, context.req.header('authorization'));
      if (!session) return jsonError(401, new UnauthenticatedError());
      if (!can(session, 'ticket:read')) return jsonError(403, new ForbiddenError('ticket:read'));
      const em = forkFor(database, session.organizationId, context.req.raw.signal);
      const id = readId(context.req.param('id'));
      const stored = id === null ? null : await em.findOne(Attachment, { id, state: 'STORED' });
      if (id === null || stored === null) return jsonError(404, new NotFoundError('The attachment'));
      const range = parseByteRange(context.req.header('range'), stored.sizeBytes);
      if (range === 'unsatisfiable') return outsideOfFile(stored.sizeBytes);
      const { signal } = context.req.raw;
      try {
        const opened = await openAttachment(em, storages, id, { ...(range && { range }), signal });
        if (!opened) return jsonError(404, new NotFoundError('The attachment'));
        // Whoever asks for the headers only reads nothing: what was begun would stay open, with its connection to the bucket.
        if (context.req.method === 'HEAD') return send(context, { ...opened, chunks: null }, range);
        // The first piece is read before anything is answered: a storage that is away is still told as that.
        return send(context, { ...opened, chunks: await started(opened.chunks) }, range);
      } catch (error) {
        if (error instanceof ObjectMissingError) return jsonError(404, new NotFoundError('The attachment'));
        if (!(error instanceof ObjectStorageUnavailableError)) throw error;
        logger.warn({ err: error }, 'a file could not be read from its storage');
        return jsonError(503, new StorageAwayError());
      }
    });
  };
}

/** The place where the file lies cannot be used now. */
export class StorageAwayError extends ExpectedError {
  constructor() {
    super(
      'STORAGE_UNAVAILABLE',
      'The place where files are kept cannot be reached now.',
      'Try again in a moment; an administrator finds the reason in the log.',
    );
  }
}

function send(
  context: Context,
  {
    attachment,
    contentLength,
    chunks,
  }: Omit<OpenAttachment, 'chunks'> & {
    chunks: OpenAttachment['chunks'] | null;
  },
  range: { start: number; end: number } | null,
): Response {
  const { name, sizeBytes, sha256 } = attachment;
  const headers: Record<string, string> = {
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, no-store',
    'Content-Disposition': contentDisposition(name),
    'Content-Length': String(contentLength),
    'Content-Security-Policy': "sandbox; default-src 'none'",
    // The sender's word for the type is for mail programs; a browser only gets bytes.
    'Content-Type': 'application/octet-stream',
    'X-Content-Type-Options': 'nosniff',
    ...(sha256 && { ETag: `"${sha256}"` }),
    ...(range && { 'Content-Range': `bytes ${range.start}-${range.end}/${sizeBytes}` }),
  };
  const status = range ? 206 : 200;
  if (chunks === null) return context.body(null, status, headers);
  return context.body(Readable.toWeb(Readable.from(chunks)) as ReadableStream<Uint8Array>, status, headers);
}

function outsideOfFile(sizeBytes: number): Response {
  const error = new RefusedRequestError(
    'INVALID_INPUT',
    `The file has ${sizeBytes} bytes; the range lies outside.`,
    'Ask for a range inside of it.',
  );
  const response = jsonError(416, error);
  response.headers.set('Content-Range', `bytes */${sizeBytes}`);
  return response;
}

function readId(globalId: string): string | null {
  try {
    return decodeId('Attachment', globalId);
  } catch {
    return null;
  }
}

/** RFC 6266: an ASCII name for old clients, and the real one percent-encoded as RFC 8187 says. */
function contentDisposition(name: string): string {
  const fallback = name.replace(/[^\x20-\x7e]|["\\%/]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${fallback}"; filename*=UTF-8''${encoded}`;
}

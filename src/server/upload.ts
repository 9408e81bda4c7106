import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import { authenticate } from '../access/authenticate.ts';
import { can } from '../access/session.ts';
import { type ExpectedError, NotFoundError } from '../errors.ts';
import { ForbiddenError, UnauthenticatedError } from '../graphql/authorization-errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import type { Services } from '../graphql/services.ts';
import { findUpload, storeUpload, UploadSizeError } from '../outbound/uploads.ts';
import { SECOND } from '../platform/clock.ts';
import { forkFor } from '../platform/database.ts';
import { ObjectStorageUnavailableError } from '../platform/object-storage.ts';
import { StorageAwayError } from './attachment-download.ts';
import type { Routes } from './http-app.ts';
import { jsonError, RefusedRequestError } from './json-error.ts';
import type { LongRequests } from './long-requests.ts';
import { isForeignOrigin, type OriginPolicy } from './request-origin.ts';

/** How long a sender may be silent. */
const IDLE_TIMEOUT = 30 * SECOND;
/** Bytes a second that a sender must reach over the whole file: nobody holds a connection for a day. */
const SLOWEST_RATE = 64 * 1024;

/** What the route needs. */
export interface UploadRouteOptions {
  services: Services;
  origins: OriginPolicy;
  longRequests: () => LongRequests;
}

/**
 * `PUT /uploads/:id` with an upload's global id: the content of a file that `createUpload` announced, with exactly as many
 * bytes. What breaks off is sent again from its beginning; once it is stored, sending it again changes nothing.
 */
export function uploadRoute({ services, origins, longRequests }: UploadRouteOptions): Routes {
  const { database, storages, clock, logger } = services;
  return (app: Hono) => {
    app.put('/uploads/:id', async (context) => {
      const { req } = context;
      if (isForeignOrigin((name) => req.header(name), origins))
        return closing(jsonError(403, foreignOrigin()));
      const session = await authenticate(database, req.header('authorization'));
      if (!session) return closing(jsonError(401, new UnauthenticatedError()));
      if (!can(session, 'ticket:reply')) return closing(jsonError(403, new ForbiddenError('ticket:reply')));
      const { organizationId, userId } = session;
      const idle = new AbortController();
      const em = forkFor(database, organizationId, AbortSignal.any([req.raw.signal, idle.signal]));
      const id = readId(req.param('id'));
      const upload = id === null ? null : await findUpload(em, id, userId, clock.now());
      if (upload === null) return closing(jsonError(404, new NotFoundError('The upload')));
      const { name, sizeBytes } = upload;
      const answer = (sha256: string) =>
        context.json({ upload: { id: req.param('id'), name, sizeBytes, sha256 } });
      if (upload.sha256 != null) return closing(answer(upload.sha256));
      const declared = req.header('content-length');
      if (declared !== undefined && Number(declared) !== sizeBytes) {
        const error = new UploadSizeError(sizeBytes, `Content-Length says ${declared}`);
        return closing(jsonError(400, error));
      }
      const { incoming } = context.env as HttpBindings;
      const endLetOff = longRequests().letOff(incoming.socket);
      const slow = setTimeout(() => idle.abort(), IDLE_TIMEOUT + (sizeBytes / SLOWEST_RATE) * SECOND);
      try {
        const { signal } = idle;
        const place = { storages, organizationId, now: () => clock.now(), signal };
        return answer(await storeUpload(em, upload, place, bodyOf(req.raw, idle)));
      } catch (error) {
        if (error instanceof UploadSizeError) return closing(jsonError(400, error));
        if (idle.signal.aborted) return closing(jsonError(408, tooSlow()));
        if (!(error instanceof ObjectStorageUnavailableError)) throw error;
        logger.warn({ err: error }, 'a file could not be written to its storage');
        return closing(jsonError(503, new StorageAwayError()));
      } finally {
        clearTimeout(slow);
        endLetOff();
      }
    });
  };
}

/** The body in its pieces; a sender that falls silent aborts `idle`. */
async function* bodyOf({ body }: Request, idle: AbortController): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const aborted = new Promise<never>((_, reject) => {
    idle.signal.addEventListener('abort', () => reject(idle.signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  try {
    for (;;) {
      const timer = setTimeout(() => idle.abort(), IDLE_TIMEOUT);
      const { done, value } = await Promise.race([reader.read(), aborted]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** What is left of the body is not read: the client must not send its next request behind it. */
function closing(response: Response): Response {
  response.headers.set('Connection', 'close');
  return response;
}

function foreignOrigin(): ExpectedError {
  return new RefusedRequestError(
    'FOREIGN_ORIGIN',
    'A browser sent this from a page of another origin.',
    'List the origin in DESKGRAPH_CORS_ORIGINS.',
  );
}

function tooSlow(): ExpectedError {
  return new RefusedRequestError(
    'TIMEOUT',
    'The file came too slowly, and nothing of it was kept.',
    'Send it again, over a faster line if there is one.',
  );
}

function readId(globalId: string): string | null {
  try {
    return decodeId('Upload', globalId);
  } catch {
    return null;
  }
}

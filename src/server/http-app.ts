import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { ExpectedError, toError } from '../errors.ts';
import { MAX_BODY_BYTES } from '../graphql/limits.ts';
import type { Services } from '../graphql/services.ts';
import { MINUTE, SECOND } from '../platform/clock.ts';
import { bodyLimit, bodyTooLarge } from './body-limit.ts';
import type { GraphQLHandler } from './graphql-handler.ts';
import { createReadyz, livez } from './health.ts';
import { jsonError, RefusedRequestError, unexpectedError } from './json-error.ts';
import { type Metrics, metricsPage } from './metrics.ts';
import { requestLog } from './request-log.ts';
import { securityHeaders } from './security-headers.ts';

/** Adds routes of its own, such as the console's. */
export type Routes = (app: Hono) => void;

/** What the routes need. */
export interface HttpAppOptions {
  services: Services;
  graphql: GraphQLHandler;
  metrics: Metrics;
  corsOrigins: readonly string[];
  draining: AbortSignal;
  routes: readonly Routes[];
}

/** Every route of the server, behind what all of them share. */
export function createHttpApp({
  services,
  graphql,
  metrics,
  corsOrigins,
  draining,
  routes,
}: HttpAppOptions): Hono {
  const { database, logger, publicUrl } = services;
  const app = new Hono();

  app.use(requestLog(logger, metrics));
  app.use(securityHeaders(publicUrl));
  app.use(
    cors({
      origin: (origin) => (corsOrigins.includes(origin) ? origin : null),
      allowMethods: ['GET', 'POST', 'PUT'],
      allowHeaders: ['authorization', 'content-type', 'x-request-id'],
      exposeHeaders: ['x-request-id'],
      maxAge: (10 * MINUTE) / SECOND,
    }),
  );
  const limitBody = bodyLimit(MAX_BODY_BYTES, (accept) => jsonError(413, bodyTooLarge(), accept));
  // Files come as long as they were announced to be, and as a stream.
  app.use((context, next) => (isUpload(context.req) ? next() : limitBody(context, next)));

  app.get('/livez', livez);
  app.get('/readyz', createReadyz({ database, logger, draining }));
  app.get('/metrics', () => metricsPage(metrics));
  app.all('/graphql', (context) => graphql.handle(context.req.raw));
  for (const addTo of routes) addTo(app);

  app.notFound(() =>
    jsonError(404, new RefusedRequestError('NOT_FOUND', 'There is nothing here.', 'Check the path.')),
  );
  app.onError((thrown, context) => {
    const error = toError(thrown);
    if (error instanceof ExpectedError) return jsonError(400, error, context.req.header('accept'));
    // Nobody reads the answer; an error of ours in the log would be everybody's to make.
    if (hasBrokenOff(context.env)) return new Response(null, { status: 400 });
    logger.error({ err: error, path: context.req.path }, 'unexpected error in a route');
    return unexpectedError();
  });
  return app;
}

function isUpload({ method, path }: { method: string; path: string }): boolean {
  return method === 'PUT' && path.startsWith('/uploads/');
}

/** Whether the client went away, or was cut off, before all of its request had come. */
function hasBrokenOff(bindings: unknown): boolean {
  const incoming = (bindings as Partial<HttpBindings> | undefined)?.incoming;
  return incoming ? incoming.destroyed && !incoming.complete : false;
}

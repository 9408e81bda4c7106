import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { GraphQLSchema } from 'graphql';
import type { Services } from '../graphql/services.ts';
import { SECOND } from '../platform/clock.ts';
import { attachmentDownload } from './attachment-download.ts';
import { createDirectPosts, type DirectPosts } from './direct-posts.ts';
import { createGraphQLHandler } from './graphql-handler.ts';
import { serveGraphQLSocket } from './graphql-socket.ts';
import { createHttpApp, type Routes } from './http-app.ts';
import { inlineImage } from './inline-image.ts';
import { watchLongRequests } from './long-requests.ts';
import type { Metrics } from './metrics.ts';
import { oauthCallback } from './oauth-callback.ts';
import { OpenStreams } from './open-streams.ts';
import { signInLink } from './sign-in-link.ts';
import { uploadRoute } from './upload.ts';

/** How long a client may take to send the head of a request. */
const HEADERS_TIMEOUT = 10 * SECOND;
/** How long a client may take to send a request. */
const REQUEST_TIMEOUT = 30 * SECOND;
/** How often the two limits above are looked at: by Node's default of 30 s a slow sender would have twice its time. */
const TIMEOUT_CHECK_INTERVAL = 5 * SECOND;
/** How long an idle connection is kept: longer than load balancers do (60 s), so that they close it and never race us. */
const KEEP_ALIVE_TIMEOUT = 65 * SECOND;
/** How long a stop waits for answers under way before it cuts the connections. */
const CLOSE_DEADLINE = 5 * SECOND;

/** What the server needs. */
export interface HttpServerOptions {
  schema: GraphQLSchema;
  services: Services;
  metrics: Metrics;
  config: {
    /** 0 for any free one. */
    port: number;
    host: string;
    /** Origins that browsers may call from, exactly. */
    corsOrigins: readonly string[];
    /** Turns GraphiQL and introspection off. */
    isProduction: boolean;
  };
  /** Aborts when the process takes no new work: readiness says no from then on. */
  draining: AbortSignal;
  /** Routes besides our own. */
  routes?: readonly Routes[];
  /** What is answered before any route. */
  posts?: DirectPosts;
}

/** A server that listens. */
export interface HttpServer {
  /** Where it listens, without a trailing slash. */
  url: string;
  /** Closes WebSockets with 1001, ends event streams, lets answers finish for five seconds, and stops listening. */
  close(): Promise<void>;
}

/** Starts to listen. Throws when the address is in use. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { schema, services, metrics, config, draining, routes = [], posts = new Map() } = options;
  const streams = new OpenStreams(services.sessions);
  metrics.observeOpenStreams(() => streams.size);
  const origins = { publicUrl: services.publicUrl, corsOrigins: config.corsOrigins };
  const graphql = createGraphQLHandler({
    schema,
    services,
    streams,
    origins,
    isProduction: config.isProduction,
  });
  const app = createHttpApp({
    services,
    graphql,
    metrics,
    corsOrigins: config.corsOrigins,
    draining,
    routes: [
      signInLink(services),
      oauthCallback(services),
      attachmentDownload(services),
      inlineImage(services),
      uploadRoute({ services, origins, longRequests: () => longRequests }),
      ...routes,
    ],
  });
  const serveRoutes = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const { logger, publicUrl } = services;
  const servePost = createDirectPosts({ posts, logger, metrics, publicUrl });
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    },
    (request, response) => {
      if (!servePost(request, response)) void serveRoutes(request, response);
    },
  );
  const longRequests = watchLongRequests(server);
  const sockets = serveGraphQLSocket(server, { services, handler: graphql, streams, origins });
  const { port } = await listen(server, config.port, config.host);
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}`,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      streams.close();
      await sockets.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_DEADLINE);
      await closed;
      clearTimeout(cut);
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

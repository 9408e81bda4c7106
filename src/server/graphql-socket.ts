import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ExecutionArgs,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
} from 'graphql';
import { CloseCode, type Context, type ExecutionResult, handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { authenticate } from '../access/authenticate.ts';
import { reloadSession, type Session } from '../access/session.ts';
import { ExpectedError, toError } from '../errors.ts';
import type { Caller, OpenStream } from '../graphql/execution.ts';
import { MAX_BODY_BYTES, MAX_OPERATIONS_PER_SOCKET } from '../graphql/limits.ts';
import { createMaskError } from '../graphql/mask-error.ts';
import type { Services } from '../graphql/services.ts';
import { SECOND } from '../platform/clock.ts';
import { withCorrelation } from '../platform/logger.ts';
import type { GraphQLHandler } from './graphql-handler.ts';
import { type OpenStreams, ServerStoppingError, TooManyStreamsError } from './open-streams.ts';
import { isForeignOrigin, type OriginPolicy } from './request-origin.ts';

/** How often a socket is asked whether it still lives; one that has not answered by the next time is gone. */
const HEARTBEAT_INTERVAL = 15 * SECOND;
/** How long a client may take from the connection to `connection_init`. */
const INIT_DEADLINE = 5 * SECOND;
/** How long a peer may take to answer the closing of its socket. */
const CLOSE_DEADLINE = 2 * SECOND;

/** WebSocket close codes of RFC 6455, section 7.4, and IANA's registry, that graphql-transport-ws leaves to us. */
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;

/** What GraphQL over WebSocket needs. */
export interface GraphQLSocketOptions {
  services: Services;
  handler: GraphQLHandler;
  streams: OpenStreams;
  origins: OriginPolicy;
}

/** The payload of `connection_init`; whatever a client sends, so nothing in it is believed. */
interface InitPayload extends Record<string, unknown> {
  authorization?: unknown;
}

/** What we keep of one socket. */
interface Connection {
  socket: WebSocket;
  session: Session | null;
  stream: OpenStream | null;
}

type SocketContext = Context<InitPayload | undefined, Connection>;

/** The operation that graphql-ws runs, with the functions that were made for its caller. */
interface SocketOperation extends ExecutionArgs {
  enveloped: ReturnType<GraphQLHandler['getEnveloped']>;
}

/**
 * Serves graphql-transport-ws on `/graphql` of `server`. Credentials come in `connection_init` as
 * `{ "authorization": "Bearer …" }`: without any the socket closes with 4401, with unknown ones with 4403, and so it
 * does, at once, when they are revoked later. Returns what closes all sockets with 1001.
 */
export function serveGraphQLSocket(
  server: Server,
  { services, handler, streams, origins }: GraphQLSocketOptions,
): { close: () => Promise<void> } {
  const { database, logger } = services;
  const maskError = createMaskError(logger);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_BODY_BYTES,
    perMessageDeflate: false,
    handleProtocols,
  });

  const protocol = makeServer<InitPayload | undefined, Connection>({
    connectionInitWaitTimeout: INIT_DEADLINE,
    async onConnect(context) {
      const { socket } = context.extra;
      const authorization = context.connectionParams?.authorization;
      if (typeof authorization !== 'string') {
        socket.close(CloseCode.Unauthorized, 'Unauthorized');
        return false;
      }
      const session = await authenticate(database, authorization);
      if (session === null) return false;
      context.extra.session = session;
      return openStream(context.extra, session);
    },
    async onSubscribe(context, _id, { query, operationName, variables }) {
      if (Object.keys(context.subscriptions).length > MAX_OPERATIONS_PER_SOCKET) {
        return [maskError(new TooManyOperationsError())];
      }
      const enveloped = handler.getEnveloped({ caller: await callerOf(context) });
      try {
        const document = enveloped.parse(query);
        const errors = enveloped.validate(enveloped.schema, document);
        if (errors.length > 0) return errors;
        const operation: SocketOperation = {
          schema: enveloped.schema,
          document,
          operationName: operationName ?? null,
          variableValues: variables ?? null,
          contextValue: await enveloped.contextFactory(),
          enveloped,
        };
        return operation;
      } catch (thrown) {
        return [maskError(thrown)];
      }
    },
    execute: (operation) => (operation as SocketOperation).enveloped.execute(operation),
    subscribe: (operation) => (operation as SocketOperation).enveloped.subscribe(operation),
    onError: (_context, _id, _payload, errors) => errors.map(withoutHttp),
    onNext: (_context, _id, _payload, _args, result) => formatResult(result),
  });

  async function callerOf({ extra }: SocketContext): Promise<Caller> {
    const { session, stream } = extra;
    const reload = async () => session && reloadSession(database, session);
    const signal = stream?.signal ?? new AbortController().signal;
    // The socket may be days old: what this operation may do is decided now. It is itself the stream that is counted.
    return {
      session: await reload(),
      signal,
      reload,
      openStream: () => ({ signal, [Symbol.dispose]: () => undefined }),
    };
  }

  /** Counts the socket and ties its life to the session's. Whether it may stay. */
  function openStream(connection: Connection, session: Session): boolean {
    const { socket } = connection;
    try {
      connection.stream = streams.open(session);
    } catch (error) {
      if (!(error instanceof TooManyStreamsError)) throw error;
      socket.close(TRY_AGAIN_LATER, error.code);
      return false;
    }
    // The socket may have closed while its credentials were looked up.
    if (socket.readyState !== socket.OPEN) connection.stream[Symbol.dispose]();
    const { signal } = connection.stream;
    const end = () =>
      signal.reason instanceof ServerStoppingError
        ? socket.close(GOING_AWAY, 'Going away')
        : socket.close(CloseCode.Forbidden, 'Forbidden');
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return true;
  }

  sockets.on('connection', (socket: WebSocket) => {
    const connection: Connection = { socket, session: null, stream: null };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        close: (code, reason) => socket.close(code, reason),
        // Resolves when the bytes have left: a slow client slows its streams down and nobody else's.
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve();
            socket.send(data, (error) => (error ? reject(error) : resolve()));
          }),
        onMessage: (handle) =>
          socket.on('message', (data) =>
            withCorrelation(undefined, () => handle(String(data))).catch((thrown) => {
              logger.error({ err: toError(thrown) }, 'a WebSocket message could not be handled');
              socket.close(CloseCode.InternalServerError, 'Internal server error');
            }),
          ),
      },
      connection,
    );
    const stopHeartbeat = startHeartbeat(socket);
    // What the peer did wrong (a frame too large, text that is not UTF-8) closes the socket with ws' own code.
    socket.on('error', (error) => logger.info({ err: error }, 'a WebSocket failed'));
    socket.once('close', (code, reason) => {
      stopHeartbeat();
      connection.stream?.[Symbol.dispose]();
      closed(code, String(reason)).catch((thrown) =>
        logger.warn({ err: toError(thrown) }, 'could not clean up after a WebSocket'),
      );
    });
  });

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    // What is no URL must not throw here: nobody catches it, and the process would end.
    const target = URL.parse(request.url ?? '/', 'http://localhost');
    const header = (name: string) => request.headers[name]?.toString();
    if (target?.pathname !== '/graphql') return refuseUpgrade(socket, '404 Not Found');
    if (isForeignOrigin(header, origins)) return refuseUpgrade(socket, '403 Forbidden');
    sockets.handleUpgrade(request, socket, head, (webSocket) =>
      sockets.emit('connection', webSocket, request),
    );
  });

  return {
    async close() {
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'Going away');
      const terminate = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, CLOSE_DEADLINE);
      await new Promise<void>((resolve) => {
        sockets.close(() => resolve());
      });
      clearTimeout(terminate);
    },
  };
}

/** The socket runs as many operations as it may. */
class TooManyOperationsError extends ExpectedError {
  constructor() {
    super(
      'TOO_MANY_OPERATIONS',
      `This WebSocket already runs ${MAX_OPERATIONS_PER_SOCKET} operations, which is the limit.`,
      'Complete one first, or open another WebSocket.',
    );
  }
}

function startHeartbeat(socket: WebSocket): () => void {
  let hasAnswered = true;
  socket.on('pong', () => {
    hasAnswered = true;
  });
  const timer = setInterval(() => {
    if (!hasAnswered) return socket.terminate();
    hasAnswered = false;
    socket.ping();
  }, HEARTBEAT_INTERVAL);
  return () => clearInterval(timer);
}

/** The socket is destroyed once the answer has left: it is no longer the server's, and a peer that stays would hold up its end. */
function refuseUpgrade(socket: Duplex, status: string): void {
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function formatResult({ data, errors, extensions }: ExecutionResult): FormattedExecutionResult {
  return {
    ...(data !== undefined && { data }),
    ...(errors && { errors: errors.map(withoutHttp) }),
    ...(extensions && { extensions }),
  };
}

/** Errors say in `extensions.http` which status they would have over HTTP: nothing for a socket. */
function withoutHttp(error: GraphQLError | GraphQLFormattedError): GraphQLFormattedError {
  const { extensions, ...formatted } = error instanceof GraphQLError ? error.toJSON() : error;
  const { http: _http, unexpected: _unexpected, ...rest } = extensions ?? {};
  return { ...formatted, ...(Object.keys(rest).length > 0 && { extensions: rest }) };
}

import type { GraphQLSchema } from 'graphql';
import { createClient } from 'graphql-ws';
import { onTestFinished } from 'vitest';
import WebSocket from 'ws';
import type { Role } from '../../src/access/permissions.ts';
import { createSessionWatch } from '../../src/access/session-watch.ts';
import type { Services } from '../../src/graphql/services.ts';
import { createMicrosoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { createSetupChecks } from '../../src/microsoft365/setup-checks.ts';
import { EXCHANGE_LIMITS } from '../../src/outbound/send-limits.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createDatabaseStorage } from '../../src/platform/database-storage.ts';
import { createLinkSigner } from '../../src/platform/link-signing.ts';
import { createLogger, type Logger } from '../../src/platform/logger.ts';
import { createNotifications } from '../../src/platform/notifications.ts';
import { objectStorages } from '../../src/platform/object-storage.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { createEventBus } from '../../src/realtime/event-bus.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import type { Routes } from '../../src/server/http-app.ts';
import { startHttpServer } from '../../src/server/http-server.ts';
import { createMetrics } from '../../src/server/metrics.ts';
import { signIn } from '../access/harness.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { overheard } from '../support/secret-watch.ts';

/** An answer of GraphQL, as a client sees it. */
export interface GraphQLAnswer {
  status: number;
  headers: Headers;
  data: Record<string, unknown> | null | undefined;
  errors: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[];
}

/** A server with everything below it, on a free port. */
export interface TestServer extends AsyncDisposable {
  url: string;
  services: Services;
  own: TestDatabase;
  /** What was logged, one line each. */
  log: string[];
  draining: AbortController;
  /** Makes an organization with a user of `role` and gives the key. */
  key(
    role: Role,
    organizationId?: string,
  ): Promise<{ secret: string; organizationId: string; userId: string; apiKeyId: string }>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  graphql(
    query: string,
    options?: { key?: string; variables?: Record<string, unknown>; headers?: Record<string, string> },
  ): Promise<GraphQLAnswer>;
  /** Records `ticket.created` as the domain does. */
  emit(organizationId: string, ticketId: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server around a schema. */
export async function startTestServer({
  schema,
  isProduction = false,
  corsOrigins = [],
  routes = [],
}: {
  schema: GraphQLSchema;
  isProduction?: boolean;
  corsOrigins?: string[];
  routes?: Routes[];
}): Promise<TestServer> {
  const own = await cloneDatabase();
  const log: string[] = [];
  const logger: Logger = overheard(createLogger('info', { write: (line) => log.push(line) }));
  const notifications = createNotifications({ databaseUrl: own.url, logger });
  const events = createEventBus({ database: own.database, notifications, logger });
  const sessions = createSessionWatch({ database: own.database, notifications, logger });
  await events.start();
  await notifications.start();
  const publicUrl = 'https://desk.example';
  const microsoft365 = createMicrosoft365({
    database: own.database,
    secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
    logger,
    clock: systemClock,
    publicUrl,
    // Nobody listens there: these tests never get as far as Microsoft.
    loginUrl: 'http://127.0.0.1:9',
    graphUrl: 'http://127.0.0.1:9',
    onConnected: async () => undefined,
  });
  const links = createLinkSigner([{ name: 'test', key: Buffer.alloc(32, 7) }]);
  const services: Services = {
    database: own.database,
    clock: systemClock,
    logger,
    publicUrl,
    pushEnvironment: { publicUrl, graphUrl: null },
    links,
    storages: objectStorages(createDatabaseStorage(own.database)),
    events,
    sessions,
    microsoft365,
    setupChecks: createSetupChecks(
      {
        publicUrl: null,
        overrides: { loginUrl: 'http://127.0.0.1:9', graphUrl: 'http://127.0.0.1:9' },
        isKeyConfigured: true,
        isProduction,
      },
      { links, clock: systemClock },
    ),
    mail: microsoft365.mail,
    sendLimits: EXCHANGE_LIMITS,
  };
  const draining = new AbortController();
  const server = await startHttpServer({
    schema,
    services,
    metrics: createMetrics(),
    config: { port: 0, host: '127.0.0.1', corsOrigins, isProduction },
    draining: draining.signal,
    routes,
  });
  const fetchPath = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= server.close();
    return closing;
  };
  return {
    url: server.url,
    services,
    own,
    log,
    draining,
    fetch: fetchPath,
    close,
    async key(role, organizationId) {
      const id = organizationId ?? (await createTestOrganization(own.database)).id;
      const { secret, user, apiKeyId } = await signIn(own.database, id, role);
      return { secret, organizationId: id, userId: user.id, apiKeyId };
    },
    async graphql(query, { key, variables, headers } = {}) {
      const response = await fetchPath('/graphql', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/graphql-response+json',
          ...(key && { authorization: `Bearer ${key}` }),
          ...headers,
        },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors = [] } = (await response.json()) as Pick<GraphQLAnswer, 'data' | 'errors'>;
      return { status: response.status, headers: response.headers, data, errors };
    },
    emit: (organizationId, ticketId) =>
      forkFor(own.database, organizationId).transactional((em) =>
        recordEvents(em, organizationId, [{ type: 'ticket.created', ticketId }]),
      ),
    async [Symbol.asyncDispose]() {
      await close();
      await events.close();
      await notifications.close();
      await own[Symbol.asyncDispose]();
    },
  };
}

/** What a stream brings, one at a time, whatever carries it. */
export interface Results {
  next(): Promise<{ data?: Record<string, unknown> | null; errors?: GraphQLAnswer['errors'] } | undefined>;
  stop(): Promise<void>;
}

/** Subscribes over graphql-transport-ws, as the reference client does. */
export function subscribeOverSocket(
  url: string,
  key: string,
  query: string,
): Results & { closed: Promise<CloseEvent> } {
  let onClosed: (event: CloseEvent) => void;
  const closed = new Promise<CloseEvent>((resolve) => {
    onClosed = resolve;
  });
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
    on: { closed: (event) => onClosed(event as CloseEvent) },
  });
  onTestFinished(async () => client.dispose());
  const results = client.iterate({ query });
  return {
    closed,
    async next() {
      const { value, done } = await results.next();
      return done ? undefined : (value as Awaited<ReturnType<Results['next']>>);
    },
    stop: async () => {
      await results.return?.();
    },
  };
}

/** Subscribes over an event stream in distinct connections mode of graphql-sse's protocol. */
export async function subscribeOverSse(
  url: string,
  key: string,
  query: string,
): Promise<Results & { response: Response }> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${key}`,
    },
    body: JSON.stringify({ query }),
    signal: controller.signal,
  });
  const messages = readEvents(response);
  return {
    response,
    async next() {
      const { value } = await messages.next();
      return value as Awaited<ReturnType<Results['next']>>;
    },
    stop: async () => controller.abort(),
  };
}

async function* readEvents(response: Response): AsyncGenerator<unknown, undefined> {
  if (!response.body) return undefined;
  let buffer = '';
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    buffer += text;
    for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
      const message = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      if (message.startsWith('event: complete')) return undefined;
      const data = /^data: (.*)$/m.exec(message)?.[1];
      if (data) yield JSON.parse(data);
    }
  }
  return undefined;
}

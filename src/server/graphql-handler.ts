import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import type { GraphQLSchema } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { authenticate } from '../access/authenticate.ts';
import { reloadSession, type Session } from '../access/session.ts';
import { UnauthenticatedError } from '../graphql/authorization-errors.ts';
import { createEngine } from '../graphql/engine.ts';
import type { Caller } from '../graphql/execution.ts';
import { MAX_BODY_BYTES, MAX_URL_LENGTH } from '../graphql/limits.ts';
import { createMaskError } from '../graphql/mask-error.ts';
import type { Services } from '../graphql/services.ts';
import { jsonError, RefusedRequestError } from './json-error.ts';
import type { OpenStreams } from './open-streams.ts';
import { isForeignOrigin, type OriginPolicy } from './request-origin.ts';

/** GraphiQL's scripts and styles are inside its page; it is never shown in production. */
const GRAPHIQL_POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; font-src data:; img-src 'self' data: https:; " +
  "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/** What GraphiQL shows first. */
const FIRST_QUERY = `# Put your API key into the headers below: { "authorization": "Bearer dg_…" }
{
  viewer {
    role
    organization {
      name
    }
  }
  tickets(first: 10) {
    edges {
      node {
        number
        subject
        status
        requester {
          emailAddress
        }
      }
    }
  }
}

# Or listen:
# subscription { ticketCreated { cursor ticket { number subject } } }
`;

/** What GraphQL over HTTP needs. */
export interface GraphQLHandlerOptions {
  schema: GraphQLSchema;
  services: Services;
  streams: OpenStreams;
  origins: OriginPolicy;
  isProduction: boolean;
}

/** GraphQL over HTTP and over event streams, and the same engine for sockets. */
export interface GraphQLHandler {
  handle(request: Request): Promise<Response>;
  /** Parse, validate, execute and subscribe for one operation of `caller`. */
  getEnveloped: ReturnType<typeof createGraphQL>['getEnveloped'];
}

/** The library's server around our engine, the same for every transport. */
function createGraphQL({ schema, services, isProduction }: GraphQLHandlerOptions) {
  const maskError = createMaskError(services.logger);
  return createYoga<{ caller: Caller }>({
    schema,
    plugins: [createEngine({ services, maskError, isProduction })],
    maskedErrors: { maskError },
    graphqlEndpoint: '/graphql',
    graphiql: isProduction
      ? false
      : { title: 'Deskgraph', subscriptionsProtocol: 'WS', defaultQuery: FIRST_QUERY },
    // With its scripts inside the page: the default loads them from a CDN, and would be empty offline.
    renderGraphiQL,
    landingPage: false,
    // Each of these is done for every route in http-app.ts.
    cors: false,
    logging: false,
    maxRequestBodySize: MAX_BODY_BYTES,
    multipart: false,
    batching: false,
    fetchAPI: { Request, Response, Headers, URL, ReadableStream, TextEncoder },
  });
}

/** Makes the handler of `/graphql`. */
export function createGraphQLHandler(options: GraphQLHandlerOptions): GraphQLHandler {
  const { services, streams, origins } = options;
  const yoga = createGraphQL(options);
  return {
    getEnveloped: yoga.getEnveloped,
    async handle(request) {
      const accept = request.headers.get('accept');
      const refusal = refuse(request, origins);
      if (refusal) return jsonError(refusal.status, refusal.error, accept);
      const authorization = request.headers.get('authorization');
      const session = await authenticate(services.database, authorization);
      // Without a header one may look at the schema's outside; with a wrong one something is amiss, and silence would hide it.
      if (authorization !== null && session === null)
        return jsonError(401, new UnauthenticatedError(), accept);
      const response = await yoga.fetch(request, { caller: callerOf(request, session) });
      const type = response.headers.get('content-type');
      if (type?.startsWith('text/html')) {
        response.headers.set('Content-Security-Policy', GRAPHIQL_POLICY);
      }
      // A proxy that collects what it passes on would hold events back.
      if (type?.startsWith('text/event-stream')) response.headers.set('X-Accel-Buffering', 'no');
      return response;
    },
  };

  function callerOf(request: Request, session: Session | null): Caller {
    return {
      session,
      signal: request.signal,
      reload: async () => session && reloadSession(services.database, session),
      openStream() {
        const stream = streams.open(session);
        return { ...stream, signal: AbortSignal.any([stream.signal, request.signal]) };
      },
    };
  }
}

function refuse(
  request: Request,
  origins: OriginPolicy,
): { status: number; error: RefusedRequestError } | null {
  if (request.url.length > MAX_URL_LENGTH) {
    return {
      status: 414,
      error: new RefusedRequestError(
        'LIMIT_EXCEEDED',
        `The URL has more than ${MAX_URL_LENGTH} characters, which is the limit.`,
        'Send the document in the body of a POST request.',
      ),
    };
  }
  const { searchParams } = new URL(request.url);
  const malformed = ['variables', 'extensions'].find((name) => !isJson(searchParams.get(name)));
  if (malformed !== undefined) {
    return {
      status: 400,
      error: new RefusedRequestError(
        'BAD_REQUEST',
        `The parameter "${malformed}" of the URL is not JSON.`,
        'Encode it as JSON, then for the URL.',
      ),
    };
  }
  // Following a link to GraphiQL is no forgery: it runs nothing.
  const isPage = request.method === 'GET' && !searchParams.has('query');
  if (!isPage && isForeignOrigin((name) => request.headers.get(name), origins)) {
    return {
      status: 403,
      error: new RefusedRequestError(
        'FOREIGN_ORIGIN',
        'A page of another origin may not call this server.',
        'Have the operator add the origin to DESKGRAPH_CORS_ORIGINS.',
      ),
    };
  }
  const type = request.headers.get('content-type') ?? '';
  // A form could be sent by any page without asking first; JSON cannot.
  if (request.method === 'POST' && !/^application\/(graphql\+)?json\s*(;|$)/i.test(type)) {
    return {
      status: 415,
      error: new RefusedRequestError(
        'BAD_REQUEST',
        'The body must be JSON.',
        'Send "Content-Type: application/json".',
      ),
    };
  }
  return null;
}

/** Whether a parameter can be read; one that is absent or empty counts as not given. */
function isJson(parameter: string | null): boolean {
  if (!parameter) return true;
  try {
    JSON.parse(parameter);
    return true;
  } catch {
    return false;
  }
}

/*
 * Microsoft's Graph SDK, made to send what we say to where we say: the SDK takes links apart and puts their parameters
 * together in another order, and it knows `https:` hosts only. Delta links are opaque and must go out as they came in.
 */
import { Client, type Context, type Middleware, ResponseType } from '@microsoft/microsoft-graph-client';
import { CLOUDS, type CloudName } from './clouds.ts';
import { type EndpointOverrides, graphUrlOf } from './endpoints.ts';
import { GraphError } from './graph-error.ts';

/** One HTTP request of Graph. */
export interface GraphRequest {
  cloud: CloudName;
  accessToken: string;
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** A path below the version (`/me/messages`), or a link that Graph gave. */
  target: string;
  headers: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  signal: AbortSignal;
}

/** Sends one request, once. Throws what `fetch` throws, and `GraphError` `FOREIGN_LINK` before anything was sent. */
export type GraphTransport = (request: GraphRequest) => Promise<Response>;

/** The middleware option that carries a request past the SDK's own ideas. */
class Exchange {
  readonly request: GraphRequest;
  readonly url: string;
  /** What sending threw: the SDK would wrap it and lose its cause. */
  failure: unknown = null;

  constructor(request: GraphRequest, url: string) {
    this.request = request;
    this.url = url;
  }
}

/** Makes the transport; `overrides.graphUrl` takes the place of every cloud's Graph root. */
export function createGraphTransport(overrides: EndpointOverrides): GraphTransport {
  const clients = new Map<CloudName, Client>();
  const clientOf = (cloud: CloudName): Client => {
    const known = clients.get(cloud);
    if (known !== undefined) return known;
    const client = Client.initWithMiddleware({
      baseUrl: CLOUDS[cloud].graphUrl,
      middleware: [new AuthenticationHandler(), new SendingHandler()],
    });
    clients.set(cloud, client);
    return client;
  };

  return async (request) => {
    const url = graphUrlOf(request.cloud, overrides, request.target);
    if (url === null) {
      throw new GraphError('FOREIGN_LINK', 'A link leads outside of Microsoft Graph and was not followed.');
    }
    const exchange = new Exchange(request, url);
    const call = clientOf(request.cloud)
      .api(request.target.startsWith('/') ? request.target : '/')
      .headers(request.headers)
      .options({ signal: request.signal })
      .middlewareOptions([exchange])
      .responseType(ResponseType.RAW);
    try {
      return await send(call, request);
    } catch (error) {
      throw exchange.failure ?? error;
    }
  };
}

function send(call: ReturnType<Client['api']>, { method, body }: GraphRequest): Promise<Response> {
  switch (method) {
    case 'GET':
      return call.get();
    case 'POST':
      return call.post(body);
    case 'PATCH':
      return call.patch(body);
    case 'DELETE':
      return call.delete();
  }
}

/** Adds the token. The transport has checked where the request goes. */
class AuthenticationHandler implements Middleware {
  #next: Middleware | null = null;

  setNext(next: Middleware): void {
    this.#next = next;
  }

  async execute(context: Context): Promise<void> {
    const { request } = exchangeOf(context);
    context.options = {
      ...context.options,
      headers: {
        ...(context.options?.headers as Record<string, string>),
        authorization: `Bearer ${request.accessToken}`,
      },
    };
    await this.#next?.execute(context);
  }
}

/** Sends the request to its exact address. */
class SendingHandler implements Middleware {
  async execute(context: Context): Promise<void> {
    const exchange = exchangeOf(context);
    try {
      // A redirect would carry the token to wherever it points: it is an answer like any other, and an error.
      context.response = await fetch(exchange.url, { ...context.options, redirect: 'manual' } as RequestInit);
    } catch (error) {
      exchange.failure = error;
      throw error;
    }
  }
}

function exchangeOf(context: Context): Exchange {
  const exchange = context.middlewareControl?.getMiddlewareOptions(Exchange);
  if (!(exchange instanceof Exchange)) throw new Error('A request of Graph came without its exchange.');
  return exchange;
}

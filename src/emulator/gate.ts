import { setImmediate, setTimeout } from 'node:timers/promises';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context, MiddlewareHandler } from 'hono';
import type { Caller } from './caller.ts';
import type { Fault } from './faults.ts';
import { faultResponse, GraphFault, requestIdsOf } from './graph-fault.ts';
import { ME, operationOf, uploadUserOf } from './graph-path.ts';
import { findUser } from './state.ts';
import { authenticate } from './tokens.ts';
import type { GraphEnv, World } from './world.ts';

/**
 * What every request of Graph and of the sign-in pages passes: it is counted, waits its latency, may meet a fault, and
 * for a mailbox takes one of the places that Microsoft grants an app (429 when there is none).
 */
export function gate(world: World): MiddlewareHandler<GraphEnv> {
  return async (c, next) => {
    const ids = requestIdsOf(c.req.raw.headers);
    c.set('ids', ids);
    const caller = callerOf(world, c);
    c.set('caller', caller);
    const upload = uploadUserOf(c.req.path);
    const mailbox = upload ?? (caller instanceof GraphFault ? null : mailboxIdOf(world, c.req.path, caller));
    // A user is an entry of the directory, which has limits of its own.
    const counted = /^\/v1\.0\/users\/[^/]+$/.test(c.req.path) ? null : mailbox;
    world.requests.count(operationOf(c.req.method, c.req.path), counted, c.env.isBatchPart === true);

    let leave = (): void => undefined;
    try {
      if (counted !== null && !(caller instanceof GraphFault)) leave = enter(world, caller.appId, counted);
      const faults = world.faults.draw({
        method: c.req.method,
        path: decodedPath(c.req.url),
        mailbox,
        caller: caller instanceof GraphFault ? null : caller.userId,
      });
      await pause(world, faults, c.req.raw.signal);
      const fault = faults.find(({ status, reset }) => status !== undefined || reset === true);
      if (fault === undefined || fault.afterwards === true) await next();
      if (fault !== undefined) c.res = answerWithFault(fault, c, world);
    } finally {
      leave();
    }
    c.header('request-id', ids.requestId);
    c.header('client-request-id', ids.clientRequestId);
  };
}

/** The caller of a request behind the gate. Throws the 401 that the token deserves. */
export function requireCaller(c: Context<GraphEnv>): Caller {
  const caller = c.get('caller');
  if (caller instanceof GraphFault) throw caller;
  return caller;
}

function callerOf(world: World, c: Context<GraphEnv>): Caller | GraphFault {
  try {
    return authenticate(world.state, c.req.header('authorization'));
  } catch (error) {
    if (error instanceof GraphFault) return error;
    throw error;
  }
}

/** The user whose mailbox a request is for; null for requests that touch no mailbox. */
function mailboxIdOf(world: World, path: string, caller: Caller): string | null {
  const [, user] = /^\/v1\.0\/users\/([^/]+)\/(?:mailFolders|messages|sendMail)(?:\/|$)/i.exec(path) ?? [];
  if (user === undefined) return null;
  if (user === ME) return caller.userId;
  return findUser(world.state, caller.tenantId, decoded(user))?.id ?? null;
}

function enter(world: World, appId: string, mailbox: string): () => void {
  try {
    const { concurrent, leave } = world.throttle.enter(appId, mailbox);
    world.requests.sawConcurrency(mailbox, concurrent);
    return leave;
  } catch (error) {
    world.requests.sawThrottling(mailbox);
    throw error;
  }
}

/** Even without latency a request lets the event loop turn, so that requests that came together are under way together. */
async function pause(world: World, faults: readonly Fault[], signal: AbortSignal): Promise<void> {
  const latencyMs = Math.max(world.settings.latencyMs, ...faults.map((fault) => fault.latencyMs ?? 0));
  if (latencyMs === 0) await setImmediate();
  else {
    const waiting = faults.filter((fault) => fault.latencyMs).map((fault) => world.faults.cleared(fault));
    const ended = AbortSignal.any([signal, ...waiting]);
    await setTimeout(latencyMs, undefined, { signal: ended, ref: false }).catch(() => undefined);
  }
}

function answerWithFault(fault: Fault, c: Context<GraphEnv>, world: World): Response {
  if (fault.reset === true && c.env.incoming !== undefined) {
    c.env.incoming.socket.resetAndDestroy();
    return RESPONSE_ALREADY_SENT;
  }
  const status = fault.status ?? 502;
  const headers = retryAfterHeader(fault, world.state.clock.now());
  const message = fault.message ?? 'A fault that was injected through /_emulator/faults.';
  if (!c.req.path.startsWith('/v1.0/') && uploadUserOf(c.req.path) === undefined) {
    const error = fault.errorCode ?? (status < 500 ? 'invalid_request' : 'temporarily_unavailable');
    return Response.json({ error, error_description: message }, { status, headers });
  }
  const code = fault.errorCode ?? USUAL_CODES[status] ?? 'UnknownError';
  return faultResponse(new GraphFault(status, code, message, headers), c.get('ids'), world.state.clock.now());
}

function retryAfterHeader(
  { retryAfterSeconds, retryAfterFormat }: Fault,
  now: number,
): Readonly<Record<string, string>> {
  if (retryAfterSeconds === undefined) return {};
  if (retryAfterFormat === 'seconds') return { 'retry-after': String(retryAfterSeconds) };
  // Rounded up: a date that is cut off would ask for less than was wanted.
  return { 'retry-after': new Date(Math.ceil(now / 1_000 + retryAfterSeconds) * 1_000).toUTCString() };
}

const USUAL_CODES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'InvalidAuthenticationToken',
  403: 'ErrorAccessDenied',
  404: 'ErrorItemNotFound',
  409: 'ErrorIrresolvableConflict',
  410: 'syncStateNotFound',
  413: 'RequestEntityTooLarge',
  429: 'ApplicationThrottled',
  500: 'InternalServerError',
  502: 'BadGateway',
  503: 'ServiceUnavailable',
  504: 'GatewayTimeout',
  507: 'ErrorQuotaExceeded',
};

function decodedPath(url: string): string {
  const { pathname, search } = new URL(url);
  return decoded(pathname + search.replaceAll('+', ' '));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

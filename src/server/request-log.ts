import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { currentCorrelationId, type Logger, withCorrelation } from '../platform/logger.ts';
import type { Metrics } from './metrics.ts';

/** An id from outside is taken over when it cannot break a log line or a header. */
const SAFE_ID = /^[\w.:-]{1,128}$/;

/** A request, as the log and the metrics tell of it. */
export interface RequestRecord {
  method: string;
  /** Without the query: it may hold OAuth codes and GraphQL documents. */
  path: string;
  /** The pattern that the path fits: metrics must not grow with whatever is asked for. */
  route: string;
  status: number;
  /** A monotonic reading. */
  startedAt: number;
}

/** Makes what writes one line and one measurement when an answer begins. */
export function createRequestRecord(logger: Logger, metrics: Metrics): (record: RequestRecord) => void {
  return ({ method, path, route, status, startedAt }) => {
    const durationMs = Math.round((monotonicMilliseconds() - startedAt) * 10) / 10;
    metrics.httpDuration.observe({ method, route, status: String(status) }, durationMs / SECOND);
    logger.info({ method, path, status, durationMs }, 'request');
  };
}

/** Answers a request under its correlation id: that of its `x-request-id` if it has a safe one, or else a new one. */
export function withRequestId<T>(given: string | string[] | undefined, answer: () => T): T {
  return withCorrelation(typeof given === 'string' && SAFE_ID.test(given) ? given : undefined, answer);
}

/** Gives every request of the routes its correlation id, which every log line and the answer carry, and records it. */
export function requestLog(logger: Logger, metrics: Metrics): MiddlewareHandler {
  const record = createRequestRecord(logger, metrics);
  return (context, next) =>
    withRequestId(context.req.header('x-request-id'), async () => {
      const startedAt = monotonicMilliseconds();
      await next();
      const id = currentCorrelationId();
      // Set in place: `context.header` makes a new response.
      if (id !== undefined) context.res.headers.set('x-request-id', id);
      const { method } = context.req;
      const route = routePath(context, -1);
      // A path that is itself a secret is told by its pattern.
      const path = route.includes(':token') ? route : context.req.path;
      record({ method, path, route, status: context.res.status, startedAt });
    });
}

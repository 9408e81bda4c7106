import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { currentCorrelationId, type Logger, withCorrelation } from '../platform/logger.ts';
import type { Metrics } from './metrics.ts';

/** An id from outside is taken over when it cannot break a log line or a header. */
const SAFE_ID = /^[\w.:-]{1,128}$/;

/**
 * Gives every request its correlation id (`x-request-id`, the caller's own if it has one), which every log line and the
 * answer carry; writes one line and one measurement when the answer begins. Paths only: query strings hold OAuth codes
 * and GraphQL documents.
 */
export function requestLog(logger: Logger, metrics: Metrics): MiddlewareHandler {
  return (context, next) => {
    const given = context.req.header('x-request-id');
    return withCorrelation(given !== undefined && SAFE_ID.test(given) ? given : undefined, async () => {
      const startedAt = monotonicMilliseconds();
      await next();
      const id = currentCorrelationId();
      // Set in place: `context.header` makes a new response.
      if (id !== undefined) context.res.headers.set('x-request-id', id);
      const { method, path } = context.req;
      const { status } = context.res;
      const durationMs = Math.round((monotonicMilliseconds() - startedAt) * 10) / 10;
      metrics.httpDuration.observe(
        { method, route: routePath(context, -1), status: String(status) },
        durationMs / SECOND,
      );
      logger.info({ method, path, status, durationMs }, 'request');
    });
  };
}

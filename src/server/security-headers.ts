import type { MiddlewareHandler } from 'hono';

/**
 * Sent with every answer that does not bring its own value. Nothing here is a page that may load anything; the few that
 * are (GraphiQL, the console, the outcome of a sign-in) say themselves what they need.
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

/** Half a year. Sent only where browsers reach us over TLS: elsewhere it would lock them out. */
const STRICT_TRANSPORT_SECURITY = 'max-age=15552000';

/** Sets the headers that keep browsers from doing harm. */
export function securityHeaders(publicUrl: string): MiddlewareHandler {
  const headers: Record<string, string> = {
    ...HEADERS,
    ...(publicUrl.startsWith('https:') && { 'Strict-Transport-Security': STRICT_TRANSPORT_SECURITY }),
  };
  const entries = Object.entries(headers);
  return async (context, next) => {
    await next();
    // Set in place: `context.header` makes a new response of each.
    const { headers: sent } = context.res;
    for (const [name, value] of entries) {
      if (!sent.has(name)) sent.set(name, value);
    }
  };
}

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

/** The headers that keep browsers from doing harm, for a server that is reached at `publicUrl`. */
export function securityHeadersOf(publicUrl: string): Readonly<Record<string, string>> {
  return {
    ...HEADERS,
    ...(publicUrl.startsWith('https:') && { 'Strict-Transport-Security': STRICT_TRANSPORT_SECURITY }),
  };
}

/** Sets them on what the routes answer. */
export function securityHeaders(publicUrl: string): MiddlewareHandler {
  const entries = Object.entries(securityHeadersOf(publicUrl));
  return async (context, next) => {
    await next();
    // Set in place: `context.header` makes a new response of each.
    const { headers: sent } = context.res;
    for (const [name, value] of entries) {
      if (!sent.has(name)) sent.set(name, value);
    }
  };
}

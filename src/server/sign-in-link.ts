import type { Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import type { Services } from '../graphql/services.ts';
import type { Routes } from './http-app.ts';
import { failureOutcome, keepPrivate, outcomePage } from './outcome-page.ts';

/**
 * The link that `startSignIn` gives: it binds the sign-in to the browser by a cookie, which only a page of ours can set, and
 * goes on to Microsoft. `Lax`, because the browser comes back from Microsoft by a link of theirs.
 */
export function signInLink({ microsoft365, publicUrl, logger }: Services): Routes {
  return (app: Hono) => {
    app.get('/api/integrations/microsoft365/sign-in/:token', async (context) => {
      keepPrivate(context);
      // Programs that look ahead (link previews, prefetching) are not the browser that somebody signs in with.
      const isLookingAhead = /prefetch|preview/i.test(
        `${context.req.header('sec-purpose') ?? ''} ${context.req.header('purpose') ?? ''}`,
      );
      if (context.req.method === 'HEAD' || isLookingAhead) return context.body(null, 204);
      try {
        const { location, cookie } = await microsoft365.openSignIn(
          context.req.param('token'),
          (name) => getCookie(context, name) ?? null,
        );
        setCookie(context, cookie.name, cookie.value, {
          ...signInCookieScope(publicUrl),
          httpOnly: true,
          sameSite: 'Lax',
          maxAge: cookie.maxAgeSeconds,
        });
        return context.redirect(location, 303);
      } catch (thrown) {
        return outcomePage(failureOutcome(logger, thrown));
      }
    });
  };
}

/** `__Host-` cookies must have the path `/`, and `Secure` keeps them off http. */
export function signInCookieScope(publicUrl: string): { path: string; secure: boolean } {
  return { path: '/', secure: publicUrl.startsWith('https:') };
}

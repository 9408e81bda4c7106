import type { Context, Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import type { Services } from '../graphql/services.ts';
import type { OpenedSignIn, ReadCookie } from '../microsoft365/open-sign-in.ts';
import type { Routes } from './http-app.ts';
import { failureOutcome, keepPrivate, outcomePage } from './outcome-page.ts';

/**
 * The links that `startSignIn`, `reauthenticate` and `startAdminConsent` give: they bind what was started to the browser by
 * a cookie, which only a page of ours can set, and go on to Microsoft.
 */
export function signInLink({ microsoft365, publicUrl, logger }: Services): Routes {
  const answer = async (
    context: Context,
    open: (link: string, readCookie: ReadCookie) => Promise<OpenedSignIn>,
  ): Promise<Response> => {
    keepPrivate(context);
    // Programs that look ahead (link previews, prefetching) are not the browser that somebody signs in with.
    const isLookingAhead = /prefetch|preview/i.test(
      `${context.req.header('sec-purpose') ?? ''} ${context.req.header('purpose') ?? ''}`,
    );
    if (context.req.method === 'HEAD' || isLookingAhead) return context.body(null, 204);
    try {
      const { location, cookie } = await open(
        context.req.param('token') ?? '',
        (name) => getCookie(context, name) ?? null,
      );
      setCookie(context, cookie.name, cookie.value, {
        ...signInCookieScope(publicUrl),
        httpOnly: true,
        // The browser comes back from Microsoft by a link of theirs, with which `Strict` would not go.
        sameSite: 'Lax',
        maxAge: cookie.maxAgeSeconds,
      });
      return context.redirect(location, 303);
    } catch (thrown) {
      return outcomePage(failureOutcome(logger, thrown));
    }
  };
  return (app: Hono) => {
    app.get('/api/integrations/microsoft365/sign-in/:token', (context) =>
      answer(context, microsoft365.openSignIn),
    );
    app.get('/api/integrations/microsoft365/admin-consent/:token', (context) =>
      answer(context, microsoft365.openAdminConsent),
    );
  };
}

/** `__Host-` cookies must have the path `/`, and `Secure` keeps them off http. */
export function signInCookieScope(publicUrl: string): { path: string; secure: boolean } {
  return { path: '/', secure: publicUrl.startsWith('https:') };
}

import type { Context, Hono } from 'hono';
import { deleteCookie, getCookie } from 'hono/cookie';
import { Organization } from '../access/organization.entity.ts';
import type { Services } from '../graphql/services.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import { isAdminConsentState } from '../microsoft365/admin-consent.ts';
import { signInCookieName } from '../microsoft365/open-sign-in.ts';
import { SignInError } from '../microsoft365/sign-in-error.ts';
import { forkFor } from '../platform/database.ts';
import type { Routes } from './http-app.ts';
import { failureOutcome, keepPrivate, type Outcome, outcomePage } from './outcome-page.ts';
import { signInCookieScope } from './sign-in-link.ts';

/**
 * Where Microsoft sends the browser back to. The query holds the authorization code: the answer is never stored, names
 * nobody in a `Referer`, and repeats nothing of the query.
 */
export function oauthCallback({ microsoft365, database, publicUrl, logger }: Services): Routes {
  return (app: Hono) => {
    app.get('/api/integrations/microsoft365/callback', async (context) => {
      const query = (name: string) => context.req.query(name) ?? null;
      keepPrivate(context);
      try {
        const state = query('state');
        const cookieName = signInCookieName(state ?? '', publicUrl);
        const answer = {
          state,
          cookie: getCookie(context, cookieName) ?? null,
          error: query('error'),
          errorDescription: query('error_description'),
        };
        if (isAdminConsentState(answer.state)) {
          const consented = await microsoft365.completeAdminConsent(answer);
          deleteCookie(context, cookieName, signInCookieScope(publicUrl));
          return welcome(context, consented.returnTo, 'Consent granted', [
            await organizationLine(consented.organizationId),
            ['App', consented.integration.clientId],
            ...(consented.account ? accountLines(consented.account) : []),
          ]);
        }
        const completed = await microsoft365.completeSignIn({ ...answer, code: query('code') });
        deleteCookie(context, cookieName, signInCookieScope(publicUrl));
        return welcome(context, completed.returnTo, 'Connected', [
          await organizationLine(completed.organizationId),
          ['Account', completed.account.emailAddress],
          ['Status', completed.account.status],
        ]);
      } catch (thrown) {
        const returnTo = thrown instanceof SignInError ? thrown.returnTo : null;
        const back = returnTo === null ? null : pathBelow(returnTo, publicUrl);
        return outcomePage({ ...failureOutcome(logger, thrown), back });
      }
    });
  };

  /** A link may have been handed on: whoever opened it sees for whom. */
  async function organizationLine(id: string): Promise<[label: string, value: string]> {
    const { name } = await forkFor(database, id).findOneOrFail(Organization, { id });
    return ['Organization', name];
  }

  /** Sends the browser where it wanted to go, or says what came about. */
  function welcome(
    context: Context,
    returnTo: string | null,
    title: string,
    lines: Outcome['lines'],
  ): Response {
    const target = returnTo === null ? null : pathBelow(returnTo, publicUrl);
    if (target !== null) return context.redirect(target, 303);
    return outcomePage({ status: 200, title, lines: [...lines, ['Next', 'You can close this window.']] });
  }
}

/** What an administrator's consent has made of the tenant's account. */
function accountLines({ displayName, status, problem }: Account): Outcome['lines'] {
  return [
    ['Tenant', displayName],
    ['Status', status],
    ...(problem
      ? ([
          ['What is missing', problem.message],
          ['What to do', problem.remedy],
        ] as Outcome['lines'])
      : []),
  ];
}

/** The target as a whole URL if it is a page of ours, else null: an open redirect would lend our name to anybody. */
function pathBelow(returnTo: string, publicUrl: string): string | null {
  const base = new URL(`${publicUrl}/`);
  if (!returnTo.startsWith('/') || !URL.canParse(returnTo, base)) return null;
  const target = new URL(returnTo, base);
  return target.origin === base.origin && target.pathname.startsWith(base.pathname) ? target.href : null;
}

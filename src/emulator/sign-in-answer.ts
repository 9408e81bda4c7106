import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { type OAuthFault, oauthFaultBody } from './oauth-fault.ts';
import type { Account } from './sign-in-authorize.ts';
import { faultPage, formPostPage, type Html } from './sign-in-page.ts';
import type { Parameters, ReplyTo } from './sign-in-request.ts';
import { rememberSession } from './sign-in-state.ts';
import { CONTENT_SECURITY_POLICY } from './sign-in-style.ts';
import type { EmulatorState } from './state.ts';

/** Its own name, because cookies do not tell ports apart and other things run on 127.0.0.1 as well. */
const SESSION_COOKIE = 'emulator_sign_in';

/** The query string and, where there is one, the form of a request. What the form says goes before the query. */
export async function readParameters(c: Context): Promise<Parameters> {
  const query = new URL(c.req.url).searchParams;
  const form = new URLSearchParams(c.req.method === 'POST' ? await c.req.text() : '');
  const parameters = new Map<string, string>();
  for (const [name, value] of [...form, ...query]) {
    if (!parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}

/** The query string that the forms of a page send along: the request's own, without the short cuts. */
export function carriedQuery(c: Context): string {
  const query = new URL(c.req.url).searchParams;
  for (const name of ['_account', '_decision', '_for_organization']) query.delete(name);
  return query.toString();
}

/** Sends a page that may not be cached, framed, or run any script but its own. */
export function sendPage(c: Context, page: Html, status: 200 | 400 = 200): Response | Promise<Response> {
  c.header('content-security-policy', CONTENT_SECURITY_POLICY);
  c.header('cache-control', 'no-store');
  c.header('x-content-type-options', 'nosniff');
  c.header('referrer-policy', 'no-referrer');
  return c.html(page, status);
}

/** Shows a fault to the person. */
export function sendFaultPage(
  c: Context,
  state: EmulatorState,
  fault: OAuthFault,
): Response | Promise<Response> {
  return sendPage(c, faultPage(describe(c, state, fault)), 400);
}

/** Answers the token endpoint's caller with a fault. */
export function sendFaultJson(c: Context, state: EmulatorState, fault: OAuthFault): Response {
  c.header('cache-control', 'no-store');
  return c.json(describe(c, state, fault), fault.status);
}

/** Takes an answer back to the app, in the way it asked for. */
export function sendToApp(
  c: Context,
  replyTo: ReplyTo,
  answer: Readonly<Record<string, string>>,
): Response | Promise<Response> {
  const whole = { ...answer, ...(replyTo.state === null ? {} : { state: replyTo.state }) };
  if (replyTo.mode === 'form_post') return sendPage(c, formPostPage(replyTo.redirectUri, whole));
  const target = new URL(replyTo.redirectUri);
  for (const [name, value] of Object.entries(whole)) target.searchParams.append(name, value);
  c.header('cache-control', 'no-store');
  return c.redirect(target.href, 302);
}

/** Takes a fault back to the app. `extra` stands beside it, as `admin_consent=True` does. */
export function sendFaultToApp(
  c: Context,
  state: EmulatorState,
  replyTo: ReplyTo,
  fault: OAuthFault,
  extra: Readonly<Record<string, string>> = {},
): Response | Promise<Response> {
  const { error_description, error_uri } = describe(c, state, fault);
  // The authorize endpoint calls a missing consent by its own name; only the token endpoint says invalid_grant.
  const error = fault.suberror === 'consent_required' ? 'consent_required' : fault.error;
  return sendToApp(c, replyTo, { ...extra, error, error_description, error_uri });
}

/** Who signed in last in this browser; `null` when nobody did, or the account is gone. */
export function sessionOf(c: Context, state: EmulatorState): Account | null {
  const session = state.signIn.sessions.get(getCookie(c, SESSION_COOKIE) ?? '');
  const tenant = session === undefined ? undefined : state.tenants.get(session.tenantId);
  const user = session === undefined ? undefined : tenant?.users.get(session.userId);
  return tenant === undefined || user === undefined ? null : { tenant, user };
}

/** Remembers in this browser who signed in. */
export function startSession(c: Context, state: EmulatorState, { tenant, user }: Account): void {
  const cookie = randomUUID();
  rememberSession(state.signIn, cookie, { tenantId: tenant.id, userId: user.id });
  setCookie(c, SESSION_COOKIE, cookie, { path: '/', httpOnly: true, sameSite: 'Lax' });
}

/** Signs this browser out. */
export function endSession(c: Context, state: EmulatorState): void {
  state.signIn.sessions.delete(getCookie(c, SESSION_COOKIE) ?? '');
  setCookie(c, SESSION_COOKIE, '', { path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 0 });
}

function describe(c: Context, state: EmulatorState, fault: OAuthFault) {
  const sent = c.req.header('client-request-id') ?? c.req.query('client-request-id') ?? '';
  const correlationId = /^[A-Za-z0-9-]{1,64}$/.test(sent) ? sent : randomUUID();
  return oauthFaultBody(fault, new Date(state.clock.now()), correlationId);
}

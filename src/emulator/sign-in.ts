import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cloudAt, loginHostOf } from './cloud-hosts.ts';
import { answerAdminConsent, readAdminConsent } from './consent-admin.ts';
import { OAuthFault } from './oauth-fault.ts';
import { PERSONAL_TENANT_ID } from './personal-accounts.ts';
import {
  carriedQuery,
  endSession,
  readParameters,
  sendFaultJson,
  sendFaultPage,
  sendFaultToApp,
  sendPage,
  sendToApp,
  sessionOf,
  startSession,
} from './sign-in-answer.ts';
import { type Account, accountsOf, authorize, isAccountFault } from './sign-in-authorize.ts';
import { checkAppIsKnown } from './sign-in-client.ts';
import { instanceDiscovery, openidConfiguration } from './sign-in-metadata.ts';
import {
  adminConsentPage,
  approvalPage,
  consentPage,
  type PageContext,
  pickAccountPage,
  signedOutPage,
} from './sign-in-page.ts';
import {
  type AuthorizeRequest,
  isWebAddress,
  type Parameters,
  type ReplyTo,
  readAudience,
  readAuthorizeRequest,
  readChoice,
  readReplyTo,
} from './sign-in-request.ts';
import { appSettingsOf } from './sign-in-state.ts';
import { answerTokenRequest } from './sign-in-token.ts';
import type { EmulatorState } from './state.ts';
import { publicKeys } from './tokens.ts';

type Answer = Response | Promise<Response>;

/** A form of the sign-in pages, or of the token endpoint with an assertion in it, is far smaller. */
const smallBody = bodyLimit({
  maxSize: 64 * 1_024,
  onError: (c) =>
    c.json({ error: 'invalid_request', error_description: 'The request body is larger than 64 KB.' }, 413),
});

/**
 * The Microsoft identity platform of the emulator: what `https://login.microsoftonline.com` serves, to be mounted at
 * the root. It follows https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow.
 *
 * The pages need no script and no cookie, so `curl` can sign in: see the README, and `readChoice` for the fields.
 */
export function signInRoutes(state: EmulatorState): Hono {
  const routes = new Hono();
  routes.get('/common/discovery/instance', (c) => c.json(instanceDiscovery('common')));
  routes.get('/:tenant/v2.0/.well-known/openid-configuration', (c) =>
    withFaultJson(c, state, () => {
      const host = loginHostOf(c.req.url);
      // The global host knows the American tenants, and tells where they are.
      const audience = readAudience(state, c.req.param('tenant'), host, 'metadata');
      const personal = audience.kind === 'personal' ? PERSONAL_TENANT_ID : null;
      const tenantId = audience.kind === 'tenant' ? audience.tenant.id : personal;
      const cloud = audience.kind === 'tenant' ? audience.tenant.cloud : cloudAt(host);
      return c.json(openidConfiguration(tenantId ?? c.req.param('tenant').toLowerCase(), tenantId, cloud));
    }),
  );
  routes.get('/:tenant/discovery/v2.0/keys', (c) => c.json(publicKeys(state)));
  routes.on(['GET', 'POST'], '/:tenant/oauth2/v2.0/authorize', smallBody, (c) =>
    answerAuthorize(c, state, c.req.param('tenant')),
  );
  routes.post('/:tenant/oauth2/v2.0/token', smallBody, async (c) => {
    const parameters = await readParameters(c);
    return withFaultJson(c, state, () => {
      const answer = answerTokenRequest(
        state,
        readAudience(state, c.req.param('tenant'), loginHostOf(c.req.url)),
        parameters,
        c.req.header('authorization'),
      );
      c.header('cache-control', 'no-store');
      return c.json(answer);
    });
  });
  routes.on(['GET', 'POST'], '/:tenant/v2.0/adminconsent', smallBody, (c) =>
    answerAdminConsentRequest(c, state, c.req.param('tenant')),
  );
  routes.get('/:tenant/oauth2/v2.0/logout', (c) => {
    endSession(c, state);
    const target = c.req.query('post_logout_redirect_uri') ?? '';
    return isWebAddress(target) ? c.redirect(target, 302) : sendPage(c, signedOutPage());
  });
  return routes;
}

async function answerAuthorize(c: Context, state: EmulatorState, tenantSegment: string): Promise<Response> {
  const parameters = await readParameters(c);
  return withFaultPage(c, state, () => {
    const audience = readAudience(state, tenantSegment, loginHostOf(c.req.url));
    const asked = readReplyTo(state, parameters);
    checkAppIsKnown(state, audience, asked.appId);
    return withFaultToApp(c, state, asked.replyTo, {}, () =>
      takeAuthorizeStep(c, state, readAuthorizeRequest(audience, asked, parameters), parameters),
    );
  });
}

function takeAuthorizeStep(
  c: Context,
  state: EmulatorState,
  request: AuthorizeRequest,
  parameters: Parameters,
): Answer {
  const context = pageContext(c, state, request.appId);
  try {
    const outcome = authorize(state, request, readChoice(parameters), sessionOf(c, state));
    switch (outcome.kind) {
      case 'pick-account':
        return sendPage(c, pickAccountPage(context, outcome.accounts, null));
      case 'ask-consent':
        return sendPage(c, consentPage(context, outcome.account, outcome.permissions));
      case 'need-approval':
        return sendPage(c, approvalPage(context, outcome.account, outcome.permissions));
      case 'refused':
        return outcome.tells === 'page'
          ? sendFaultPage(c, state, outcome.fault)
          : sendFaultToApp(c, state, request.replyTo, outcome.fault);
      case 'redirect':
        startSession(c, state, outcome.account);
        return sendToApp(c, request.replyTo, outcome.answer);
    }
  } catch (error) {
    return pickAgainAfter(error, c, context, () => accountsOf(state, request));
  }
}

async function answerAdminConsentRequest(
  c: Context,
  state: EmulatorState,
  tenantSegment: string,
): Promise<Response> {
  const parameters = await readParameters(c);
  return withFaultPage(c, state, () => {
    const audience = readAudience(state, tenantSegment, loginHostOf(c.req.url));
    const { appId, replyTo } = readReplyTo(state, parameters);
    checkAppIsKnown(state, audience, appId);
    return withFaultToApp(c, state, replyTo, { admin_consent: 'True' }, () => {
      const scopes = readAdminConsent(audience, tenantSegment, parameters);
      const context = pageContext(c, state, appId);
      const admins = () =>
        accountsOf(state, { audience, loginHint: null, domainHint: null }).filter(({ user }) => user.isAdmin);
      try {
        const outcome = answerAdminConsent(state, { audience, appId, scopes }, readChoice(parameters));
        switch (outcome.kind) {
          case 'pick-account':
            return sendPage(c, pickAccountPage(context, admins(), null));
          case 'ask-consent':
            return sendPage(
              c,
              adminConsentPage(context, outcome.account, outcome.permissions, outcome.roles),
            );
          case 'need-approval':
            return sendPage(c, approvalPage(context, outcome.account, outcome.permissions));
          case 'redirect':
            startSession(c, state, outcome.account);
            return sendToApp(c, replyTo, outcome.answer);
        }
      } catch (error) {
        return pickAgainAfter(error, c, context, admins);
      }
    });
  });
}

/** The account cannot be used: the person may pick another one. Anything else is thrown on. */
function pickAgainAfter(
  error: unknown,
  c: Context,
  context: PageContext,
  accounts: () => readonly Account[],
): Answer {
  if (!(error instanceof OAuthFault) || !isAccountFault(error)) throw error;
  return sendPage(c, pickAccountPage(context, accounts(), `AADSTS${error.code}: ${error.message}`), 400);
}

function pageContext(c: Context, state: EmulatorState, appId: string): PageContext {
  const appName = appSettingsOf(state.signIn, appId).displayName ?? `Application ${appId}`;
  return { appName, query: carriedQuery(c) };
}

async function withFaultPage(c: Context, state: EmulatorState, answer: () => Answer): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof OAuthFault)) throw error;
    return sendFaultPage(c, state, error);
  }
}

async function withFaultToApp(
  c: Context,
  state: EmulatorState,
  replyTo: ReplyTo,
  extra: Readonly<Record<string, string>>,
  answer: () => Answer,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof OAuthFault)) throw error;
    return sendFaultToApp(c, state, replyTo, error, extra);
  }
}

async function withFaultJson(c: Context, state: EmulatorState, answer: () => Answer): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof OAuthFault)) throw error;
    return sendFaultJson(c, state, error);
  }
}

import { html, raw } from 'hono/html';
import { describePermission } from './consent-permissions.ts';
import type { OAuthFaultBody } from './oauth-fault.ts';
import { type Account, blockedReason } from './sign-in-authorize.ts';
import { STYLE, SUBMIT_SCRIPT } from './sign-in-style.ts';

/** Accounts that are listed; the others are reached by typing their address. */
const MAX_LISTED_ACCOUNTS = 50;

/** An HTML document, or a part of one, in which everything that was put in has been escaped. */
export type Html = ReturnType<typeof html>;

/** What every page that asks something says: which app asks, and where its forms go. */
export interface PageContext {
  appName: string;
  /** The query string of the request, which forms send along; without a leading `?`. */
  query: string;
}

/** The account picker. `problem` says why the account that was tried cannot be used. */
export function pickAccountPage(
  context: PageContext,
  accounts: readonly Account[],
  problem: string | null,
): Html {
  const listed = accounts.slice(0, MAX_LISTED_ACCOUNTS);
  return document(
    'Pick an account',
    html`<h1>Pick an account</h1>
      <p>to continue to <strong>${context.appName}</strong></p>
      ${problem === null ? '' : html`<p class="alert" role="alert">${problem}</p>`}
      ${accounts.length === 0 ? html`<p>No accounts can sign in here.</p>` : ''}
      <form method="post" action="?${context.query}">
        <ul class="accounts">${listed.map(accountItem)}</ul>
      </form>
      ${accounts.length > listed.length ? otherAccountForm(context, accounts.length - listed.length) : ''}
      <form method="post" action="?${context.query}" class="actions">
        <button name="decision" value="deny">Cancel</button>
      </form>`,
  );
}

/** The consent page: what the app will be able to do, in words. */
export function consentPage(context: PageContext, account: Account, permissions: readonly string[]): Html {
  const { user, tenant } = account;
  return document(
    'Permissions requested',
    html`<p class="soft">${user.userPrincipalName}</p>
      <h1>Permissions requested</h1>
      <p><strong>${context.appName}</strong> would like to:</p>
      ${permissionList(permissions)}
      <form method="post" action="?${context.query}">
        <input type="hidden" name="account" value="${user.userPrincipalName}">
        ${
          user.isAdmin
            ? html`<label class="choice"><input type="checkbox" name="for_organization" value="true">
                <span>Consent on behalf of your organization (${tenant.displayName}): nobody else there will be
                asked.</span></label>`
            : ''
        }
        <p class="soft">Accepting lets this app use your data as described. You can take it back at any time.</p>
        <div class="actions">
          <button name="decision" value="deny">Cancel</button>
          <button name="decision" value="accept" class="main">Accept</button>
        </div>
      </form>
      ${otherAccountLink(context)}`,
  );
}

/** The page on which an administrator grants permissions for everybody in the tenant. */
export function adminConsentPage(
  context: PageContext,
  account: Account,
  permissions: readonly string[],
  roles: readonly string[],
): Html {
  const { user, tenant } = account;
  return document(
    'Permissions requested for your organization',
    html`<p class="soft">${user.userPrincipalName}</p>
      <h1>Permissions requested: review for your organization</h1>
      <p><strong>${context.appName}</strong> would like to, for everybody at <strong>${tenant.displayName}</strong>:</p>
      ${permissions.length === 0 ? '' : permissionList(permissions)}
      ${
        roles.length === 0
          ? ''
          : html`<p>And by itself, without a signed-in user, in every mailbox and profile of the organization:</p>
              ${permissionList(roles)}`
      }
      <form method="post" action="?${context.query}">
        <input type="hidden" name="account" value="${user.userPrincipalName}">
        <div class="actions">
          <button name="decision" value="deny">Cancel</button>
          <button name="decision" value="accept" class="main">Accept</button>
        </div>
      </form>
      ${otherAccountLink(context)}`,
  );
}

/** What a person sees who may not grant what the app asks for. */
export function approvalPage(context: PageContext, account: Account, permissions: readonly string[]): Html {
  const { user, tenant } = account;
  return document(
    'Need admin approval',
    html`<p class="soft">${user.userPrincipalName}</p>
      <h1>Need admin approval</h1>
      <p><strong>${context.appName}</strong> needs permission to access resources in ${tenant.displayName} that only
      an administrator can grant. Please ask an administrator to grant permission to this app before you can use
      it.</p>
      ${permissionList(permissions)}
      <p class="soft">AADSTS90094</p>
      <form method="post" action="?${context.query}">
        <input type="hidden" name="account" value="${user.userPrincipalName}">
        <div class="actions">
          <button name="decision" value="deny" class="main">Return to the application without granting consent</button>
        </div>
      </form>
      ${otherAccountLink(context, 'Have an admin account? Sign in with that account')}`,
  );
}

/** A fault that the app must not or need not hear of. */
export function faultPage(body: OAuthFaultBody): Html {
  return document(
    'Sorry, but we are having trouble signing you in',
    html`<h1>Sorry, but we’re having trouble signing you in.</h1>
      <p class="alert" role="alert">${body.error_description.replace(/ Trace ID: .*$/s, '')}</p>
      <dl>
        <dt>Error</dt><dd>${body.error}</dd>
        <dt>Correlation ID</dt><dd>${body.correlation_id}</dd>
        <dt>Timestamp</dt><dd>${body.timestamp}</dd>
      </dl>`,
  );
}

/** Carries the answer to the app in a form (`response_mode=form_post`), so that it stays out of addresses and logs. */
export function formPostPage(redirectUri: string, answer: Readonly<Record<string, string>>): Html {
  const fields = Object.entries(answer).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  return document(
    'Working…',
    html`<h1>Back to the application</h1>
      <form method="post" action="${redirectUri}">${fields}
        <div class="actions"><button class="main">Continue</button></div>
      </form>
      <script>${raw(SUBMIT_SCRIPT)}</script>`,
  );
}

/** The end of a sign-out that names no address to go to. */
export function signedOutPage(): Html {
  return document(
    'You signed out',
    html`<h1>You signed out of your account</h1>
      <p>It’s a good idea to close all browser windows.</p>`,
  );
}

function accountItem({ user, tenant }: Account): Html {
  const reason = blockedReason(user);
  const face = html`<span class="initials" aria-hidden="true">${initialsOf(user.displayName)}</span>
    <span class="who">
      <span>${user.displayName}${user.isAdmin ? html` <small class="tag">Admin</small>` : ''}</span>
      <span class="soft">${user.userPrincipalName} · ${tenant.displayName}</span>
      ${reason === null ? '' : html`<span class="soft">${reason}</span>`}
    </span>`;
  return reason === null
    ? html`<li><button class="account" name="account" value="${user.userPrincipalName}">${face}</button></li>`
    : html`<li><div class="account blocked">${face}</div></li>`;
}

function otherAccountForm(context: PageContext, unlisted: number): Html {
  return html`<form method="post" action="?${context.query}" class="field">
      <label for="account">Or type an address (${unlisted} more accounts)</label>
      <input id="account" name="account" type="email" inputmode="email" autocomplete="username" required>
      <button class="main">Next</button>
    </form>`;
}

function otherAccountLink(context: PageContext, words = 'Use another account'): Html {
  return html`<p class="soft other"><a href="?${context.query}">${words}</a></p>`;
}

function permissionList(permissions: readonly string[]): Html {
  const items = permissions.map((name) => {
    const { title, description, adminOnly } = describePermission(name);
    return html`<li><strong>${title}${adminOnly ? html` <small class="tag">Admin only</small>` : ''}</strong>
      <span class="soft">${description} <code>${name}</code></span></li>`;
  });
  return html`<ul class="permissions">${items}</ul>`;
}

function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '');
  const [first, last] = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return `${first?.[0] ?? '?'}${last?.[0] ?? ''}`.toUpperCase();
}

function document(title: string, content: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${title} · Microsoft 365 emulator</title>
  <style>${raw(STYLE)}</style>
</head>
<body>
  <main>
    <p class="brand">Microsoft 365 emulator</p>
    ${content}
    <footer><p class="soft">No password is asked, and nothing here reaches Microsoft.</p></footer>
  </main>
</body>
</html>
`;
}

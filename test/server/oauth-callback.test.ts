import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { type Answered, answerMicrosoft } from '../support/browser.ts';

let app: TestApp;
let desk: Desk;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const callback = '/api/integrations/microsoft365/callback';

/** Starts a sign-in and signs in at Microsoft; gives the browser with its answer. */
async function signedIn({
  returnTo,
  decision = 'accept',
}: {
  returnTo?: string;
  decision?: string;
} = {}): Promise<Answered> {
  const address = `desk-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  await control(app.emulator.url, 'mailboxes', { address });
  const { createIntegration } = await desk.request<{ createIntegration: { integration: { id: string } } }>(
    `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
       ... on CreateIntegrationPayload { integration { id } } } }`,
    {
      input: {
        tenantId: 'organizations',
        clientId: crypto.randomUUID(),
        clientSecret: 'a secret of the test',
      },
    },
  );
  const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
       ... on StartSignInPayload { authorizationUrl } } }`,
    { input: { integrationId: createIntegration.integration.id, ...(returnTo && { returnTo }) } },
  );
  return await answerMicrosoft(startSignIn.authorizationUrl, address, decision);
}

async function visit(from: Answered | string, cookie?: string) {
  const response =
    typeof from === 'string' ? await fetch(from, { redirect: 'manual' }) : await from.deliver(cookie);
  return { status: response.status, headers: response.headers, page: await response.text() };
}

test('says who was connected, without a code or a token in the page', async () => {
  const answered = await signedIn();
  const url = answered.location;
  const { status, headers, page } = await visit(answered);
  expect(status).toBe(200);
  expect(page).toMatch(/<h1>Connected<\/h1>.*@contoso\.example.*ACTIVE/);
  expect(page).not.toContain(new URL(url).searchParams.get('code'));
  expect(page).not.toContain(new URL(url).searchParams.get('state'));
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('goes on to the page that was asked for, on this server only', async () => {
  const { status, headers } = await visit(await signedIn({ returnTo: '/settings?tab=mail' }));
  expect(status).toBe(303);
  expect(headers.get('location')).toBe(`${app.url}/settings?tab=mail`);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
});

test('after a refusal the page leads back to where the person came from, on this server only', async () => {
  const denied = await visit(await signedIn({ returnTo: '/settings?tab=mail&x="><b>', decision: 'deny' }));
  expect(denied.status).toBe(400);
  expect(denied.page).toContain('CONSENT_DECLINED');
  expect(denied.page).toContain(`<a href="${app.url}/settings?tab=mail&amp;x=%22%3E%3Cb%3E">`);
  expect((await visit(await signedIn({ decision: 'deny' }))).page).not.toContain('<a ');
  // Whoever brings a state that is not theirs learns nothing of whose it is.
  const answered = await signedIn({ returnTo: '/settings', decision: 'deny' });
  expect((await visit(answered, 'another=browser')).page).not.toContain('/settings');
});

test('works once: the second visit says so', async () => {
  const answered = await signedIn();
  expect((await visit(answered)).status).toBe(200);
  const { status, page } = await visit(answered);
  expect(status).toBe(400);
  expect(page).toContain('INVALID_STATE');
});

test('a refused consent is answered with its cause and remedy', async () => {
  const { status, page } = await visit(await signedIn({ decision: 'deny' }));
  expect(status).toBe(400);
  expect(page).toContain('CONSENT_DECLINED');
  expect(page).toContain('What to do');
});

test.each([
  ['nothing', ''],
  ['an unknown state', '?code=abc&state=unknown'],
  ['a state that is not text', '?code=abc&state=%00%ff'],
  ['a state given twice', '?state=a&state=b&code=c'],
  ['an endless state', `?code=abc&state=${'x'.repeat(5_000)}`],
  [
    'markup',
    '?state=%3Cscript%3Ealert(1)%3C/script%3E&error=%3Cimg%20src=x%3E&error_description=%3Csvg/onload=alert(1)%3E',
  ],
])('%s is answered with a code, and nothing of it is repeated', async (_what, query) => {
  const { status, headers, page } = await visit(app.url + callback + query);
  expect(status).toBe(400);
  expect(page).toContain('INVALID_STATE');
  expect(page).not.toMatch(/<script|<img|<svg|onload|unknown|xxxx|abc/);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
});

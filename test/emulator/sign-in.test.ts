import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  APP,
  authorizeUrl,
  CONTOSO,
  msalFor,
  newPkce,
  REDIRECT_URI,
  SCOPES,
  type SignInServer,
  startSignInServer,
} from './sign-in-harness.ts';

let server: SignInServer;
beforeAll(async () => {
  server = await startSignInServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe('MSAL, unmodified, with its real authority', () => {
  test('signs in with code, PKCE, state and nonce, and reads the profile', async () => {
    const { client, urls } = msalFor(server);
    const { verifier, challenge } = newPkce();
    const request = { scopes: SCOPES, redirectUri: REDIRECT_URI };
    const url = await client.getAuthCodeUrl({
      ...request,
      state: 'a state & more',
      nonce: 'the-nonce',
      codeChallenge: challenge,
      codeChallengeMethod: 'S256',
    });
    expect(url).toMatch(/^https:\/\/login\.microsoftonline\.com\/common\/oauth2\/v2\.0\/authorize\?/);

    const answer = await server.follow(url, 'ada@contoso.example');
    expect(answer.origin + answer.pathname).toBe('http://localhost:3000/microsoft365/callback');
    expect(answer.searchParams.get('from')).toBe('test');
    expect(answer.searchParams.get('state')).toBe('a state & more');

    const result = await client.acquireTokenByCode({
      ...request,
      code: answer.searchParams.get('code') ?? '',
      codeVerifier: verifier,
      nonce: 'the-nonce',
    });
    expect(result.account).toMatchObject({
      tenantId: CONTOSO,
      username: 'ada@contoso.example',
      name: 'Ada Admin',
    });
    expect(result.scopes).toEqual(expect.arrayContaining(SCOPES));
    expect(result.idTokenClaims).toMatchObject({ nonce: 'the-nonce', aud: APP, tid: CONTOSO, ver: '2.0' });

    const me = await server.graph('/me', result.accessToken);
    expect(me.body).toMatchObject({ userPrincipalName: 'ada@contoso.example' });
    expect(urls.every((asked) => asked.startsWith('https://login.microsoftonline.com/'))).toBe(true);
  });

  test('refuses an id token with another nonce, which shows that the nonce above was compared', async () => {
    const { client } = msalFor(server);
    const request = { scopes: SCOPES, redirectUri: REDIRECT_URI };
    const url = await client.getAuthCodeUrl({ ...request, nonce: 'one' });
    const answer = await server.follow(url, 'ada@contoso.example');
    const code = answer.searchParams.get('code') ?? '';
    await expect(client.acquireTokenByCode({ ...request, code, nonce: 'other' })).rejects.toMatchObject({
      errorCode: 'nonce_mismatch',
    });
  });

  test('answers from its cache, and renews silently with the refresh token when asked to', async () => {
    const { client } = msalFor(server, { tenant: 'organizations' });
    const request = { scopes: SCOPES, redirectUri: REDIRECT_URI };
    const answer = await server.follow(await client.getAuthCodeUrl(request), 'mia@contoso.example');
    const first = await client.acquireTokenByCode({
      ...request,
      code: answer.searchParams.get('code') ?? '',
    });
    if (first.account === null) throw new Error('no account');
    const cached = await client.acquireTokenSilent({ scopes: ['Mail.ReadWrite'], account: first.account });
    const renewed = await client.acquireTokenSilent({
      scopes: SCOPES,
      account: first.account,
      forceRefresh: true,
    });
    expect(cached.fromCache).toBe(true);
    expect(renewed.fromCache).toBe(false);
    expect(renewed.accessToken).not.toBe(first.accessToken);
    expect((await server.graph('/me', renewed.accessToken)).status).toBe(200);
  });

  test('asks for interaction after the tokens of the user were revoked', async () => {
    const { client } = msalFor(server);
    const request = { scopes: SCOPES, redirectUri: REDIRECT_URI };
    const answer = await server.follow(await client.getAuthCodeUrl(request), 'dave@fabrikam.example');
    const first = await client.acquireTokenByCode({
      ...request,
      code: answer.searchParams.get('code') ?? '',
    });
    if (first.account === null) throw new Error('no account');
    await server.control('/tokens/revoke', { address: 'dave@fabrikam.example' });
    await expect(
      client.acquireTokenSilent({ scopes: SCOPES, account: first.account, forceRefresh: true }),
    ).rejects.toMatchObject({ errorCode: 'invalid_grant', subError: 'bad_token' });
  });

  test('gets application permissions with client credentials', async () => {
    const { client } = msalFor(server, { tenant: CONTOSO });
    const result = await client.acquireTokenByClientCredential({
      scopes: ['https://graph.microsoft.com/.default'],
    });
    const user = await server.graph('/users/support@contoso.example', result?.accessToken ?? '');
    expect(user.body).toMatchObject({ displayName: 'Contoso Support' });
  });

  test('reports a wrong and an expired secret with their AADSTS numbers', async () => {
    for (const [secret, code] of [
      ['wrong-secret', 'AADSTS7000215'],
      ['expired-secret', 'AADSTS7000222'],
    ] as const) {
      const { client } = msalFor(server, { secret, tenant: CONTOSO });
      const asking = client.acquireTokenByClientCredential({
        scopes: ['https://graph.microsoft.com/.default'],
      });
      await expect(asking).rejects.toMatchObject({
        errorCode: 'invalid_client',
        errorMessage: expect.stringContaining(code),
      });
    }
  });
});

describe('metadata', () => {
  test('names the real endpoints, and keys that verify the id token', async () => {
    const asked = await fetch(`${server.root}/contoso.example/v2.0/.well-known/openid-configuration`);
    expect(await asked.json()).toMatchObject({
      issuer: `https://login.microsoftonline.com/${CONTOSO}/v2.0`,
      token_endpoint: `https://login.microsoftonline.com/${CONTOSO}/oauth2/v2.0/token`,
    });
    const answer = await server.follow(authorizeUrl(server).href, 'erin@fabrikam.example');
    const { body } = await server.token(
      {
        grant_type: 'authorization_code',
        client_id: APP,
        client_secret: 'any',
        code: answer.searchParams.get('code') ?? '',
        redirect_uri: REDIRECT_URI,
      },
      'common',
    );
    const published = await fetch(`${server.root}/common/discovery/v2.0/keys`);
    const { keys } = (await published.json()) as { keys: [JsonWebKey] };
    const [header = '', payload = '', signature = ''] = (body.id_token ?? '').split('.');
    const key = createPublicKey({ key: keys[0], format: 'jwk' });
    const signed = Buffer.from(`${header}.${payload}`);
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(keys[0]).not.toHaveProperty('d');
  });

  test('answers instance discovery, and 90002 for a tenant that does not exist', async () => {
    const discovery = await fetch(`${server.root}/common/discovery/instance?api-version=1.1`);
    expect(await discovery.json()).toHaveProperty('metadata');
    const missing = await fetch(`${server.root}/nowhere.example/v2.0/.well-known/openid-configuration`);
    expect(missing.status).toBe(400);
    expect(await missing.json()).toMatchObject({ error_codes: [90002] });
  });
});

describe('the sign-in page', () => {
  test('lists the accounts of its tenant only, and says why one cannot be used', async () => {
    const page = await (await fetch(authorizeUrl(server, {}, CONTOSO))).text();
    expect(page).toContain('value="sam@contoso.example"');
    expect(page).toContain('Shared mailbox: sign-in is blocked');
    expect(page).not.toContain('value="support@contoso.example"');
    expect(page).not.toContain('fabrikam');
  });

  test('signs in with two forms and no script: account, then consent; the second time without consent', async () => {
    const url = authorizeUrl(server, { client_id: 'two-forms' });
    const post = (form: Record<string, string>) =>
      fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
    const consent = await (await post({ account: 'sam@contoso.example' })).text();
    expect(consent).toContain('Read and write access to your mail');
    expect(consent).not.toContain('Consent on behalf of your organization');
    const accepted = await post({ account: 'sam@contoso.example', decision: 'accept' });
    expect(accepted.headers.get('location')).toContain('code=');
    const again = await post({ account: 'sam@contoso.example' });
    expect(again.headers.get('location')).toContain('code=');
    const asked = await fetch(authorizeUrl(server, { client_id: 'two-forms', prompt: 'consent' }), {
      method: 'POST',
      body: new URLSearchParams({ account: 'sam@contoso.example' }),
    });
    expect(await asked.text()).toContain('Permissions requested');
  });

  test('takes a refusal back to the app as access_denied with AADSTS65004', async () => {
    const url = authorizeUrl(server, { client_id: 'refused' });
    const answer = await server.follow(url.href, 'sam@contoso.example', 'deny');
    expect(answer.searchParams.get('error')).toBe('access_denied');
    expect(answer.searchParams.get('error_description')).toMatch(/^AADSTS65004: /);
    expect(answer.searchParams.get('state')).toBe('the state');
    expect(answer.searchParams.has('code')).toBe(false);
  });

  test('shows blocked, unknown and foreign accounts to the person and sends nothing to the app', async () => {
    for (const [account, code] of [
      ['support@contoso.example', 50057],
      ['nobody@contoso.example', 50034],
      ['dave@fabrikam.example', 50020],
    ] as const) {
      const url = authorizeUrl(server, { _account: account, _decision: 'accept' }, CONTOSO);
      const response = await fetch(url, { redirect: 'manual' });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain(`AADSTS${code}`);
    }
  });

  test('escapes everything it repeats', async () => {
    await server.control('/apps', { clientId: 'escaping', displayName: '<script>alert(1)</script>' });
    const hostile = '"><script>alert(2)</script>';
    const url = authorizeUrl(server, { client_id: 'escaping', state: hostile, _account: hostile });
    const page = await (await fetch(url)).text();
    expect(page).toContain('&lt;script&gt;alert(1)');
    expect(page).not.toContain('<script>alert');
  });

  test('posts the answer in a form for response_mode=form_post', async () => {
    const url = authorizeUrl(server, {
      response_mode: 'form_post',
      state: 'a "quoted" state',
      _account: 'sam@contoso.example',
      _decision: 'accept',
    });
    const page = await (await fetch(url)).text();
    expect(page).toContain(`action="${REDIRECT_URI}"`);
    expect(page).toMatch(/name="code" value="1\.[\w-]+"/);
    expect(page).toContain('name="state" value="a &quot;quoted&quot; state"');
  });

  test('refuses a redirect URI that the app is not registered with, on a page and never by redirect', async () => {
    await server.control('/apps', {
      clientId: 'registered',
      redirectUris: ['https://desk.example/callback'],
    });
    for (const url of [
      authorizeUrl(server, { client_id: 'registered', _account: 'sam@contoso.example', _decision: 'accept' }),
      authorizeUrl(server, { redirect_uri: 'javascript:alert(1)' }),
    ]) {
      const response = await fetch(url, { redirect: 'manual' });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('AADSTS50011');
    }
  });

  test('tells the app of a malformed request', async () => {
    for (const [parameters, error, code] of [
      [{ response_type: 'token' }, 'unsupported_response_type', 'AADSTS700051'],
      [{ scope: 'https://other.example/Some.Read' }, 'invalid_scope', 'AADSTS28000'],
      [{ scope: 'mailread' }, 'invalid_client', 'AADSTS650053'],
      [{ prompt: 'admin_consent' }, 'invalid_request', 'AADSTS901002'],
      [{ code_challenge: 'short', code_challenge_method: 'S256' }, 'invalid_request', 'AADSTS9002313'],
    ] as const) {
      const answer = await server.follow(authorizeUrl(server, parameters).href, 'sam@contoso.example');
      expect(answer.searchParams.get('error')).toBe(error);
      expect(answer.searchParams.get('error_description')).toContain(code);
    }
  });
});

describe('prompt=none', () => {
  const silently = (cookie: string | null, rest: Record<string, string> = {}) =>
    fetch(authorizeUrl(server, { client_id: 'silent', prompt: 'none', ...rest }), {
      redirect: 'manual',
      headers: cookie === null ? {} : { cookie },
    }).then((response) => new URL(response.headers.get('location') ?? ''));

  test('answers login_required without a session, and a code with one until the browser signs out', async () => {
    expect((await silently(null)).searchParams.get('error')).toBe('login_required');
    const signedIn = await fetch(
      authorizeUrl(server, { client_id: 'silent', _account: 'sam@contoso.example', _decision: 'accept' }),
      { redirect: 'manual' },
    );
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await silently(cookie)).searchParams.has('code')).toBe(true);
    const more = await silently(cookie, { scope: 'openid MailboxSettings.Read' });
    expect(more.searchParams.get('error')).toBe('consent_required');
    const signOut = `${server.root}/common/oauth2/v2.0/logout`;
    await fetch(signOut, { headers: { cookie } });
    expect((await silently(cookie)).searchParams.get('error')).toBe('login_required');
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  APP,
  authorizeUrl,
  CONTOSO,
  newPkce,
  REDIRECT_URI,
  type SignInServer,
  signInByHand,
  startSignInServer,
} from './sign-in-harness.ts';

let server: SignInServer;
beforeAll(async () => {
  server = await startSignInServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** A form with a fresh, unused code in it. */
async function freshForm(rest: Record<string, string> = {}): Promise<Record<string, string>> {
  const { verifier, challenge } = newPkce();
  const url = authorizeUrl(server, {
    client_id: 'token-tests',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...rest,
  });
  const answer = await server.follow(url.href, 'sam@contoso.example');
  return {
    grant_type: 'authorization_code',
    client_id: 'token-tests',
    client_secret: 'any-secret',
    code: answer.searchParams.get('code') ?? '',
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
  };
}

describe('errors', () => {
  test('have every field of Entra, and echo the correlation id of the client', async () => {
    const correlationId = 'c0ffee00-0000-4000-8000-000000000000';
    const response = await fetch(`${server.root}/${CONTOSO}/oauth2/v2.0/token`, {
      method: 'POST',
      headers: { 'client-request-id': correlationId },
      body: new URLSearchParams({
        ...(await freshForm()),
        client_secret: 'wrong-secret',
      }),
    });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      error: 'invalid_client',
      error_description: expect.stringMatching(
        new RegExp(`^AADSTS7000215: .* Trace ID: .* Correlation ID: ${correlationId} Timestamp: .*Z$`),
      ),
      error_codes: [7000215],
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/),
      trace_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      correlation_id: correlationId,
      error_uri: 'https://login.microsoftonline.com/error?code=7000215',
    });
  });

  test('name what is missing or unknown', async () => {
    const form = { grant_type: 'client_credentials', client_id: APP, client_secret: 's' };
    for (const [bad, code] of [
      [{}, 900144],
      [{ ...form, grant_type: 'password' }, 70003],
      [{ grant_type: 'client_credentials', client_id: APP }, 7000218],
      [{ ...form, grant_type: 'authorization_code', code: 'made-up', redirect_uri: REDIRECT_URI }, 70000],
      [{ ...form, grant_type: 'refresh_token', refresh_token: 'made-up' }, 70000],
    ] as const) {
      expect((await server.token(bad)).body.error_codes).toEqual([code]);
    }
    expect((await server.token(form, 'nowhere.example')).body.error_codes).toEqual([90002]);
  });
});

test('a body far larger than any request is refused with 413', async () => {
  const large = 'x'.repeat(100_000);
  expect((await server.token({ grant_type: large })).status).toBe(413);
  expect((await server.control('/apps', { clientId: large })).status).toBe(413);
});

describe('client secrets', () => {
  test('are checked for an app that has one, and a wrong one leaves the code unused', async () => {
    await server.control('/apps', { clientId: 'Secretive', secret: 'the-secret' });
    const form = await freshForm({ client_id: 'secretive' });
    const wrong = await server.token({ ...form, client_id: 'secretive', client_secret: 'guess' });
    expect(wrong.body.error_codes).toEqual([7000215]);
    const right = await server.token({ ...form, client_id: 'secretive', client_secret: 'the-secret' });
    expect(right.status).toBe(200);
  });

  test('that have expired answer AADSTS7000222', async () => {
    const { status, body } = await server.token({ ...(await freshForm()), client_secret: 'expired-secret' });
    expect([status, body.error, body.error_codes]).toEqual([401, 'invalid_client', [7000222]]);
  });

  test('may come by HTTP Basic', async () => {
    const { client_secret, client_id, ...form } = await freshForm();
    const response = await fetch(`${server.root}/common/oauth2/v2.0/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
      body: new URLSearchParams(form),
    });
    expect(response.status).toBe(200);
  });

  test('may be replaced by an assertion about the app itself', async () => {
    const assertion = (claims: object) =>
      ['{"alg":"PS256"}', JSON.stringify(claims), 'signature']
        .map((part) => Buffer.from(part).toString('base64url'))
        .join('.');
    const form = {
      grant_type: 'client_credentials',
      client_id: APP,
      scope: 'https://graph.microsoft.com/.default',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    };
    const claims = {
      iss: APP,
      sub: APP,
      aud: `https://login.microsoftonline.com/${CONTOSO}/oauth2/v2.0/token`,
      exp: Math.floor(server.state.clock.now() / 1_000) + 60,
    };
    expect((await server.token({ ...form, client_assertion: assertion(claims) })).status).toBe(200);
    for (const bad of [
      { ...claims, sub: 'other' },
      { ...claims, exp: 1 },
    ]) {
      const { body } = await server.token({ ...form, client_assertion: assertion(bad) });
      expect(body.error_codes).toEqual([bad.exp === 1 ? 700024 : 700027]);
    }
  });
});

describe('an authorization code', () => {
  test('works once, then answers AADSTS54005', async () => {
    const form = await freshForm();
    expect((await server.token(form)).status).toBe(200);
    const again = await server.token(form);
    expect([again.status, again.body.error, again.body.error_codes]).toEqual([400, 'invalid_grant', [54005]]);
  });

  test('is good for a minute', async () => {
    const form = await freshForm();
    server.state.clock.advance(61);
    expect((await server.token(form)).body).toMatchObject({ error: 'invalid_grant', error_codes: [70008] });
    server.state.clock.reset();
  });

  test('needs its PKCE verifier, redirect URI, app and tenant', async () => {
    const form = await freshForm();
    const { code_verifier, ...withoutVerifier } = form;
    expect((await server.token(withoutVerifier)).body.error_codes).toEqual([501481]);
    for (const [change, code] of [
      [{ code_verifier: newPkce().verifier }, 501481],
      [{ redirect_uri: 'https://elsewhere.example/' }, 500112],
      [{ client_id: 'other-app' }, 70000],
    ] as const) {
      expect((await server.token({ ...form, ...change })).body.error_codes).toEqual([code]);
    }
    expect((await server.token(form, 'fabrikam.example')).body.error_codes).toEqual([700005]);
    expect((await server.token(form)).status).toBe(200);
  });
});

describe('a refresh token', () => {
  const refresh = (refreshToken: string, rest: Record<string, string> = {}) =>
    server.token({
      grant_type: 'refresh_token',
      client_id: APP,
      client_secret: 'any-secret',
      refresh_token: refreshToken,
      ...rest,
    });

  test('is given for offline_access only, an id token for openid only', async () => {
    const { tokens } = await signInByHand(server, 'mia@contoso.example', { scope: 'User.Read' });
    expect(tokens.access_token).toBeDefined();
    expect(tokens.refresh_token).toBeUndefined();
    expect(tokens.id_token).toBeUndefined();
  });

  test('rotates at every use, and the old one stays usable', async () => {
    const { refreshToken } = await signInByHand(server);
    const first = await refresh(refreshToken);
    const second = await refresh(first.body.refresh_token ?? '');
    expect(new Set([refreshToken, first.body.refresh_token, second.body.refresh_token]).size).toBe(3);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test('cannot be used twice where the tenant rejects reuse', async () => {
    const { refreshToken } = await signInByHand(server, 'erin@fabrikam.example');
    await server.control('/tenants/fabrikam.example/settings', { refreshTokenReuse: 'reject' });
    const answer = await server.token(
      {
        grant_type: 'refresh_token',
        client_id: APP,
        client_secret: 'any-secret',
        refresh_token: refreshToken,
      },
      'common',
    );
    expect(answer.status).toBe(200);
    const again = await server.token(
      { grant_type: 'refresh_token', client_id: APP, client_secret: 's', refresh_token: refreshToken },
      'common',
    );
    expect(again.body).toMatchObject({ error: 'invalid_grant', error_codes: [54005] });
  });

  test('expires after 90 days without use', async () => {
    const { refreshToken } = await signInByHand(server);
    server.state.clock.advance(90 * 24 * 60 * 60 + 1);
    expect((await refresh(refreshToken)).body.error_codes).toEqual([700082]);
    server.state.clock.reset();
  });

  test('yields narrower scopes, and AADSTS65001 for one without consent', async () => {
    const { refreshToken } = await signInByHand(server);
    const narrower = await refresh(refreshToken, { scope: 'https://graph.microsoft.com/Mail.ReadWrite' });
    expect(narrower.body.scope?.split(' ')).toContain('https://graph.microsoft.com/Mail.ReadWrite');
    const wider = await refresh(refreshToken, { scope: 'MailboxSettings.ReadWrite' });
    expect(wider.body).toMatchObject({
      error: 'invalid_grant',
      suberror: 'consent_required',
      error_codes: [65001],
    });
  });

  test('yields scopes that were consented to later', async () => {
    const { refreshToken } = await signInByHand(server);
    await signInByHand(server, 'sam@contoso.example', { scope: 'openid MailboxSettings.Read' });
    expect((await refresh(refreshToken, { scope: 'MailboxSettings.Read' })).status).toBe(200);
  });

  test('is refused after consent was taken back', async () => {
    const { refreshToken } = await signInByHand(server, 'mia@contoso.example');
    await server.control('/consents/revoke', { clientId: APP, address: 'mia@contoso.example' });
    expect((await refresh(refreshToken)).body.error_codes).toEqual([65001]);
  });

  test('is refused after revocation with AADSTS50173, until the user signs in again', async () => {
    const { refreshToken } = await signInByHand(server, 'ada@contoso.example');
    const revoked = await server.control('/tokens/revoke', { address: 'ada@contoso.example' });
    expect(revoked.body).toMatchObject({ revokedRefreshTokens: 1 });
    const refused = await refresh(refreshToken);
    expect(refused.body).toMatchObject({ error: 'invalid_grant', error_codes: [50173] });
    const again = await signInByHand(server, 'ada@contoso.example');
    expect((await refresh(again.refreshToken)).status).toBe(200);
  });
});

describe('client credentials', () => {
  const form = {
    grant_type: 'client_credentials',
    client_id: APP,
    client_secret: 'any-secret',
    scope: 'https://graph.microsoft.com/.default',
  };

  test('give an app token without refresh token', async () => {
    const { status, body } = await server.token(form);
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(['access_token', 'expires_in', 'ext_expires_in', 'token_type']);
  });

  test('need a tenant in the path and .default as scope', async () => {
    expect((await server.token(form, 'common')).body.error_codes).toEqual([9001023]);
    const narrow = await server.token({ ...form, scope: 'https://graph.microsoft.com/Mail.Read' });
    expect(narrow.body).toMatchObject({ error: 'invalid_scope', error_codes: [1002012] });
  });
});

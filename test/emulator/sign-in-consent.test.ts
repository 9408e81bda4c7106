import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  authorizeUrl,
  CONTOSO,
  REDIRECT_URI,
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

function adminConsentUrl(
  appId: string,
  tenant = CONTOSO,
  scope = 'https://graph.microsoft.com/.default',
): URL {
  const url = new URL(`${server.root}/${tenant}/v2.0/adminconsent`);
  const parameters = { client_id: appId, redirect_uri: REDIRECT_URI, state: 'abc', scope };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

describe('where users may not consent', () => {
  test('a user sees "Need admin approval", and the app hears AADSTS90094; an administrator opens the way', async () => {
    await server.control('/tenants/fabrikam.example/settings', { userConsentAllowed: false });
    const url = authorizeUrl(server, { client_id: 'restricted' }).href;
    const page = await (await fetch(`${url}&_account=dave@fabrikam.example`)).text();
    expect(page).toContain('Need admin approval');
    const answer = await server.follow(url, 'dave@fabrikam.example');
    expect(answer.searchParams.get('error')).toBe('consent_required');
    expect(answer.searchParams.get('error_description')).toMatch(/^AADSTS90094: /);

    await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({
        account: 'carol@fabrikam.example',
        decision: 'accept',
        for_organization: 'true',
      }),
    });
    expect((await server.follow(url, 'dave@fabrikam.example')).searchParams.has('code')).toBe(true);
  });

  test("Microsoft's managed policy keeps reading mail, but not sending it, from users", async () => {
    await server.control('/tenants/contoso.example/settings', { userConsentAllowed: 'microsoft-managed' });
    const ask = (scope: string) =>
      server.follow(authorizeUrl(server, { client_id: 'managed', scope }).href, 'mia@contoso.example');
    expect((await ask('openid offline_access User.Read Mail.Send')).searchParams.has('code')).toBe(true);
    expect((await ask('openid Mail.ReadWrite.Shared')).searchParams.get('error')).toBe('consent_required');
    await server.control('/tenants/contoso.example/settings', { userConsentAllowed: true });
  });

  test('the other tenant is not affected', async () => {
    const url = authorizeUrl(server, { client_id: 'restricted' }).href;
    expect((await server.follow(url, 'sam@contoso.example')).searchParams.has('code')).toBe(true);
  });
});

test('permissions that only an administrator may grant stay theirs', async () => {
  const url = authorizeUrl(server, { client_id: 'directory', scope: 'openid User.Read.All' }).href;
  const refused = await server.follow(url, 'sam@contoso.example');
  expect(refused.searchParams.get('error')).toBe('consent_required');
  expect((await server.follow(url, 'ada@contoso.example')).searchParams.has('code')).toBe(true);
});

test('a user who is no administrator cannot consent for the organization', async () => {
  const url = authorizeUrl(server, { client_id: 'modest', _for_organization: 'true' }).href;
  await server.follow(url, 'sam@contoso.example');
  const page = await (await fetch(`${url}&_account=mia@contoso.example`)).text();
  expect(page).toContain('Permissions requested');
});

describe('the admin consent endpoint', () => {
  test('offers administrators only, grants for everybody, and says which tenant', async () => {
    const url = adminConsentUrl('organizational');
    const page = await (await fetch(url)).text();
    expect(page).toContain('value="ada@contoso.example"');
    expect(page).not.toContain('value="sam@contoso.example"');
    const answer = await server.follow(url.href, 'ada@contoso.example');
    expect(Object.fromEntries(answer.searchParams)).toEqual({
      from: 'test',
      admin_consent: 'True',
      tenant: CONTOSO,
      scope: 'https://graph.microsoft.com/.default',
      state: 'abc',
    });
    const mail = authorizeUrl(server, { client_id: 'organizational', scope: 'User.Read Mail.Send' });
    mail.searchParams.set('_account', 'sam@contoso.example');
    const signedIn = await fetch(mail, { redirect: 'manual' });
    expect(signedIn.headers.get('location')).toContain('code=');
  });

  test('grants the application permissions of the app with .default', async () => {
    await server.control('/apps', { clientId: 'roles', roles: ['Mail.Read'] });
    await server.follow(adminConsentUrl('roles').href, 'ada@contoso.example');
    const { body } = await server.token({
      grant_type: 'client_credentials',
      client_id: 'roles',
      client_secret: 'any',
      scope: 'https://graph.microsoft.com/.default',
    });
    const payload = body.access_token?.split('.')[1] ?? '';
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ roles: ['Mail.Read'] });
  });

  test('takes a refusal back to the app, and refuses common and people without the role', async () => {
    const denied = await server.follow(adminConsentUrl('x').href, 'ada@contoso.example', 'deny');
    expect(denied.searchParams.get('admin_consent')).toBe('True');
    expect(denied.searchParams.get('error_description')).toMatch(/^AADSTS65004: /);
    const common = await server.follow(adminConsentUrl('x', 'common').href, 'ada@contoso.example');
    expect(common.searchParams.get('error')).toBe('invalid_request');
    const user = await server.follow(adminConsentUrl('x').href, 'sam@contoso.example');
    expect(user.searchParams.get('error_description')).toMatch(/^AADSTS90094: /);
  });
});

describe('the control API', () => {
  test('answers 400 for what it cannot use and 404 for what it does not know', async () => {
    for (const [path, body, status] of [
      ['/tokens/revoke', { address: 'nobody@contoso.example' }, 404],
      ['/tokens/revoke', {}, 400],
      ['/tenants/contoso.example/settings', { accessTokenSeconds: 0 }, 400],
      ['/tenants/contoso.example/settings', { acessTokenSeconds: 60 }, 400],
      ['/tenants/nowhere.example/settings', {}, 404],
      ['/apps', { clientId: 'x', redirectUris: ['not a url'] }, 400],
      ['/consents/revoke', { clientId: 'x' }, 404],
    ] as const) {
      const answer = await server.control(path, body);
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.body).toHaveProperty('error.message');
    }
  });

  test('keeps what a request leaves out, and never shows a secret', async () => {
    await server.control('/apps', { clientId: 'described', secret: 'hush', displayName: 'Described' });
    const { body } = await server.control('/apps', { clientId: 'described', roles: ['Mail.Read'] });
    expect(body).toEqual({
      certificates: null,
      homeTenantId: null,
      personalAccounts: true,
      clientId: 'described',
      displayName: 'Described',
      redirectUris: null,
      roles: ['Mail.Read'],
      hasSecret: true,
    });
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { asInput, type CredentialsDesk, startCredentialsDesk } from './credentials-harness.ts';

const SECRET = 'the-Secret~that.Entra-knows';
let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  stage = await startCredentialsDesk();
  await stage.microsoft('tenants/contoso.example/settings', { knownAppsOnly: true });
  for (const [domain, cloud] of [
    ['army.example', 'US_GOVERNMENT_DOD'],
    ['agency.example', 'US_GOVERNMENT_GCC_HIGH'],
    ['beijing.example', 'CHINA'],
  ]) {
    await stage.microsoft('tenants', { domain, cloud });
  }
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const expired = makeCertificate({ validTo: new Date('2021-01-01T00:00:00Z') });
const certificate = makeCertificate({ validTo: new Date('2041-05-01T00:00:00Z') });

describe('App registration saved once', () => {
  test('with a client secret: Microsoft has taken it, and it is never readable', async () => {
    const clientId = await stage.register({ secret: SECRET });
    const saved = await stage.run('createIntegration', {
      tenantId: 'contoso.example',
      clientId,
      clientSecret: SECRET,
      credentialExpiresAt: '2040-01-01T00:00:00Z',
    });
    expect(saved).toMatchObject({
      isCredentialVerified: true,
      integration: {
        authorizationMode: 'DELEGATED',
        credential: {
          kind: 'CLIENT_SECRET',
          expiresAt: '2040-01-01T00:00:00.000Z',
          thumbprint: null,
          warning: null,
          lastAcceptedAt: expect.any(String),
        },
      },
    });
    expect(JSON.stringify(saved)).not.toContain(SECRET);
  });

  test('with a certificate: a private-key JWT, its end and thumbprint read from it, and people sign in with it', async () => {
    const clientId = await stage.register({ certificates: [certificate.certificate] });
    const saved = await stage.run('createIntegration', {
      tenantId: 'contoso.example',
      clientId,
      certificate: asInput(certificate),
    });
    expect(saved).toMatchObject({
      isCredentialVerified: true,
      integration: {
        credential: {
          kind: 'CERTIFICATE',
          expiresAt: '2041-05-01T00:00:00.000Z',
          thumbprint: certificate.thumbprint,
        },
      },
    });
    expect(JSON.stringify(saved)).not.toMatch(/BEGIN/);
    const integrationId = saved.integration?.id;
    const { authorizationUrl = '' } = await stage.run('startSignIn', { integrationId });
    const { page } = await stage.visit(authorizationUrl, 'ada@contoso.example');
    expect(page).toMatch(/Connected.*ada@contoso\.example.*ACTIVE/s);
  });

  test.each(['organizations', 'common', 'consumers'])(
    'for %s: the tenant is no one, so the credential shows itself at the first sign-in, and it is said so',
    async (tenantId) => {
      const clientId = await stage.register({ secret: 'another' });
      const saved = await stage.run('createIntegration', { tenantId, clientId, clientSecret: SECRET });
      expect(saved).toMatchObject({
        isCredentialVerified: false,
        integration: { tenantId, credential: { lastAcceptedAt: null } },
      });
    },
  );
});

describe('is told at once, and nothing is saved', () => {
  const cases: [string, Record<string, unknown>, Record<string, unknown>, string, RegExp][] = [
    ['TENANT_NOT_FOUND', {}, { tenantId: 'nobody.example' }, '', /no tenant/],
    ['TENANT_NOT_FOUND', {}, { tenantId: crypto.randomUUID() }, '', /no tenant/],
    ['WRONG_CLOUD', {}, { tenantId: 'army.example' }, '', /: US_GOVERNMENT_DOD/],
    ['WRONG_CLOUD', {}, { tenantId: 'agency.example' }, '', /: US_GOVERNMENT_GCC_HIGH/],
    ['WRONG_CLOUD', {}, { tenantId: 'beijing.example' }, '', /: CHINA/],
    [
      'WRONG_CLOUD',
      {},
      { tenantId: 'army.example', cloud: 'US_GOVERNMENT_GCC_HIGH' },
      '',
      /: US_GOVERNMENT_DOD/,
    ],
    ['WRONG_CLOUD', {}, { tenantId: 'contoso.example', cloud: 'CHINA' }, '', /: GLOBAL/],
    ['APP_NOT_FOUND', {}, { clientId: crypto.randomUUID() }, 'AADSTS700016', /does not know the app/],
    ['SECRET_INVALID', {}, { clientSecret: 'a-mistyped-secret' }, 'AADSTS7000215', /client secret/],
    ['SECRET_EXPIRED', {}, { clientSecret: 'expired-secret' }, 'AADSTS7000222', /expired/],
    [
      'CERTIFICATE_REFUSED',
      { certificates: [makeCertificate().certificate] },
      { clientSecret: undefined, certificate: asInput(certificate) },
      'AADSTS700027',
      /certificate/,
    ],
    ['INVALID_INPUT', {}, { clientSecret: undefined }, '', /secret or a certificate/],
    ['INVALID_INPUT', {}, { certificate: asInput(certificate) }, '', /not both/],
    ['INVALID_INPUT', {}, { clientSecret: undefined, certificate: asInput(expired) }, '', /expired/],
    ['INVALID_INPUT', {}, { authorizationMode: 'APPLICATION', tenantId: 'common' }, '', /one tenant/],
    ['INVALID_INPUT', {}, { authorizationMode: 'APPLICATION', tenantId: 'organizations' }, '', /one tenant/],
  ];
  test.each(cases)('%s: %j %j', async (code, registered, change, microsoftCode, message) => {
    const clientId = await stage.register({ secret: SECRET, ...registered });
    const input = { tenantId: 'contoso.example', clientId, clientSecret: SECRET, ...change };
    const refused = await stage.run('createIntegration', input);
    expect(refused).toMatchObject({
      code,
      message: expect.stringMatching(message),
      remedy: expect.any(String),
    });
    expect(refused.message).toContain(microsoftCode);
    expect(JSON.stringify(refused)).not.toMatch(/mistyped|expired-secret|BEGIN/);
    const { integrations } = await stage.desk.request<{
      integrations: { edges: { node: { clientId: string } }[] };
    }>('{ integrations(first: 100) { edges { node { clientId } } } }');
    expect(integrations.edges.map(({ node }) => node.clientId)).not.toContain(input.clientId);
  });

  test.each(['openid-configuration', '/oauth2/v2.0/token'])(
    'SIGN_IN_UNAVAILABLE when Microsoft does not answer at %s; once it does, the same is saved',
    async (pathPattern) => {
      const clientId = await stage.register({ secret: SECRET });
      const input = { tenantId: 'contoso.example', clientId, clientSecret: SECRET };
      await stage.microsoft('faults', { status: 503, count: 1, pathPattern });
      expect(await stage.run('createIntegration', input)).toMatchObject({ code: 'SIGN_IN_UNAVAILABLE' });
      expect(await stage.run('createIntegration', input)).toMatchObject({ isCredentialVerified: true });
      expect(await stage.run('createIntegration', input)).toMatchObject({ code: 'INTEGRATION_EXISTS' });
    },
  );
});

describe('National clouds', () => {
  test.each([
    ['US_GOVERNMENT_GCC_HIGH', 'agency.example', 'login.microsoftonline.us', 'graph.microsoft.us'],
    ['US_GOVERNMENT_DOD', 'army.example', 'login.microsoftonline.us', 'dod-graph.microsoft.us'],
    ['CHINA', 'beijing.example', 'login.partner.microsoftonline.cn', 'microsoftgraph.chinacloudapi.cn'],
  ])('%s: checked, signed in to and read at its own hosts', async (cloud, domain, login, graph) => {
    const address = `desk@${domain}`;
    await stage.microsoft('mailboxes', { address });
    const clientId = await stage.register({ certificates: [certificate.certificate] });
    const saved = await stage.run('createIntegration', {
      cloud,
      tenantId: domain,
      clientId,
      certificate: asInput(certificate),
    });
    expect(saved).toMatchObject({ isCredentialVerified: true, integration: { cloud } });
    const integrationId = saved.integration?.id;
    const opened = await stage.run('startSignIn', { integrationId });
    const onwards = await fetch(opened.authorizationUrl ?? '', { redirect: 'manual' });
    const microsoftUrl = decodeURIComponent(onwards.headers.get('location') ?? '');
    expect(microsoftUrl).toContain(`/_hosts/${login}/${domain}/oauth2/v2.0/authorize`);
    expect(microsoftUrl).toContain(`https://${graph}/Mail.ReadWrite`);
    const { authorizationUrl = '' } = await stage.run('startSignIn', { integrationId });
    expect((await stage.visit(authorizationUrl, address)).page).toMatch(/Connected/);
    const { mailboxes } = await stage.desk.request<{
      mailboxes: { edges: { node: { emailAddress: string; folders: { wellKnownName: string }[] } }[] };
    }>('{ mailboxes(first: 100) { edges { node { emailAddress folders { wellKnownName } } } } }');
    const mailbox = mailboxes.edges.find(({ node }) => node.emailAddress === address)?.node;
    expect(mailbox?.folders.map(({ wellKnownName }) => wellKnownName)).toContain('inbox');
  });
});

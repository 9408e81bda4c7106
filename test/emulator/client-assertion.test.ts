import { constants, createHash, sign, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate, type TestCertificate } from '../support/certificate.ts';
import { CONTOSO, type SignInServer, startSignInServer } from './sign-in-harness.ts';

const CLIENT = 'bbbbbbbb-0000-4000-8000-00000000ce27';
const registered = makeCertificate();
const expired = makeCertificate({ validTo: new Date('2021-01-01T00:00:00Z') });
let server: SignInServer;
beforeAll(async () => {
  server = await startSignInServer();
  await server.control('/apps', {
    clientId: CLIENT,
    certificates: [registered.certificate, expired.certificate],
  });
});
afterAll(() => server[Symbol.asyncDispose]());

interface Change {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  signer?: TestCertificate;
  padding?: number;
}

/** An assertion as the page on certificate credentials describes it, but for what a test changes. */
function assertion(pair: TestCertificate, { header, claims, signer = pair, padding }: Change = {}): string {
  const { raw } = new X509Certificate(pair.certificate);
  const now = Math.floor(server.state.clock.now() / 1_000);
  const parts = [
    { alg: 'PS256', typ: 'JWT', 'x5t#S256': createHash('sha256').update(raw).digest('base64url'), ...header },
    {
      aud: `https://login.microsoftonline.com/${CONTOSO}/oauth2/v2.0/token`,
      iss: CLIENT,
      sub: CLIENT,
      jti: crypto.randomUUID(),
      nbf: now,
      exp: now + 600,
      ...claims,
    },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const signature = sign('sha256', Buffer.from(parts.join('.')), {
    key: signer.privateKey,
    padding: padding ?? constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
  return [...parts, signature.toString('base64url')].join('.');
}

const ask = (jwt: string) =>
  server.token(
    {
      grant_type: 'client_credentials',
      client_id: CLIENT,
      scope: 'https://graph.microsoft.com/.default',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt,
    },
    CONTOSO,
  );

describe('an assertion', () => {
  test('that a registered certificate has signed brings a token', async () => {
    expect((await ask(assertion(registered))).status).toBe(200);
  });

  test.each<[string, number, () => string]>([
    ['of a certificate that is not registered', 700027, () => assertion(makeCertificate())],
    ['of a certificate that has expired', 700027, () => assertion(expired)],
    ['that another key has signed', 700027, () => assertion(registered, { signer: makeCertificate() })],
    ['about another app', 700027, () => assertion(registered, { claims: { sub: 'somebody-else' } })],
    ['without a signature', 700027, () => assertion(registered).replace(/\.[^.]+$/, '.')],
    ['of the algorithm "none"', 700027, () => assertion(registered, { header: { alg: 'none' } })],
    ['whose claims were changed afterwards', 700027, () => tampered()],
    ['of yesterday', 700024, () => assertion(registered, { claims: { nbf: 1, exp: 2 } })],
    ['of tomorrow', 700024, () => assertion(registered, { claims: { nbf: 9e9, exp: 9.1e9 } })],
    ['for somebody else', 700023, () => assertion(registered, { claims: { aud: 'https://evil.example/' } })],
    ['that is no JWT', 700027, () => 'no.jwt'],
  ])('%s answers AADSTS%i', async (_name, code, make) => {
    const { status, body } = await ask(make());
    expect([status, body.error, body.error_codes]).toEqual([401, 'invalid_client', [code]]);
  });

  test('is not replaced by a secret where only certificates are registered', async () => {
    const { body } = await server.token(
      {
        grant_type: 'client_credentials',
        client_id: CLIENT,
        scope: 'https://graph.microsoft.com/.default',
        client_secret: 'any',
      },
      CONTOSO,
    );
    expect(body.error_codes).toEqual([7000215]);
  });
});

function tampered(): string {
  const [header, , signature] = assertion(registered).split('.');
  const [, claims] = assertion(registered, { claims: { jti: 'another' } }).split('.');
  return [header, claims, signature].join('.');
}

test('an app that nobody described is unknown where the tenant says so: AADSTS700016, also on the page', async () => {
  await server.control(`/tenants/${CONTOSO}/settings`, { knownAppsOnly: true });
  const form = {
    grant_type: 'client_credentials',
    client_id: crypto.randomUUID(),
    scope: 'https://graph.microsoft.com/.default',
    client_secret: 'any',
  };
  const { status, body } = await server.token(form, CONTOSO);
  expect([status, body.error, body.error_codes]).toEqual([400, 'unauthorized_client', [700016]]);
  const page = await fetch(
    `${server.root}/${CONTOSO}/oauth2/v2.0/authorize?client_id=${form.client_id}&redirect_uri=http://localhost/&response_type=code&scope=openid`,
    { redirect: 'manual' },
  );
  expect(await page.text()).toContain('AADSTS700016');
});

test('a tenant of another cloud is not found at this host, save that its metadata tells where it is', async () => {
  await server.control('/tenants', { domain: 'army.example', cloud: 'US_GOVERNMENT_DOD' });
  await server.control('/tenants', { domain: 'beijing.example', cloud: 'CHINA' });
  const metadata = async (prefix: string, tenant: string) => {
    const response = await fetch(`${server.root}${prefix}/${tenant}/v2.0/.well-known/openid-configuration`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  expect(await metadata('', 'beijing.example')).toMatchObject({
    status: 400,
    body: { error_codes: [90002] },
  });
  expect(await metadata('', 'army.example')).toMatchObject({
    status: 200,
    body: {
      cloud_instance_name: 'microsoftonline.us',
      msgraph_host: 'dod-graph.microsoft.us',
      tenant_region_sub_scope: 'DOD',
    },
  });
  expect(await metadata('/_hosts/login.partner.microsoftonline.cn', 'beijing.example')).toMatchObject({
    status: 200,
    body: { msgraph_host: 'microsoftgraph.chinacloudapi.cn' },
  });
  const { body } = await server.token(
    { grant_type: 'client_credentials', client_id: CLIENT, client_secret: 'x', scope: 'x/.default' },
    'army.example',
  );
  expect(body.error_codes).toEqual([90002]);
});

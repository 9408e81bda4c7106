import { afterAll, beforeAll, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { warnOfExpiryJob } from '../../src/microsoft365/credential-expiry.jobs.ts';
import { DAY, systemClock } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { subscribeOverSse } from '../server/harness.ts';
import { control, freePort, graphqlRequest, type TestApp } from '../support/app.ts';
import { makeCertificate } from '../support/certificate.ts';
import {
  anotherProcess,
  newAdministrator,
  registerAtMicrosoft,
  startAdministrators,
} from './administrator.ts';

/*
 * A test for each row of the table "Connect" of the product's description that is about the app registration, named
 * after the row; connect-table-accounts.test.ts has those about accounts, connect-table-secrets.test.ts the one about keys.
 */

const SECRET = 'the-Secret~of.the-first.days';
const NEXT_SECRET = 'the-Secret~that.came-after';
let app: TestApp;
beforeAll(async () => {
  app = await startAdministrators();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Saved {
  integration: { id: string; credential: Record<string, unknown> };
  isCredentialVerified: boolean;
}

interface Setup {
  microsoft365Setup: {
    redirectUri: string;
    push: { notificationUrl: string | null };
    permissions: { name: string; purpose: string; granted: boolean }[];
    checks: { name: string; result: string; cause: string; remedy: string | null }[];
  };
}
const SETUP = `{ microsoft365Setup { redirectUri push { notificationUrl } permissions { name purpose granted }
  checks { name result cause remedy } } }`;
const INTEGRATION =
  'integration { id tenantId clientId credential { kind expiresAt warning thumbprint } } isCredentialVerified';

test('App registration saved once: afterwards read-only, secrets never readable, rotated in place, with warnings before it expires, deleted to start over', async () => {
  const admin = await newAdministrator(app);
  const certificate = makeCertificate({ validTo: new Date('2041-05-01T00:00:00Z') });
  const clientId = crypto.randomUUID();
  await registerAtMicrosoft(app, {
    clientId,
    secret: SECRET,
    otherSecrets: [NEXT_SECRET],
    certificates: [certificate.certificate],
  });
  const input = { tenantId: 'contoso.example', clientId, clientSecret: SECRET };
  const saved = await admin.change<Saved>('createIntegration', input, INTEGRATION);
  expect(saved).toMatchObject({ isCredentialVerified: true, integration: { tenantId: 'contoso.example' } });
  const common = { ...input, tenantId: 'common' };
  expect(await admin.change<Saved>('createIntegration', common, INTEGRATION)).toMatchObject({
    integration: { tenantId: 'common' },
  });

  // Read-only: saving it again is refused, and nothing changes it but a new credential.
  expect(await admin.change('createIntegration', input, INTEGRATION)).toMatchObject({
    code: 'INTEGRATION_EXISTS',
  });
  const { __schema, __type } = await admin.desk.request<{
    __schema: { mutationType: { fields: { name: string }[] } };
    __type: { fields: { name: string }[] };
  }>('{ __schema { mutationType { fields { name } } } __type(name: "Credential") { fields { name } } }');
  const names = ({ fields }: { fields: { name: string }[] }) => fields.map(({ name }) => name).sort();
  expect(names(__schema.mutationType).filter((name) => /integration$|credential/i.test(name))).toEqual([
    'createIntegration',
    'deleteIntegration',
    'rotateCredential',
  ]);
  expect(names(__type)).toEqual(['expiresAt', 'kind', 'lastAcceptedAt', 'thumbprint', 'warning']);
  const { certificate: pem, privateKey } = certificate;
  const integrationId = saved.integration?.id ?? '';
  const rotate = (credential: Record<string, unknown>) =>
    admin.change<Saved>('rotateCredential', { integrationId, ...credential }, INTEGRATION);
  expect(await rotate({ clientSecret: 'a-mistyped-secret' })).toMatchObject({ code: 'SECRET_INVALID' });
  const rotated = await rotate({ certificate: { certificate: pem, privateKey } });
  expect(rotated.integration).toMatchObject({
    id: integrationId,
    credential: { kind: 'CERTIFICATE', thumbprint: certificate.thumbprint },
  });
  expect(JSON.stringify([saved, rotated])).not.toMatch(/BEGIN|the-Secret/);

  // A warning 30, 7 and 1 days before, in the status and live.
  const stream = await subscribeOverSse(
    app.url,
    admin.desk.apiKey,
    'subscription { credentialExpiring { integration { id credential { warning } } } }',
  );
  for (const [days, warning] of [
    [29, 'EXPIRES_WITHIN_30_DAYS'],
    [6, 'EXPIRES_WITHIN_7_DAYS'],
    [0.5, 'EXPIRES_WITHIN_1_DAY'],
  ] as const) {
    const credentialExpiresAt = new Date(systemClock.now().getTime() + days * DAY);
    const { integration } = await rotate({ clientSecret: NEXT_SECRET, credentialExpiresAt });
    expect(integration?.credential).toMatchObject({ kind: 'CLIENT_SECRET', warning });
    // The schedule does so every hour.
    await enqueue(forkAcrossOrganizations(app.database), warnOfExpiryJob, {});
    const told = (await stream.next())?.data?.['credentialExpiring'];
    expect(told).toEqual({ integration: { id: integrationId, credential: { warning } } });
  }

  await admin.change('deleteIntegration', { integrationId }, 'deletedIntegrationId');
  const again = await admin.change<Saved>('createIntegration', input, INTEGRATION);
  expect(again).toMatchObject({ isCredentialVerified: true });
  expect(again.integration?.id).not.toBe(integrationId);
});

test('The exact redirect URI and webhook URL to register are shown, and checked against PUBLIC_URL before anything else', async () => {
  const admin = await newAdministrator(app);
  const { microsoft365Setup: setup } = await admin.desk.request<Setup>(SETUP);
  expect(setup.redirectUri).toBe(`${app.url}/api/integrations/microsoft365/callback`);
  expect(setup.push.notificationUrl).toBe(`${app.url}/webhooks/microsoft-graph`);
  expect(setup.checks.slice(0, 3).map(({ name, result }) => [name, result])).toEqual([
    ['PUBLIC_URL_SET', 'PASSED'],
    ['PUBLIC_URL_HTTPS', 'PASSED'],
    ['PUBLIC_URL_ANSWERS', 'PASSED'],
  ]);
  // It is exactly the one that has to be registered: with it a sign-in works, with another one it does not.
  const { integrationId, clientId } = await admin.register();
  await registerAtMicrosoft(app, { clientId, redirectUris: [`${setup.redirectUri}/`] });
  await expect(admin.signIn({ integrationId }, 'sam@contoso.example')).rejects.toThrow('AADSTS50011');
  await registerAtMicrosoft(app, { clientId, redirectUris: [setup.redirectUri] });
  const { status, microsoftUrl } = await admin.signIn({ integrationId }, 'sam@contoso.example');
  expect([status, microsoftUrl.searchParams.get('redirect_uri')]).toEqual([200, setup.redirectUri]);

  for (const [PUBLIC_URL, name, cause, remedy] of [
    ['https://desk.invalid', 'PUBLIC_URL_ANSWERS', /Nothing answers/, /Check the host name/],
    [app.emulator.url, 'PUBLIC_URL_ANSWERS', /another server answers/, /\.$/],
    ['http://desk.invalid', 'PUBLIC_URL_HTTPS', /https/, /https/],
    [`http://127.0.0.1:${await freePort()}`, 'PUBLIC_URL_ANSWERS', /refused \(ECONNREFUSED\)/, /\.$/],
  ] as const) {
    await using other = await anotherProcess(app, { PUBLIC_URL, DESKGRAPH_ROLES: 'api' });
    const { microsoft365Setup } = await graphqlRequest<Setup>(other.url ?? '', admin.desk.apiKey, SETUP);
    expect(microsoft365Setup.redirectUri).toBe(`${PUBLIC_URL}/api/integrations/microsoft365/callback`);
    expect(microsoft365Setup.checks.find((check) => check.name === name)).toMatchObject({
      result: 'FAILED',
      cause: expect.stringMatching(cause),
      remedy: expect.stringMatching(remedy),
    });
  }
});

test('The permissions needed for just the features that are on, each with its purpose; the directory’s only when it is turned on, while mail keeps working', async () => {
  const admin = await newAdministrator(app);
  const needed = async () => {
    const { permissions } = (await admin.desk.request<Setup>(SETUP)).microsoft365Setup;
    for (const { purpose } of permissions) expect(purpose).toMatch(/\w{3,}.*\.$/);
    return permissions.map(({ name }) => name).sort();
  };
  const [MAIL, SHARED, DIRECTORY] = [
    ['Mail.ReadWrite', 'User.Read'],
    ['Mail.ReadWrite.Shared'],
    ['LicenseAssignment.Read.All', 'User.Read.All'],
  ] as const;
  const asked = ({ microsoftUrl }: { microsoftUrl: URL }) =>
    (microsoftUrl.searchParams.get('scope') ?? '').split(' ').filter((name) => name.includes('.'));
  expect(await needed()).toEqual(MAIL);
  const { integrationId } = await admin.register();
  const address = await admin.newMailbox();
  const signedIn = await admin.signIn({ integrationId }, address);
  expect(asked(signedIn).sort()).toEqual(MAIL);
  const accountId = signedIn.attempt.account?.id ?? '';
  await admin.desk.enable(await admin.mailboxId(address));

  const shared = await admin.newMailbox({ kind: 'shared', fullAccess: [address] });
  expect(await admin.run('addSharedMailbox', { accountId, emailAddress: shared })).toMatchObject({
    code: expect.any(String),
    remedy: expect.stringContaining('SHARED_MAILBOXES'),
  });
  await admin.signIn({ integrationId, purpose: 'SHARED_MAILBOXES' }, address);
  expect((await admin.run('addSharedMailbox', { accountId, emailAddress: shared })).mailbox).toBeDefined();
  expect(await needed()).toEqual([...MAIL, ...SHARED].sort());

  // The directory takes an administrator. Whoever is none is told so, and their mail goes on.
  const refused = await admin.signIn({ integrationId, purpose: 'DIRECTORY' }, address);
  expect(refused.attempt.problem?.code).toBe('ADMIN_APPROVAL_NEEDED');
  await admin.takeIn(address, 'Meanwhile');
  expect(await needed()).toEqual([...MAIL, ...SHARED].sort());
  const directory = await admin.signIn({ integrationId, purpose: 'DIRECTORY' }, 'ada@contoso.example');
  expect(directory.attempt.status).toBe('COMPLETED');
  expect(asked(directory)).toEqual(expect.arrayContaining([...DIRECTORY]));
  expect(asked(directory)).not.toContain('Mail.ReadWrite');
  expect(await needed()).toEqual([...MAIL, ...SHARED, ...DIRECTORY].sort());
  await admin.takeIn(address, 'Afterwards');
  expect((await admin.account(accountId)).status).toBe('ACTIVE');
});

test('National clouds: global, US Government (GCC High, DoD), China', async () => {
  const admin = await newAdministrator(app);
  for (const [cloud, domain, login, graph] of [
    ['GLOBAL', 'global.example', 'login.microsoftonline.com', ''],
    ['US_GOVERNMENT_GCC_HIGH', 'agency.example', 'login.microsoftonline.us', 'https://graph.microsoft.us/'],
    ['US_GOVERNMENT_DOD', 'army.example', 'login.microsoftonline.us', 'https://dod-graph.microsoft.us/'],
    [
      'CHINA',
      'beijing.example',
      'login.partner.microsoftonline.cn',
      'https://microsoftgraph.chinacloudapi.cn/',
    ],
  ] as const) {
    await control(app.emulator.url, 'tenants', { domain, cloud });
    const address = `desk@${domain}`;
    await control(app.emulator.url, 'mailboxes', { address });
    const wrong = { tenantId: domain, cloud: cloud === 'CHINA' ? 'GLOBAL' : 'CHINA' };
    const input = { clientId: crypto.randomUUID(), clientSecret: SECRET, ...wrong };
    expect(await admin.change('createIntegration', input, INTEGRATION)).toMatchObject({
      code: 'WRONG_CLOUD',
      message: expect.stringContaining(cloud),
    });
    const { integrationId } = await admin.register({ tenantId: domain, cloud });
    const { microsoftUrl, page } = await admin.signIn({ integrationId }, address);
    expect(microsoftUrl.pathname).toBe(`/_hosts/${login}/${domain}/oauth2/v2.0/authorize`);
    expect(microsoftUrl.searchParams.get('scope')).toContain(`${graph}Mail.ReadWrite`);
    expect(page).toMatch(/ACTIVE/);
    await admin.desk.enable(await admin.mailboxId(address));
    await admin.takeIn(address, `From ${cloud}`);
  }
});

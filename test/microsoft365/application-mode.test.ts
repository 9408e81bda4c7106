import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { confirmMailAccess } from '../../src/microsoft365/application-account.ts';
import type { GraphError } from '../../src/microsoft365/graph-error.ts';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { answerMicrosoft, openLink } from '../support/browser.ts';
import { makeCertificate } from '../support/certificate.ts';
import { asInput, type CredentialsDesk, startCredentialsDesk } from './credentials-harness.ts';
import { outgoing } from './sending-harness.ts';

const certificate = makeCertificate();
let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  stage = await startCredentialsDesk();
  await stage.microsoft('tenants/contoso.example/settings', { rolesNeedConsent: true });
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** An integration in application mode, whose app asks for these roles. */
async function newIntegration(roles = ['Mail.ReadWrite', 'Mail.Send']) {
  const clientId = await stage.register({ certificates: [certificate.certificate], roles });
  const saved = await stage.run('createIntegration', {
    authorizationMode: 'APPLICATION',
    tenantId: 'contoso.example',
    clientId,
    certificate: asInput(certificate),
  });
  return { clientId, integrationId: saved.integration?.id ?? '', saved };
}

const accountOf = async (integrationId: string) =>
  (await stage.integration(integrationId))?.accounts.edges[0]?.node;

async function consentPage(integrationId: string, returnTo?: string): Promise<string> {
  const { authorizationUrl = '' } = await stage.run('startAdminConsent', { integrationId, returnTo });
  return authorizationUrl;
}

async function tokenRequests(): Promise<number> {
  const { operations } = await stage.microsoft<{ operations: Record<string, number> }>('requests');
  return Object.entries(operations)
    .filter(([name]) => name.endsWith('/token'))
    .reduce((sum, [, count]) => sum + count, 0);
}

describe('Application mode', () => {
  test('admin consent for the organization, then any mailbox of the tenant without a sign-in per person', async () => {
    const { integrationId, saved } = await newIntegration();
    expect(saved).toMatchObject({ isCredentialVerified: true });
    expect(await accountOf(integrationId)).toMatchObject({
      kind: 'TENANT',
      emailAddress: null,
      status: 'NEEDS_CONSENT',
      grantedScopes: [],
      problem: { code: 'CONSENT_REQUIRED', message: expect.stringContaining('Mail.ReadWrite') },
    });
    const url = await consentPage(integrationId);
    const answered = await answerMicrosoft(url, 'ada@contoso.example');
    expect(answered.microsoftUrl).toContain('/11111111-c0a0-4000-8000-000000000000/v2.0/adminconsent?');
    const asked = new URL(answered.microsoftUrl).searchParams;
    expect(asked.get('scope')).toBe('https://graph.microsoft.com/.default');
    const end = await answered.deliver();
    const [status, page] = [end.status, await end.text()];
    expect(status).toBe(200);
    expect(page).toMatch(/Consent granted.*contoso\.example.*ACTIVE/s);
    const account = await accountOf(integrationId);
    expect(account).toMatchObject({
      status: 'ACTIVE',
      grantedScopes: ['Mail.ReadWrite', 'Mail.Send'],
      problem: null,
    });

    // Any mailbox, by its address, with one token for all of them.
    const before = await tokenRequests();
    const reads = ['sam@contoso.example', 'mia@contoso.example', 'support@contoso.example'].map((address) =>
      folderOf(account?.id ?? '', address),
    );
    expect((await Promise.all(reads)).map((folder) => folder?.wellKnownName)).toEqual([
      'inbox',
      'inbox',
      'inbox',
    ]);
    expect(await tokenRequests()).toBe(before);
  });

  test('sends from any mailbox of the tenant, and with Mail.ReadWrite alone only makes drafts', async () => {
    const signal = AbortSignal.timeout(20_000);
    for (const [roles, code] of [
      [['Mail.ReadWrite', 'Mail.Send'], null],
      [['Mail.ReadWrite'], 'MAILBOX_ACCESS_DENIED'],
    ] as const) {
      const { integrationId } = await newIntegration([...roles]);
      await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
      const account = await accountOf(integrationId);
      expect(account).toMatchObject({ status: 'ACTIVE' });
      const access = {
        organizationId: stage.desk.organizationId,
        accountId: rowId(account?.id ?? ''),
        emailAddress: 'support@contoso.example',
        kind: 'TENANT' as const,
      };
      const { sending } = stage.anotherProcess();
      const mail = outgoing(access);
      const { graphMessageId } = await sending.createDraft(access, mail, signal);
      const error = await sending.sendDraft(access, graphMessageId, signal).then(
        () => null,
        (refusal: GraphError) => refusal.code,
      );
      expect(error).toBe(code);
      const [copy] = await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal);
      expect(copy).toMatchObject({ isDraft: code !== null, from: { emailAddress: access.emailAddress } });
    }
  });

  test('is ACTIVE at once where an administrator has granted the permissions before', async () => {
    const { clientId, integrationId } = await newIntegration();
    await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    await stage.run('deleteIntegration', { integrationId });
    const { integration } = await stage.run('createIntegration', {
      authorizationMode: 'APPLICATION',
      tenantId: '11111111-c0a0-4000-8000-000000000000',
      clientId,
      certificate: asInput(certificate),
    });
    expect(integration?.accounts.edges[0]?.node).toMatchObject({ status: 'ACTIVE' });
  });

  test('an administrator who grants too little: NEEDS_CONSENT still, and the page says what is missing', async () => {
    const { clientId, integrationId } = await newIntegration(['Mail.Read']);
    const { page } = await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    expect(page).toMatch(/NEEDS_CONSENT.*Mail\.ReadWrite/s);
    expect(await accountOf(integrationId)).toMatchObject({
      status: 'NEEDS_CONSENT',
      grantedScopes: ['Mail.Read'],
      problem: { message: expect.stringContaining('Mail.ReadWrite') },
    });
    // The registration is put right, and consent given again.
    await stage.register({ roles: ['Mail.ReadWrite'] }, clientId);
    await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    expect(await accountOf(integrationId)).toMatchObject({ status: 'ACTIVE', problem: null });
  });

  test('where Exchange grants single mailboxes (RBAC), a mailbox that was reached is proof enough', async () => {
    const { integrationId } = await newIntegration();
    const account = await accountOf(integrationId);
    const database = stage.app.database;
    const accountId = rowId(account?.id ?? '');
    await forkFor(database, stage.desk.organizationId).transactional((em) =>
      confirmMailAccess(em, accountId, new Date('2026-11-21T12:00:00Z')),
    );
    expect(await accountOf(integrationId)).toMatchObject({
      status: 'ACTIVE',
      problem: null,
      grantedScopes: [],
    });
    // The next token shows no role again, and changes nothing.
    await folderOf(account?.id ?? '', 'sam@contoso.example').catch(() => undefined);
    expect(await accountOf(integrationId)).toMatchObject({ status: 'ACTIVE' });
  });

  test('consent that is taken back is noticed with the next token; given again it heals', async () => {
    const { clientId, integrationId } = await newIntegration();
    await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    const account = await accountOf(integrationId);
    await stage.microsoft('consents/revoke', { clientId, tenant: 'contoso.example' });
    await forgetTokens(account?.id ?? '');
    await expect(folderOf(account?.id ?? '', 'sam@contoso.example')).rejects.toMatchObject({
      code: 'MAILBOX_ACCESS_DENIED',
    });
    expect(await accountOf(integrationId)).toMatchObject({ status: 'NEEDS_CONSENT' });
    await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    expect(await accountOf(integrationId)).toMatchObject({ status: 'ACTIVE' });
    expect(await folderOf(account?.id ?? '', 'sam@contoso.example')).toMatchObject({
      wellKnownName: 'inbox',
    });
  });
});

describe('An admin consent', () => {
  test('that is declined, or answered by somebody who is no administrator, says so', async () => {
    const { integrationId } = await newIntegration();
    const declined = await stage.visit(await consentPage(integrationId), 'ada@contoso.example', 'deny');
    expect(declined).toMatchObject({ status: 400, page: expect.stringMatching(/CONSENT_DECLINED/) });
    const user = await stage.visit(await consentPage(integrationId), 'sam@contoso.example');
    expect(user).toMatchObject({ status: 400, page: expect.stringMatching(/ADMIN_APPROVAL_NEEDED/) });
    expect(await accountOf(integrationId)).toMatchObject({ status: 'NEEDS_CONSENT' });
  });

  test('is good once, in the browser that opened the link, and for the state that was given out alone', async () => {
    const { integrationId } = await newIntegration();
    const url = await consentPage(integrationId);
    const answered = await answerMicrosoft(url, 'ada@contoso.example');
    const { location, cookie } = answered;
    expect(new URL(location).searchParams.get('admin_consent')).toBe('True');
    await expect(openLink(url)).rejects.toThrow('INVALID_STATE');
    expect(await (await answered.deliver('')).text()).toMatch(/INVALID_STATE/);
    expect((await answered.deliver()).status).toBe(200);
    const again = await answered.deliver();
    expect([again.status, await again.text()]).toEqual([400, expect.stringMatching(/INVALID_STATE/)]);
    const forged = new URL(location);
    forged.searchParams.set('state', 'admin-consent.forged');
    expect(await (await fetch(forged, { headers: { cookie } })).text()).toMatch(/INVALID_STATE/);
  });

  test('brings the browser back to where it was to go, on this server only', async () => {
    const { integrationId } = await newIntegration();
    const url = await consentPage(integrationId, '/settings');
    const end = await (await answerMicrosoft(url, 'ada@contoso.example')).deliver();
    expect([end.status, end.headers.get('location')]).toEqual([303, `${stage.app.url}/settings`]);
    const evil = { integrationId, returnTo: 'https://evil.example' };
    expect(await stage.run('startAdminConsent', evil)).toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('for people who sign in asks for what sign-ins ask for, and spares them the question', async () => {
    await stage.microsoft('tenants/contoso.example/settings', { userConsentAllowed: 'microsoft-managed' });
    const clientId = await stage.register({ certificates: [certificate.certificate] });
    const { integration } = await stage.run('createIntegration', {
      tenantId: 'contoso.example',
      clientId,
      certificate: asInput(certificate),
    });
    const integrationId = integration?.id ?? '';
    const { page } = await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    expect(page).toMatch(/Consent granted/);
    const { authorizationUrl = '' } = await stage.run('startSignIn', { integrationId });
    expect((await stage.visit(authorizationUrl, 'mia@contoso.example')).page).toMatch(/Connected/);
    // Whom Microsoft refused for want of consent is back at once when it is given again.
    const connected = await accountOf(integrationId);
    const em = forkFor(stage.app.database, stage.desk.organizationId);
    (await em.findOneOrFail(Account, { id: rowId(connected?.id ?? '') })).status = 'NEEDS_CONSENT';
    await em.flush();
    await stage.visit(await consentPage(integrationId), 'ada@contoso.example');
    expect(await accountOf(integrationId)).toMatchObject({ status: 'ACTIVE' });
    await stage.microsoft('tenants/contoso.example/settings', { userConsentAllowed: true });
  });

  test('an app of another tenant is saved before anybody has consented, and works from the consent on', async () => {
    const settings = { homeTenant: 'fabrikam.example', roles: ['Mail.ReadWrite'] };
    const clientId = await stage.register({ ...settings, secret: 'a-secret-of-the-test' });
    const input = { authorizationMode: 'APPLICATION', tenantId: 'contoso.example', clientId };
    const saved = await stage.run('createIntegration', { ...input, clientSecret: 'a-secret-of-the-test' });
    expect(saved).toMatchObject({ isCredentialVerified: false });
    const integrationId = saved.integration?.id ?? '';
    const waiting = {
      status: 'NEEDS_CONSENT',
      problem: {
        code: 'CONSENT_REQUIRED',
        message: expect.stringContaining('does not know the app'),
        remedy: expect.stringMatching(/client id.*startAdminConsent/),
      },
    };
    const account = await accountOf(integrationId);
    expect(account).toMatchObject(waiting);
    // Asked again meanwhile, it still waits for the consent and not for another credential.
    await stage.desk.request(
      `mutation ($input: RefreshAccountInput!) { refreshAccount(input: $input) { __typename } }`,
      { input: { accountId: account?.id } },
    );
    expect(await accountOf(integrationId)).toMatchObject(waiting);
    // What was mistyped can be corrected, although nothing can be tried yet.
    expect(
      await stage.run('rotateCredential', { integrationId, clientSecret: 'a-mistyped-secret' }),
    ).toMatchObject({ isCredentialVerified: false });
    const consent = async () =>
      (await answerMicrosoft(await consentPage(integrationId), 'ada@contoso.example')).deliver();
    await consent();
    // From then on Microsoft looks at the credential.
    expect(await accountOf(integrationId)).toMatchObject({
      status: 'CREDENTIAL_EXPIRED',
      problem: { code: 'CREDENTIAL_REFUSED' },
    });
    expect(
      await stage.run('rotateCredential', { integrationId, clientSecret: 'another-mistyped-secret' }),
    ).toMatchObject({ code: 'SECRET_INVALID' });
    expect(
      await stage.run('rotateCredential', { integrationId, clientSecret: 'a-secret-of-the-test' }),
    ).toMatchObject({ isCredentialVerified: true });
    expect(await (await consent()).text()).toMatch(/Consent granted.*ACTIVE/s);
    const active = await accountOf(integrationId);
    expect(active).toMatchObject({ status: 'ACTIVE', problem: null, grantedScopes: ['Mail.ReadWrite'] });
    expect(await folderOf(active?.id ?? '', 'sam@contoso.example')).toMatchObject({ wellKnownName: 'inbox' });
  });

  test('what can be told apart is refused at once: a wrong secret in a tenant that knows the app, and people signing in', async () => {
    const clientId = await stage.register({ homeTenant: 'contoso.example', secret: 'a-secret-of-the-test' });
    const input = { tenantId: 'contoso.example', clientId, clientSecret: 'a-mistyped-secret' };
    expect(
      await stage.run('createIntegration', { ...input, authorizationMode: 'APPLICATION' }),
    ).toMatchObject({ code: 'SECRET_INVALID' });
    const elsewhere = { clientId: await stage.register({ homeTenant: 'fabrikam.example' }) };
    expect(await stage.run('createIntegration', { ...input, ...elsewhere })).toMatchObject({
      code: 'APP_NOT_FOUND',
    });
  });

  test('is forbidden to agents, and to others the integration does not exist', async () => {
    const { integrationId } = await newIntegration();
    const agent = await signIn(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(stage.run('startAdminConsent', { integrationId }, agent.secret)).rejects.toThrow(
      /permission/,
    );
    const stranger = await stage.app.newDesk('Others');
    expect(await stage.run('startAdminConsent', { integrationId }, stranger.apiKey)).toMatchObject({
      code: 'NOT_FOUND',
    });
    const personal = await stage.run('createIntegration', {
      tenantId: 'consumers',
      clientId: crypto.randomUUID(),
      clientSecret: 'a-secret-of-the-test',
    });
    expect(await stage.run('startAdminConsent', { integrationId: personal.integration?.id })).toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

/** Reads the Inbox of an address as the tenant's account. */
function folderOf(accountId: string, emailAddress: string) {
  const access = {
    organizationId: stage.desk.organizationId,
    accountId: rowId(accountId),
    emailAddress,
    kind: 'SHARED' as const,
  };
  return stage.anotherProcess().mail.getFolder(access, 'inbox', AbortSignal.timeout(20_000));
}

/** As if the token had run out: the next use asks Microsoft. */
async function forgetTokens(accountId: string): Promise<void> {
  const em = forkFor(stage.app.database, stage.desk.organizationId);
  const account = await em.findOneOrFail(Account, { id: rowId(accountId) });
  account.status = 'NEEDS_CONSENT';
  await em.flush();
}

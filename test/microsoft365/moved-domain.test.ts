import { afterAll, beforeAll, expect, test } from 'vitest';
import { rowId } from '../security/filled-desk.ts';
import { makeCertificate } from '../support/certificate.ts';
import { asInput, type CredentialsDesk, startCredentialsDesk } from './credentials-harness.ts';

const certificate = makeCertificate();
let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  stage = await startCredentialsDesk();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** An integration in application mode, given by a domain that belongs to another tenant afterwards. */
async function movedDomain() {
  const domain = `d${crypto.randomUUID().slice(0, 8)}.example`;
  const { id: tenantId } = await stage.microsoft<{ id: string }>('tenants', { domain });
  const roles = ['Mail.ReadWrite', 'Mail.Send'];
  const clientId = await stage.register({ certificates: [certificate.certificate], roles });
  const { integration } = await stage.run('createIntegration', {
    authorizationMode: 'APPLICATION',
    tenantId: domain,
    clientId,
    certificate: asInput(certificate),
  });
  const { tenants } = stage.app.emulator.state;
  const before = tenants.get(tenantId);
  if (!before) throw new Error('The emulator does not know the tenant.');
  tenants.set(tenantId, { ...before, domain: `former-${domain}` });
  const { id: otherTenantId } = await stage.microsoft<{ id: string }>('tenants', { domain });
  return { domain, tenantId, otherTenantId, integrationId: integration?.id ?? '', clientId };
}

async function accountIdOf(integrationId: string): Promise<string> {
  return (await stage.integration(integrationId))?.accounts.edges[0]?.node.id ?? '';
}

async function freshToken(integrationId: string) {
  const reference = {
    organizationId: stage.desk.organizationId,
    accountId: rowId(await accountIdOf(integrationId)),
  };
  return await stage.anotherProcess().tokens.recheck(reference, AbortSignal.timeout(20_000));
}

function tenantOfToken(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).tid;
}

test('in application mode tokens come from the tenant that was verified, also when its domain has moved to another one', async () => {
  const { tenantId, integrationId } = await movedDomain();
  const token = await freshToken(integrationId);
  expect(tenantOfToken(token.value)).toBe(tenantId);
  expect(token.tenantId).toBe(tenantId);
});

test('a new credential is tried in the tenant that was verified, and nobody asks for the domain any more', async () => {
  const { domain, otherTenantId, integrationId, clientId } = await movedDomain();
  const next = makeCertificate();
  await stage.register({ certificates: [certificate.certificate, next.certificate] }, clientId);
  for (const segment of [domain, otherTenantId]) {
    await stage.microsoft('faults', { pathPattern: `/${segment}/`, status: 503 });
  }
  expect(await stage.run('rotateCredential', { integrationId, certificate: asInput(next) })).toMatchObject({
    isCredentialVerified: true,
  });
});

test('the page of the admin consent is that of the tenant that was verified', async () => {
  const { tenantId, integrationId } = await movedDomain();
  const { authorizationUrl = '' } = await stage.run('startAdminConsent', { integrationId });
  const answer = await fetch(authorizationUrl, { redirect: 'manual' });
  expect(answer.headers.get('location')).toContain(`/${tenantId}/v2.0/adminconsent?`);
});

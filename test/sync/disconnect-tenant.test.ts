import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CredentialsDesk, startCredentialsDesk } from '../microsoft365/credentials-harness.ts';

const SECRET = 'the-Secret~of.the-first.days';
let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  stage = await startCredentialsDesk();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** An account in application mode that was disconnected. */
async function disconnected() {
  const clientId = await stage.register({ secret: SECRET, roles: ['Mail.ReadWrite'] });
  const { integration } = await stage.run('createIntegration', {
    tenantId: 'contoso.example',
    authorizationMode: 'APPLICATION',
    clientId,
    clientSecret: SECRET,
  });
  const integrationId = integration?.id ?? '';
  const accountId = integration?.accounts.edges[0]?.node.id;
  await stage.desk.request(
    'mutation ($id: ID!) { disconnectAccount(input: { accountId: $id }) { __typename } }',
    { id: accountId },
  );
  const account = async () => (await stage.integration(integrationId))?.accounts.edges[0]?.node;
  return { integrationId, account };
}

test('the remedy for a tenant that was disconnected is the page of an administrator, since nobody signs in to it', async () => {
  const { account } = await disconnected();
  expect(await account()).toMatchObject({
    status: 'DISCONNECTED',
    problem: { code: 'ACCOUNT_DISCONNECTED', remedy: expect.stringContaining('startAdminConsent') },
  });
});

test('a consent while Microsoft gives no tokens ends the disconnection, says so, and heals by itself', async () => {
  const { integrationId, account } = await disconnected();
  const { authorizationUrl = '' } = await stage.run('startAdminConsent', { integrationId });
  await stage.microsoft('faults', { status: 503, pathPattern: '/oauth2/v2.0/token' });
  const events = async () =>
    stage.app.database.em
      .fork()
      .execute<{ count: number }[]>(
        `select count(*)::int as count from event where type = 'account-status.changed'`,
      )
      .then(([row]) => row?.count ?? 0);
  const before = await events();
  const { page } = await stage.visit(authorizationUrl, 'ada@contoso.example');
  expect(page).toContain('Consent granted');
  expect(await account()).toMatchObject({ status: 'UNREACHABLE', problem: { code: 'LOGIN_UNAVAILABLE' } });
  expect(await events()).toBeGreaterThan(before);
  await fetch(`${stage.app.emulator.url}/_emulator/faults`, { method: 'DELETE' });
  const id = (await account())?.id;
  await stage.desk.request(
    'mutation ($id: ID!) { refreshAccount(input: { accountId: $id }) { __typename } }',
    { id },
  );
  expect(await account()).toMatchObject({ status: 'ACTIVE', problem: null });
});

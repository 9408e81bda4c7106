import { afterAll, beforeAll, expect, test } from 'vitest';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { newAdministrator } from '../connect/administrator.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { openLink } from '../support/browser.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function permissionsOf(desk: Desk, features?: string[]): Promise<string[]> {
  const { microsoft365Setup } = await desk.request<{
    microsoft365Setup: { permissions: { name: string; kind: string; purpose: string; granted: boolean }[] };
  }>(
    `query ($features: [Microsoft365Feature!]) { microsoft365Setup {
       permissions(features: $features) { name kind purpose granted } } }`,
    features === undefined ? {} : { features },
  );
  return microsoft365Setup.permissions.map(({ name, kind, granted, purpose }) => {
    expect(purpose).toMatch(/\.$/);
    return `${kind} ${name}${granted ? ' granted' : ''}`;
  });
}

test('the permissions needed are those of just the features in use, and say whether they are granted', async () => {
  const desk = await app.newDesk();
  expect(await permissionsOf(desk)).toEqual(['DELEGATED User.Read', 'DELEGATED Mail.ReadWrite']);
  await desk.connectMailbox();
  expect(await permissionsOf(desk)).toEqual([
    'DELEGATED User.Read granted',
    'DELEGATED Mail.ReadWrite granted',
  ]);
});

test('scopes of shared mailboxes and of the directory appear when they are asked about, or in use', async () => {
  const { desk, register, signIn } = await newAdministrator(app);
  const { integrationId } = await register();
  const ada = 'ada@contoso.example';
  await signIn({ integrationId }, ada);
  expect(await permissionsOf(desk, ['SHARED_MAILBOXES'])).toEqual([
    'DELEGATED User.Read granted',
    'DELEGATED Mail.ReadWrite granted',
    'DELEGATED Mail.ReadWrite.Shared',
  ]);
  // By a sign-in, and not by the row: a token that is asked for meanwhile with what nobody consented to takes it back.
  await signIn({ integrationId, purpose: 'DIRECTORY' }, ada);
  expect(await permissionsOf(desk)).toEqual([
    'DELEGATED User.Read granted',
    'DELEGATED Mail.ReadWrite granted',
    'DELEGATED User.Read.All granted',
    'DELEGATED LicenseAssignment.Read.All granted',
  ]);
});

test('permissions for sending appear when a mailbox sends, and those of shared mailboxes when one of them does', async () => {
  const desk = await app.newDesk();
  await desk.connectMailbox();
  const em = forkFor(app.database, desk.organizationId);
  const mailbox = await em.findOneOrFail(Mailbox, {});
  mailbox.outgoingEnabled = false;
  await em.flush();
  expect(await permissionsOf(desk)).not.toContain('DELEGATED Mail.Send');
  expect(await permissionsOf(desk, ['SENDING'])).toEqual([
    'DELEGATED User.Read granted',
    'DELEGATED Mail.ReadWrite granted',
    'DELEGATED Mail.Send',
  ]);
  mailbox.outgoingEnabled = true;
  await em.flush();
  expect(await permissionsOf(desk)).toContain('DELEGATED Mail.Send');
  expect(await permissionsOf(desk)).not.toContain('DELEGATED Mail.Send.Shared');
  mailbox.kind = 'SHARED';
  await em.flush();
  expect(await permissionsOf(desk)).toContain('DELEGATED Mail.Send.Shared');
});

test('with integrations in application mode alone no delegated permission is asked for', async () => {
  const desk = await app.newDesk();
  const clientId = crypto.randomUUID();
  await control(app.emulator.url, 'apps', { clientId, roles: ['Mail.ReadWrite'] });
  const { createIntegration } = await desk.request<{ createIntegration: { message?: string } }>(
    `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) { ... on Error { message } } }`,
    {
      input: {
        tenantId: 'contoso.example',
        clientId,
        clientSecret: 'a secret of the test',
        authorizationMode: 'APPLICATION',
      },
    },
  );
  expect(createIntegration.message).toBeUndefined();
  // Sending is optional: a tenant without it takes mail in all the same.
  expect(await permissionsOf(desk)).toEqual(['APPLICATION Mail.ReadWrite granted', 'APPLICATION Mail.Send']);
  expect(await permissionsOf(desk, ['MAIL', 'APPLICATION_MODE'])).toEqual([
    'DELEGATED User.Read',
    'DELEGATED Mail.ReadWrite',
    'APPLICATION Mail.ReadWrite granted',
    'APPLICATION Mail.Send',
  ]);
  expect(await permissionsOf(desk, [])).toEqual([]);
  const { integrations } = await desk.request<{ integrations: { edges: { node: unknown }[] } }>(
    '{ integrations { edges { node { permissions { name granted } } } } }',
  );
  expect(integrations.edges).toEqual([
    {
      node: {
        permissions: [
          { name: 'Mail.ReadWrite', granted: true },
          { name: 'Mail.Send', granted: false },
        ],
      },
    },
  ]);
});

test('what was granted to an account that lost its consent, or was disconnected, is granted no more, in both places', async () => {
  const admin = await newAdministrator(app);
  const { integrationId, clientId } = await admin.register();
  const address = await admin.newMailbox();
  const { attempt } = await admin.signIn({ integrationId }, address);
  const accountId = attempt.account?.id;
  const ofIntegration = async () => {
    const { node } = await admin.desk.request<{
      node: { permissions: { name: string; granted: boolean }[] };
    }>('query ($id: ID!) { node(id: $id) { ... on Integration { permissions { name granted } } } }', {
      id: integrationId,
    });
    return node.permissions.filter(({ granted }) => granted).map(({ name }) => name);
  };
  const granted = ['DELEGATED User.Read granted', 'DELEGATED Mail.ReadWrite granted'];
  const lost = ['DELEGATED User.Read', 'DELEGATED Mail.ReadWrite'];
  expect([await permissionsOf(admin.desk), await ofIntegration()]).toEqual([
    granted,
    ['User.Read', 'Mail.ReadWrite'],
  ]);
  await control(app.emulator.url, 'consents/revoke', { clientId, address });
  await admin.change('refreshAccount', { accountId }, 'account { status }');
  expect([await permissionsOf(admin.desk), await ofIntegration()]).toEqual([lost, []]);
  await admin.signIn({ accountId: accountId ?? '' }, address);
  expect([await permissionsOf(admin.desk), await ofIntegration()]).toEqual([
    granted,
    ['User.Read', 'Mail.ReadWrite'],
  ]);
  await admin.change('disconnectAccount', { accountId }, 'account { id }');
  expect([await permissionsOf(admin.desk), await ofIntegration()]).toEqual([lost, []]);
});

test('an administrator is asked for what is in use, or for the purpose that is named', async () => {
  const admin = await newAdministrator(app);
  const { integrationId } = await admin.register();
  const asked = async (purpose?: string) => {
    const { authorizationUrl = '' } = await admin.change<{ authorizationUrl: string }>(
      'startAdminConsent',
      { integrationId, purpose },
      'authorizationUrl',
    );
    const { microsoftUrl } = await openLink(authorizationUrl);
    return new URL(microsoftUrl).searchParams.get('scope');
  };
  expect(await asked()).toBe('User.Read Mail.ReadWrite');
  expect(await asked('SENDING_SHARED')).toBe(
    'User.Read Mail.ReadWrite Mail.Send Mail.ReadWrite.Shared Mail.Send.Shared',
  );
});

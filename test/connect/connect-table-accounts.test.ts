import { afterAll, beforeAll, expect, test } from 'vitest';
import { subjectsOf } from '../mailboxes/access-harness.ts';
import { control, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  type Administrator,
  newAdministrator,
  registerAtMicrosoft,
  startAdministrators,
} from './administrator.ts';
import type { AccountView, ProblemView } from './harness.ts';

/* The rows of the table "Connect" that are about accounts, each a test named after it; see connect-table.test.ts. */

/** The tenant in which Microsoft keeps all personal accounts. */
const PERSONAL_TENANT_ID = '9188040d-6c67-4c5b-b112-36a304b66dad';
let app: TestApp;
beforeAll(async () => {
  app = await startAdministrators();
  await control(app.emulator.url, 'tenants', { domain: 'outlook.example', id: PERSONAL_TENANT_ID });
});
afterAll(() => app?.[Symbol.asyncDispose]());

const microsoft = (path: string, body: unknown, method?: string) =>
  control(app.emulator.url, path, body, method);

/** Somebody's mailbox that takes mail in. */
async function takingMail(admin: Administrator, integrationId: string) {
  const address = await admin.newMailbox();
  const { attempt } = await admin.signIn({ integrationId }, address);
  const mailboxId = await admin.mailboxId(address);
  await admin.desk.enable(mailboxId);
  return { address, mailboxId, accountId: attempt.account?.id ?? '' };
}

interface StatusView {
  syncStatus: { state: string; problem: { code: string } | null };
  incoming: { enabled: boolean; intervalMinutes: string; createTickets: boolean };
}
const statusOf = async (admin: Administrator, id: string) =>
  (
    await admin.desk.request<{ node: StatusView }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state problem { code } }
         incoming { enabled intervalMinutes createTickets } } } }`,
      { id },
    )
  ).node;

/** Its status in this state: push is free to run after the run that a test waited for, and looks again seconds later. */
const statusIn = (admin: Administrator, id: string, state: string) =>
  eventually(`the mailbox is ${state}`, async () => {
    const status = await statusOf(admin, id);
    return status.syncStatus.state === state && status;
  });

const refresh = (admin: Administrator, accountId: string) =>
  admin.change<{ account: AccountView; problem: ProblemView | null }>(
    'refreshAccount',
    { accountId },
    `account { emailAddress displayName status } problem { code remedy microsoftCode }`,
  );

test('Delegated sign-in: auth code flow with PKCE, single tenant, multi-tenant, personal accounts; returns to the app with the connected address and an ACTIVE badge', async () => {
  const admin = await newAdministrator(app);
  const personal = `pat-${crypto.randomUUID().slice(0, 8)}@outlook.example`;
  await microsoft('mailboxes', { address: personal });
  for (const [tenantId, address, returnTo] of [
    ['contoso.example', 'mia@contoso.example', undefined],
    ['organizations', 'dave@fabrikam.example', undefined],
    ['common', personal, '/settings?connected'],
  ] as const) {
    const { integrationId } = await admin.register({ tenantId });
    const { microsoftUrl, location, page, attempt } = await admin.signIn(
      { integrationId, returnTo },
      address,
    );
    expect(microsoftUrl.pathname).toContain(`/${tenantId}/oauth2/v2.0/authorize`);
    expect(Object.fromEntries(microsoftUrl.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    });
    if (returnTo) expect(location).toBe(`${app.url}${returnTo}`);
    else expect(page).toMatch(new RegExp(`Connected.*Organization.*Desk.*${address}.*ACTIVE`, 's'));
    expect(attempt).toMatchObject({ status: 'COMPLETED', account: { emailAddress: address } });
    expect((await admin.account(attempt.account?.id ?? '')).status).toBe('ACTIVE');
    await admin.desk.enable(await admin.mailboxId(address));
    await admin.takeIn(address, `For ${address}`);
  }
});

test('Application mode: admin consent for the organization, send as any user, no sign-in per person; says whether a policy limits the app, by trying', async () => {
  const admin = await newAdministrator(app);
  const clientId = crypto.randomUUID();
  await registerAtMicrosoft(app, { clientId, roles: ['Mail.ReadWrite', 'Mail.Send'] });
  await microsoft('tenants/contoso.example/settings', { rolesNeedConsent: true });
  const { integrationId } = await admin.register({ clientId, authorizationMode: 'APPLICATION' });
  const tenant = async () =>
    (
      await admin.desk.request<{ node: { accounts: { edges: { node: AccountView }[] } } }>(
        'query ($id: ID!) { node(id: $id) { ... on Integration { accounts { edges { node { id status } } } } } }',
        { id: integrationId },
      )
    ).node.accounts.edges.map(({ node }) => node);
  expect(await tenant()).toMatchObject([{ status: 'NEEDS_CONSENT' }]);
  const consent = await admin.visitConsent(integrationId, 'ada@contoso.example');
  expect(consent).toMatch(/Consent granted.*ACTIVE/s);
  await microsoft('tenants/contoso.example/settings', { rolesNeedConsent: false });
  const [account] = await tenant();
  expect(account?.status).toBe('ACTIVE');

  const accountId = account?.id ?? '';
  const [one, another, closed] = [
    await admin.newMailbox(),
    await admin.newMailbox(),
    await admin.newMailbox(),
  ];
  const verify = async (emailAddress: string) => {
    const { checks = [] } = await admin.run('verifyMailboxAccess', {
      accountId,
      emailAddress,
      testMessageTo: 'mia@contoso.example',
      mailboxThatMustNotBeReachable: closed,
    });
    return Object.fromEntries(checks.map(({ name, result, code }) => [name, code ?? result]));
  };
  const able = { READ: 'PASSED', WRITE: 'PASSED', SEND: 'PASSED' };
  for (const address of [one, another]) {
    expect(await verify(address)).toEqual({ ...able, LIMITED: 'ACCESS_NOT_LIMITED' });
  }
  const policy = { accessRight: 'RestrictAccess', members: [one, another] };
  await microsoft('app-access', { clientId, tenant: 'contoso.example', policy }, 'PUT');
  expect(await verify(one)).toEqual({ ...able, LIMITED: 'PASSED' });
  for (const emailAddress of [one, another]) {
    await admin.run('addSharedMailbox', { accountId, emailAddress });
    await admin.desk.enable(await admin.mailboxId(emailAddress));
    await admin.takeIn(emailAddress, `For ${emailAddress}`);
  }
});

test('Several accounts and mailboxes in one organization, user and shared, each with its own settings and status', async () => {
  const admin = await newAdministrator(app);
  const { integrationId } = await admin.register();
  const ada = await takingMail(admin, integrationId);
  const bob = await takingMail(admin, (await admin.register()).integrationId);
  await admin.signIn({ integrationId, purpose: 'SHARED_MAILBOXES' }, ada.address);
  const shared = await admin.newMailbox({ kind: 'shared', fullAccess: [ada.address] });
  await admin.run('addSharedMailbox', { accountId: ada.accountId, emailAddress: shared });
  const sharedId = await admin.mailboxId(shared);
  await admin.desk.enable(sharedId, { intervalMinutes: 'MINUTES_30' });
  await admin.desk.enable(bob.mailboxId, { createTickets: false });

  await microsoft('tokens/revoke', { address: bob.address, accessTokensToo: true });
  for (const address of [ada.address, shared]) await admin.takeIn(address, `For ${address}`);
  await expect(admin.takeIn(bob.address, 'For nobody yet')).rejects.toThrow('FAILED: TOKEN_REVOKED');
  expect(await subjectsOf(admin.desk)).toEqual([`For ${ada.address}`, `For ${shared}`].sort());
  expect(await statusIn(admin, ada.mailboxId, 'IDLE')).toMatchObject({
    syncStatus: { problem: null },
    incoming: { intervalMinutes: 'MINUTES_60', createTickets: true },
  });
  expect(await statusIn(admin, bob.mailboxId, 'FAILING')).toMatchObject({
    syncStatus: { problem: { code: 'TOKEN_REVOKED' } },
    incoming: { createTickets: false },
  });
  expect((await statusOf(admin, sharedId)).incoming.intervalMinutes).toBe('MINUTES_30');
  expect((await admin.account(ada.accountId)).status).toBe('ACTIVE');
  expect((await admin.account(bob.accountId)).status).toBe('NEEDS_SIGN_IN');
});

test('Re-authenticate: the same account may sign in again; another account is refused with a user-mismatch error that names both', async () => {
  const admin = await newAdministrator(app);
  const { integrationId } = await admin.register();
  const { address, accountId, mailboxId } = await takingMail(admin, integrationId);
  await microsoft('tokens/revoke', { address, accessTokensToo: true });
  expect((await refresh(admin, accountId)).account?.status).toBe('NEEDS_SIGN_IN');
  const other = await admin.signIn({ accountId }, 'sam@contoso.example');
  expect(other.status).toBe(400);
  for (const said of [other.page, `USER_MISMATCH ${other.attempt.problem?.message}`]) {
    for (const part of ['USER_MISMATCH', address, 'sam@contoso.example']) expect(said).toContain(part);
  }
  expect(other.attempt.problem?.code).toBe('USER_MISMATCH');
  expect(await admin.account(accountId)).toMatchObject({ status: 'NEEDS_SIGN_IN', emailAddress: address });
  expect((await admin.mailboxes()).length).toBe(1);
  expect((await admin.signIn({ accountId }, address)).attempt).toMatchObject({
    status: 'COMPLETED',
    account: { id: accountId },
  });
  expect((await admin.account(accountId)).status).toBe('ACTIVE');
  expect((await admin.desk.sync(mailboxId)).state).toBe('SUCCEEDED');
});

test('Refresh (re-check connection, re-scan identities), disconnect (stops receiving, turns the directory off), delete configuration (removes credentials and settings, keeps tickets)', async () => {
  const admin = await newAdministrator(app);
  const { integrationId, clientId } = await admin.register();
  const { address, accountId, mailboxId } = await takingMail(admin, integrationId);
  await admin.takeIn(address, 'Stays');

  await microsoft('accounts/refuse', { address, code: 53003 });
  expect((await refresh(admin, accountId)).problem?.code).toBe('CONDITIONAL_ACCESS');
  await microsoft('accounts/refuse', { address, code: null });
  const newAddress = address.replace('box-', 'renamed-');
  await microsoft('accounts/rename', { address, newAddress, displayName: 'Renamed' });
  expect(await refresh(admin, accountId)).toMatchObject({
    account: { status: 'ACTIVE', emailAddress: newAddress, displayName: 'Renamed' },
    problem: null,
  });
  expect(await admin.mailboxId(newAddress)).toBe(mailboxId);

  const needsDirectory = async () => {
    const { microsoft365Setup } = await admin.desk.request<{
      microsoft365Setup: { permissions: { name: string }[] };
    }>('{ microsoft365Setup { permissions { name } } }');
    return microsoft365Setup.permissions.some(({ name }) => name === 'User.Read.All');
  };
  const directory = await admin.signIn({ integrationId, purpose: 'DIRECTORY' }, 'ada@contoso.example');
  expect(await needsDirectory()).toBe(true);
  for (const id of [accountId, directory.attempt.account?.id])
    await admin.change('disconnectAccount', { accountId: id }, 'account { id }');
  expect(await needsDirectory()).toBe(false);
  expect(await admin.account(accountId)).toMatchObject({
    status: 'DISCONNECTED',
    problem: { code: 'ACCOUNT_DISCONNECTED' },
  });
  expect((await statusOf(admin, mailboxId)).incoming.enabled).toBe(false);
  await deliver(app.emulator.url, { to: newAddress, subject: 'Not taken in' });
  await expect(admin.desk.sync(mailboxId)).rejects.toThrow();

  const deleted = await admin.change<{ deletedIntegrationId: string }>(
    'deleteIntegration',
    { integrationId },
    'deletedIntegrationId',
  );
  expect(deleted).toEqual({ deletedIntegrationId: integrationId });
  const { integrations } = await admin.desk.request<{ integrations: { edges: unknown[] } }>(
    '{ integrations { edges { node { id } } } }',
  );
  expect([integrations.edges, await admin.mailboxes()]).toEqual([[], []]);
  expect(await admin.account(accountId)).toBeNull();
  expect(await subjectsOf(admin.desk)).toEqual(['Stays']);
  expect((await admin.register({ clientId })).integrationId).not.toBe(integrationId);
});

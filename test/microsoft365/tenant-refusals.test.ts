import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Administrator, newAdministrator, startAdministrators } from '../connect/administrator.ts';
import { control, type TestApp } from '../support/app.ts';

/* Microsoft does not let the app of a tenant in. Nobody can sign in there, so other things help than for a person. */

let app: TestApp;
let admin: Administrator;
beforeAll(async () => {
  app = await startAdministrators();
  admin = await newAdministrator(app);
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Refreshed {
  account: { status: string; problem: { code: string; remedy: string; microsoftCode: string | null } | null };
}

const refresh = (accountId: string) =>
  admin.change<Refreshed>(
    'refreshAccount',
    { accountId },
    'account { status problem { code remedy microsoftCode } }',
  );

/** Entra answers every request for a token with this. */
const refuse = (errorCode: string, number: number) =>
  control(app.emulator.url, 'faults', {
    status: 400,
    errorCode,
    message: `AADSTS${number}: Microsoft says why.`,
    pathPattern: '/oauth2/v2.0/token',
  });
const letIn = () => control(app.emulator.url, 'faults', undefined, 'DELETE');

describe('what Entra refuses the app of a tenant', () => {
  test.each([
    ['invalid_grant', 53003, 'NEEDS_CONSENT', 'CONDITIONAL_ACCESS', /Service principal sign-ins/],
    ['invalid_grant', 50105, 'NEEDS_CONSENT', 'APP_NOT_ASSIGNED', /Assignment required/],
    ['invalid_grant', 50057, 'NEEDS_CONSENT', 'ACCOUNT_DISABLED', /enable what it names/],
    ['invalid_grant', 50034, 'NEEDS_CONSENT', 'ACCOUNT_NOT_FOUND', /tenant id/],
    ['unauthorized_client', 7000112, 'NEEDS_CONSENT', 'APP_DISABLED', /Enterprise applications/],
    ['invalid_grant', 65001, 'NEEDS_CONSENT', 'CONSENT_REQUIRED', /startAdminConsent/],
    ['invalid_grant', 50173, 'NEEDS_CONSENT', 'CONSENT_REQUIRED', /startAdminConsent/],
    ['invalid_grant', 50076, 'NEEDS_CONSENT', 'CONSENT_REQUIRED', /startAdminConsent/],
    ['unauthorized_client', 700016, 'NEEDS_CONSENT', 'CONSENT_REQUIRED', /startAdminConsent/],
    ['invalid_client', 7000222, 'CREDENTIAL_EXPIRED', 'CREDENTIAL_REFUSED', /rotateCredential/],
    ['invalid_client', 9999999, 'CREDENTIAL_EXPIRED', 'CREDENTIAL_REFUSED', /rotateCredential/],
    ['invalid_grant', 90033, 'UNREACHABLE', 'LOGIN_UNAVAILABLE', /tried again/],
  ])('%s AADSTS%i: %s, %s, and nobody is told to sign in', async (error, number, status, code, remedy) => {
    const { accountId } = await admin.connectTenant();
    await refuse(error, number);
    const { account } = await refresh(accountId);
    await letIn();
    expect(account).toMatchObject({
      status,
      problem: { code, microsoftCode: `AADSTS${number}`, remedy: expect.stringMatching(remedy) },
    });
    expect(account?.problem?.remedy).not.toMatch(/[Ss]ign in|reauthenticate/);
    // It passes by itself once the cause is gone.
    expect((await refresh(accountId)).account).toMatchObject({ status: 'ACTIVE', problem: null });
  });
});

test('outgoing mail of a tenant that is held back says what helps there', async () => {
  const { accountId } = await admin.connectTenant();
  const emailAddress = await admin.newMailbox();
  const { mailbox } = await admin.run('addSharedMailbox', { accountId, emailAddress });
  await refuse('invalid_grant', 53003);
  await refresh(accountId);
  const enable = { mailboxId: mailbox?.id, enabled: true };
  const refused = await admin.change('updateOutgoingSettings', enable, 'mailbox { id }');
  await letIn();
  expect(refused).toMatchObject({
    code: 'CONSENT_REQUIRED',
    message: expect.stringContaining('Conditional Access'),
    remedy: expect.stringContaining('Service principal sign-ins'),
  });
});

test('a tenant that was disconnected is told of an administrator, not to sign in', async () => {
  const { accountId } = await admin.connectTenant();
  await admin.change('disconnectAccount', { accountId }, 'account { id }');
  const told = {
    code: 'ACCOUNT_DISCONNECTED',
    remedy: expect.stringMatching(/administrator of the tenant.*startAdminConsent/),
  };
  expect(await refresh(accountId)).toMatchObject(told);
  expect((await admin.account(accountId)).problem).toMatchObject(told);
});

test('refusals have the code of Microsoft and its correlation id, of an app registration, a mailbox and Graph', async () => {
  const ask = (name: string, error: string, input: Record<string, unknown>) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    return admin.desk.request<Record<string, object>>(
      `mutation ($input: ${type}Input!) { ${name}(input: $input) {
         ... on ${error} { code microsoftCode requestId } } }`,
      { input },
    );
  };
  const told = { requestId: expect.stringMatching(/^[\w-]{30,}$/) };
  const { integrationId } = await admin.register({ authorizationMode: 'APPLICATION' });
  await refuse('invalid_client', 7000215);
  const clientSecret = 'another secret of the test';
  expect(await ask('rotateCredential', 'RegistrationError', { integrationId, clientSecret })).toMatchObject({
    rotateCredential: { code: 'SECRET_INVALID', microsoftCode: 'AADSTS7000215', ...told },
  });
  await letIn();
  const { accountId } = await admin.connectTenant();
  const emailAddress = 'nora@contoso.example';
  expect(await ask('addSharedMailbox', 'MailboxAccessError', { accountId, emailAddress })).toMatchObject({
    addSharedMailbox: {
      code: 'MAILBOX_NOT_ENABLED',
      microsoftCode: 'MailboxNotEnabledForRESTAPI',
      ...told,
    },
  });
  const mailbox = await admin.newMailbox();
  await control(app.emulator.url, 'faults', { status: 400, errorCode: 'ErrorSomething', mailbox });
  const input = { accountId, emailAddress: mailbox };
  expect(await ask('addSharedMailbox', 'GraphError', input)).toMatchObject({
    addSharedMailbox: { code: 'REQUEST_REFUSED', microsoftCode: 'ErrorSomething', ...told },
  });
  await letIn();
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { control } from '../support/app.ts';
import { foldersOf } from '../support/mail.ts';
import { type AccessDesk, type CheckView, startAccessDesk } from './access-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const verify = async (input: Record<string, unknown>): Promise<Record<string, CheckView>> => {
  const { checks, ...rest } = await stage.run('verifyMailboxAccess', input);
  if (!checks) throw new Error(JSON.stringify(rest));
  return Object.fromEntries(checks.map((check) => [check.name, check]));
};
const appAccess = (clientId: string, access: Record<string, unknown>) =>
  stage.exchange('app-access', { clientId, tenant: 'contoso.example', ...access }, 'PUT');

describe('delegated', () => {
  test('own mailbox: reading and filing pass, and nothing stays in it', async () => {
    const address = await stage.newMailbox();
    await stage.connect(address);
    const mailboxId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.id;
    const checks = await verify({ mailboxId });
    expect(Object.keys(checks)).toEqual(['READ', 'WRITE', 'SEND']);
    expect(checks).toMatchObject({
      READ: { result: 'PASSED', code: null, cause: null, remedy: null },
      WRITE: { result: 'PASSED' },
      SEND: { result: 'UNKNOWN', code: null },
    });
    const folders = await foldersOf(stage.app.emulator.url, address);
    expect([...folders.values()].flat()).toEqual([]);
  });

  test('each way of being refused is the result of a check, with code, cause, remedy and what Microsoft said', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address);
    const closed = await stage.newMailbox({ kind: 'shared' });
    const cases = [
      [closed, 'MAILBOX_ACCESS_DENIED', 'ErrorAccessDenied'],
      ['nobody-at-all@contoso.example', 'MAILBOX_NOT_FOUND', 'ErrorInvalidUser'],
      ['nora@contoso.example', 'MAILBOX_NOT_ENABLED', 'MailboxNotEnabledForRESTAPI'],
    ];
    for (const [emailAddress, code, microsoftCode] of cases) {
      const { READ, WRITE, SEND } = await verify({ accountId, emailAddress });
      expect(READ).toMatchObject({
        result: 'FAILED',
        code,
        microsoftCode,
        requestId: expect.any(String),
        cause: expect.any(String),
        remedy: expect.any(String),
      });
      expect([WRITE?.result, SEND?.result]).toEqual(['UNKNOWN', 'UNKNOWN']);
    }
  });

  test('a mailbox that must not be reachable passes while Full Access is missing, and fails once it is there', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address);
    const secret = await stage.newMailbox({ kind: 'shared' });
    const input = { accountId, emailAddress: address, mailboxThatMustNotBeReachable: secret };
    expect((await verify(input))['LIMITED']).toMatchObject({ result: 'PASSED', code: null });
    await stage.exchange(`mailboxes/${secret}`, { fullAccess: [address] }, 'PATCH');
    expect((await verify(input))['LIMITED']).toMatchObject({
      result: 'FAILED',
      code: 'ACCESS_NOT_LIMITED',
      remedy: expect.stringContaining('Full Access'),
    });
  });

  test('an account that signed in for its own mailbox alone cannot tell whether it is limited', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address, 'MAIL');
    const secret = await stage.newMailbox({ kind: 'shared', fullAccess: [address] });
    const input = { accountId, emailAddress: address, mailboxThatMustNotBeReachable: secret };
    expect(await verify(input)).toMatchObject({
      READ: { result: 'PASSED' },
      LIMITED: {
        result: 'UNKNOWN',
        microsoftCode: 'ErrorAccessDenied',
        remedy: expect.stringContaining('SHARED_MAILBOXES'),
      },
    });
  });

  test('a missing permission to send is a failure where mail is sent or a message was to be, with the purpose that grants it', async () => {
    const address = await stage.newMailbox();
    const { accountId, integrationId, clientId } = await stage.connect(address, 'SENDING');
    const missing = {
      result: 'FAILED',
      code: 'CONSENT_REQUIRED',
      cause: expect.stringContaining('Mail.Send'),
      remedy: expect.stringContaining('purpose SENDING)'),
    };
    const own = { accountId, emailAddress: address };
    const mailboxId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.id;
    await stage.desk.request(
      `mutation ($input: UpdateOutgoingSettingsInput!) { updateOutgoingSettings(input: $input) { __typename } }`,
      { input: { mailboxId, enabled: true } },
    );
    await stage.exchange('consents/revoke', { clientId, address, scopes: ['Mail.Send'] });
    await stage.desk.request(
      `mutation ($input: RefreshAccountInput!) { refreshAccount(input: $input) { __typename } }`,
      { input: { accountId } },
    );
    expect((await verify(own))['SEND']).toMatchObject(missing);
    expect((await verify({ mailboxId }))['SEND']).toMatchObject(missing);
    const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [address] });
    await stage.connect(address, 'SHARED_MAILBOXES', integrationId);
    expect((await verify({ accountId, emailAddress: shared }))['SEND']).toMatchObject({ result: 'UNKNOWN' });
    expect((await verify({ accountId, emailAddress: shared, testMessageTo: address }))['SEND']).toMatchObject(
      {
        ...missing,
        remedy: expect.stringContaining('SENDING_SHARED'),
      },
    );
  });

  test('it must be clear which mailbox is meant', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address);
    const [mailbox] = await stage.mailboxes();
    for (const input of [
      {},
      { accountId },
      { emailAddress: address },
      { mailboxId: mailbox?.id, accountId, emailAddress: address },
    ]) {
      expect(await stage.run('verifyMailboxAccess', input)).toMatchObject({
        __typename: 'InvalidInputError',
        code: 'INVALID_INPUT',
      });
    }
  });

  test('an outage decides nothing: UNKNOWN', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address);
    await control(stage.app.emulator.url, 'faults', { mailbox: address, status: 503 });
    expect((await verify({ accountId, emailAddress: address }))['READ']).toMatchObject({
      result: 'UNKNOWN',
      code: 'GRAPH_UNAVAILABLE',
    });
    await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
  });
});

describe('application mode', () => {
  test('an unlimited app: any mailbox can be opened, and LIMITED fails with the Exchange commands', async () => {
    const { accountId, clientId } = await stage.connectTenant();
    const wanted = await stage.newMailbox();
    const other = await stage.newMailbox();
    const unasked = await verify({ accountId, emailAddress: wanted });
    expect(unasked).toMatchObject({
      READ: { result: 'PASSED' },
      WRITE: { result: 'PASSED' },
      LIMITED: { result: 'UNKNOWN' },
    });
    const asked = await verify({
      accountId,
      emailAddress: wanted,
      mailboxThatMustNotBeReachable: other,
      testMessageTo: wanted,
    });
    expect(asked).toMatchObject({
      SEND: { result: 'PASSED' },
      LIMITED: { result: 'FAILED', code: 'ACCESS_NOT_LIMITED', remedy: expect.stringContaining(clientId) },
    });
  });

  test('an application access policy limits it: the wanted mailbox passes, the other is kept out', async () => {
    const { accountId, clientId } = await stage.connectTenant();
    const wanted = await stage.newMailbox();
    const other = await stage.newMailbox();
    await appAccess(clientId, { policy: { accessRight: 'RestrictAccess', members: [wanted] } });
    const checks = await verify({ accountId, emailAddress: wanted, mailboxThatMustNotBeReachable: other });
    expect(checks).toMatchObject({
      READ: { result: 'PASSED' },
      LIMITED: { result: 'PASSED', microsoftCode: 'ErrorAccessDenied' },
    });
    // The other way round the policy is in the way, and the answer has the command that shows it.
    expect((await verify({ accountId, emailAddress: other }))['READ']).toMatchObject({
      result: 'FAILED',
      code: 'MAILBOX_ACCESS_DENIED',
      remedy: expect.stringContaining(
        `Test-ApplicationAccessPolicy -Identity '${other}' -AppId '${clientId}'`,
      ),
    });
    expect(await stage.run('addSharedMailbox', { accountId, emailAddress: other })).toMatchObject({
      code: 'MAILBOX_ACCESS_DENIED',
    });
    await appAccess(clientId, { policy: { accessRight: 'DenyAccess', members: [wanted] } });
    expect((await verify({ accountId, emailAddress: wanted }))['READ']?.result).toBe('FAILED');
    expect((await verify({ accountId, emailAddress: other }))['READ']?.result).toBe('PASSED');
  });

  test('an app that nobody has consented to is kept out everywhere, which says nothing about limits', async () => {
    await stage.exchange('tenants/contoso.example/settings', { rolesNeedConsent: true });
    const { accountId } = await stage.connectTenant();
    const emailAddress = await stage.newMailbox();
    const checks = await verify({
      accountId,
      emailAddress,
      mailboxThatMustNotBeReachable: await stage.newMailbox(),
    });
    expect(checks).toMatchObject({
      READ: { result: 'FAILED', code: 'CONSENT_REQUIRED' },
      LIMITED: { result: 'UNKNOWN', code: null, remedy: expect.stringContaining('READ') },
    });
    await stage.exchange('tenants/contoso.example/settings', { rolesNeedConsent: false });
  });

  test('a mailbox that does not exist says nothing about limits', async () => {
    const { accountId } = await stage.connectTenant();
    const emailAddress = await stage.newMailbox();
    const checks = await verify({
      accountId,
      emailAddress,
      mailboxThatMustNotBeReachable: 'no-such-box@contoso.example',
    });
    expect(checks['LIMITED']).toMatchObject({ result: 'UNKNOWN', microsoftCode: 'ErrorInvalidUser' });
  });

  test('roles that Exchange assigns (RBAC for Applications) open just their mailboxes, and heal the account', async () => {
    await stage.exchange('tenants/contoso.example/settings', { rolesNeedConsent: true });
    const { accountId, clientId } = await stage.connectTenant();
    await stage.exchange('tenants/contoso.example/settings', { rolesNeedConsent: false });
    const statusOf = async () =>
      (
        await stage.desk.request<{ node: { status: string } }>(
          'query ($id: ID!) { node(id: $id) { ... on Account { status } } }',
          { id: accountId },
        )
      ).node.status;
    const wanted = await stage.newMailbox();
    const other = await stage.newMailbox();
    expect(await statusOf()).toBe('NEEDS_CONSENT');
    await stage.exchange('tenants/contoso.example/settings', { rolesNeedConsent: true });
    expect((await verify({ accountId, emailAddress: wanted }))['READ']).toMatchObject({
      code: 'CONSENT_REQUIRED',
      remedy: expect.stringContaining('New-ManagementRoleAssignment'),
    });
    await appAccess(clientId, { assignments: [{ roles: ['Mail.ReadWrite'], members: [wanted] }] });
    const checks = await verify({ accountId, emailAddress: wanted, mailboxThatMustNotBeReachable: other });
    expect(checks).toMatchObject({ READ: { result: 'PASSED' }, LIMITED: { result: 'PASSED' } });
    expect(await statusOf()).toBe('ACTIVE');
    await stage.exchange('tenants/contoso.example/settings', { rolesNeedConsent: false });
  });
});

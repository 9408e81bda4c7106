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

/* Personal Microsoft accounts, as outlook.com has them: of the tenant `consumers`, from outside. */

let app: TestApp;
let admin: Administrator;
beforeAll(async () => {
  app = await startAdministrators();
  admin = await newAdministrator(app);
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function newPerson(): Promise<string> {
  const address = `pat-${crypto.randomUUID().slice(0, 8)}@outlook.example`;
  await control(app.emulator.url, 'mailboxes', { address });
  return address;
}

test.each(['consumers', 'common'])(
  'a personal account signs in through %s, its mail becomes tickets, push announces it, and its token is renewed',
  async (tenantId) => {
    const address = await newPerson();
    const { integrationId } = await admin.register({ tenantId });
    const { attempt } = await admin.signIn({ integrationId }, address);
    expect(attempt).toMatchObject({ status: 'COMPLETED', account: { emailAddress: address } });
    const mailboxId = await admin.mailboxId(address);
    await admin.desk.enable(mailboxId);
    // https://learn.microsoft.com/graph/outlook-change-notifications-overview: personal accounts have them as well.
    await eventually('Microsoft has subscribed', async () => {
      const { node } = await admin.desk.request<{
        node: { syncStatus: { pushSubscription: { state: string } | null } };
      }>(
        `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { pushSubscription { state } } } } }`,
        { id: mailboxId },
      );
      return node.syncStatus.pushSubscription?.state === 'ACTIVE';
    });
    await control(app.emulator.url, 'tokens/expire', { address });
    const subject = `Announced to ${address}`;
    await deliver(app.emulator.url, { to: address, subject, text: 'Hello' });
    await eventually('it is a ticket', async () => (await subjectsOf(admin.desk)).includes(subject));
    expect((await admin.account(attempt.account?.id ?? '')).status).toBe('ACTIVE');
  },
);

test('shared mailboxes and the directory are refused with the reason, before anybody signs in and afterwards', async () => {
  const address = await newPerson();
  const { integrationId } = await admin.register({ tenantId: 'consumers' });
  for (const purpose of ['SHARED_MAILBOXES', 'SENDING_SHARED', 'DIRECTORY']) {
    expect(await admin.change('startSignIn', { integrationId, purpose }, 'authorizationUrl')).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('no shared mailboxes'),
      remedy: expect.stringContaining('work or school'),
    });
  }
  const { attempt } = await admin.signIn({ integrationId }, address);
  const accountId = attempt.account?.id ?? '';
  expect(
    await admin.change('reauthenticate', { accountId, purpose: 'SHARED_MAILBOXES' }, 'authorizationUrl'),
  ).toMatchObject({ code: 'INVALID_INPUT' });
  const emailAddress = await newPerson();
  expect(await admin.run('addSharedMailbox', { accountId, emailAddress })).toMatchObject({
    code: 'MAILBOX_ACCESS_DENIED',
    message: expect.stringContaining('own mailbox alone'),
  });
});

test('application mode and the consent of an administrator are refused: there is none', async () => {
  const input = {
    tenantId: 'consumers',
    clientId: crypto.randomUUID(),
    clientSecret: 'a secret of the test',
  };
  expect(
    await admin.change(
      'createIntegration',
      { ...input, authorizationMode: 'APPLICATION' },
      'integration { id }',
    ),
  ).toMatchObject({ code: 'INVALID_INPUT' });
  expect(
    await admin.change(
      'createIntegration',
      { ...input, tenantId: '9188040d-6c67-4c5b-b112-36a304b66dad', authorizationMode: 'APPLICATION' },
      'integration { id }',
    ),
  ).toMatchObject({ code: 'INVALID_INPUT' });
  const { integrationId } = await admin.register({ tenantId: 'consumers' });
  expect(await admin.change('startAdminConsent', { integrationId }, 'authorizationUrl')).toMatchObject({
    code: 'INVALID_INPUT',
  });
});

test('who has no personal account does not come in through consumers, nor a personal one through organizations or to an app that takes none', async () => {
  const address = await newPerson();
  const through = async (tenantId: string, who: string) => {
    const { integrationId, clientId } = await admin.register({ tenantId });
    return { clientId, signIn: () => admin.signIn({ integrationId }, who) };
  };
  await expect((await through('consumers', 'sam@contoso.example')).signIn()).rejects.toThrow(/AADSTS50034/);
  await expect((await through('organizations', address)).signIn()).rejects.toThrow(/AADSTS50020/);
  const closed = await through('common', address);
  await control(app.emulator.url, 'apps', { clientId: closed.clientId, personalAccounts: false });
  await expect(closed.signIn()).rejects.toThrow(/AADSTS700016.*not enabled for consumers/s);
});

test('a mistyped secret is refused where a work account and, later, a personal one signed in through common', async () => {
  const clientId = crypto.randomUUID();
  const clientSecret = 'the right secret of the test';
  await registerAtMicrosoft(app, { clientId, secret: clientSecret });
  const { integrationId } = await admin.register({ tenantId: 'common', clientId, clientSecret });
  const work = await admin.signIn({ integrationId }, await admin.newMailbox());
  await admin.signIn({ integrationId }, await newPerson());
  const rotate = (secret: string) =>
    admin.change('rotateCredential', { integrationId, clientSecret: secret }, 'isCredentialVerified');
  expect(await rotate('a mistyped secret of the test')).toMatchObject({ code: 'SECRET_INVALID' });
  const accountId = work.attempt.account?.id ?? '';
  expect(await admin.change('refreshAccount', { accountId }, 'account { status }')).toEqual({
    account: { status: 'ACTIVE' },
  });
  expect(await rotate(clientSecret)).toEqual({ isCredentialVerified: true });
});

test('a personal account grants sending when it is asked for, and sending can be switched on then', async () => {
  const address = await newPerson();
  const { integrationId } = await admin.register({ tenantId: 'consumers' });
  const { attempt } = await admin.signIn({ integrationId }, address);
  const mailboxId = await admin.mailboxId(address);
  const enable = () => admin.change('updateOutgoingSettings', { mailboxId, enabled: true }, 'mailbox { id }');
  expect(await enable()).toMatchObject({
    code: 'CONSENT_REQUIRED',
    remedy: expect.stringContaining('SENDING'),
  });
  const accountId = attempt.account?.id ?? '';
  const again = await admin.signIn({ accountId, purpose: 'SENDING' }, address);
  expect(again.attempt).toMatchObject({ status: 'COMPLETED', account: { id: accountId } });
  expect(await enable()).toEqual({ mailbox: { id: mailboxId } });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type TestApp } from '../support/app.ts';
import { type Administrator, newAdministrator, startAdministrators } from './administrator.ts';
import type { ProblemView } from './harness.ts';

/* The row of the table "Connect" that is about failures; test/microsoft365/error-catalogue.test.ts has every one of them. */

let app: TestApp;
let admin: Administrator;
beforeAll(async () => {
  app = await startAdministrators();
  admin = await newAdministrator(app);
});
afterAll(() => app?.[Symbol.asyncDispose]());

const SAM = 'sam@contoso.example';

/** What somebody is shown: the error of a mutation, the problem of a sign-in or an account, or a check. */
interface Shown {
  code?: string | null;
  message?: string;
  cause?: string | null;
  remedy?: string | null;
  microsoftCode?: string | null;
}

/** Signs in while Microsoft answers the server with a fault, and gives what the attempt says; the page says it as well. */
async function signInWith(fault: Record<string, unknown>): Promise<Shown> {
  const { integrationId } = await admin.register();
  const between = () => control(app.emulator.url, 'faults', fault);
  const { page, attempt } = await admin.signIn({ integrationId }, SAM, { between });
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  expect(page).toContain(attempt.problem?.code);
  return attempt.problem ?? {};
}

const tokenFault = (errorCode: string, message: string) =>
  signInWith({ status: 400, errorCode, message, pathPattern: '/oauth2/v2.0/token' });

/** Connects somebody who may use shared mailboxes, and send. */
async function connected() {
  const { integrationId, clientId } = await admin.register();
  const address = await admin.newMailbox();
  const scopes = ['Mail.Send', 'Mail.Send.Shared'];
  await control(app.emulator.url, 'consents', { clientId, tenant: 'contoso.example', scopes });
  const { attempt } = await admin.signIn({ integrationId, purpose: 'SHARED_MAILBOXES' }, address);
  return { accountId: attempt.account?.id ?? '', address, clientId };
}

/** What a check of an account says once something was taken from it. */
async function checkedAfter(
  path: string,
  body: (account: { address: string; clientId: string }) => object,
): Promise<Shown> {
  const account = await connected();
  await control(app.emulator.url, path, body(account));
  const { problem } = await admin.change<{ problem: ProblemView }>(
    'refreshAccount',
    { accountId: account.accountId },
    'problem { code message remedy microsoftCode }',
  );
  expect((await admin.account(account.accountId)).problem).toEqual(problem);
  return problem ?? {};
}

const CASES: Readonly<Record<string, () => Promise<Shown>>> = {
  TOKEN_EXCHANGE_FAILED: () => tokenFault('something_else', 'Microsoft says nothing.'),
  PROFILE_FETCH_FAILED: () => signInWith({ status: 403, pathPattern: '/v1.0/me' }),
  INVALID_STATE: async () => {
    const { integrationId } = await admin.register();
    const { status, page } = await admin.signIn({ integrationId }, SAM, { cookie: 'another=browser' });
    expect(status).toBe(400);
    const lines = new Map(
      [...page.matchAll(/<dt>(.*?)<\/dt><dd>(.*?)<\/dd>/g)].map(([, label, said]) => [label, said]),
    );
    return {
      code: lines.get('Code') ?? null,
      cause: lines.get('What happened') ?? null,
      remedy: lines.get('What to do') ?? null,
    };
  },
  REDIRECT_URI_MISMATCH: () =>
    tokenFault('invalid_client', 'AADSTS500112: The reply address does not match.'),
  CONSENT_REQUIRED: () => checkedAfter('consents/revoke', ({ address, clientId }) => ({ address, clientId })),
  SECRET_EXPIRED: () =>
    admin.change(
      'createIntegration',
      { tenantId: 'contoso.example', clientId: crypto.randomUUID(), clientSecret: 'expired-secret' },
      'isCredentialVerified',
    ),
  USER_MISMATCH: async () => {
    const { accountId } = await connected();
    return (await admin.signIn({ accountId }, SAM)).attempt.problem ?? {};
  },
  MAILBOX_ACCESS_DENIED: async () => {
    const { accountId } = await connected();
    const emailAddress = await admin.newMailbox({ kind: 'shared' });
    return await admin.run('addSharedMailbox', { accountId, emailAddress });
  },
  SEND_AS_DENIED: async () => {
    const { accountId, address } = await connected();
    const emailAddress = await admin.newMailbox({ kind: 'shared', fullAccess: [address], sendAs: [] });
    const input = { accountId, emailAddress, testMessageTo: address };
    return (await admin.run('addSharedMailbox', input)).sending ?? {};
  },
  TOKEN_REVOKED: async () => {
    const shown = await checkedAfter('tokens/revoke', ({ address }) => ({ address, accessTokensToo: true }));
    expect(shown.microsoftCode).toBe('AADSTS50173');
    return shown;
  },
};

test.each(Object.keys(CASES))(
  'Every failure is a stable code with a cause and a remedy: %s',
  async (code) => {
    const shown = await CASES[code]?.();
    expect(shown?.code).toBe(code);
    expect(shown?.cause ?? shown?.message).toMatch(/\w+ .*\./s);
    expect(shown?.remedy).toMatch(/\w+ .*\./s);
    const { __type } = await admin.desk.request<{
      __type: { enumValues: { name: string; description: string }[] };
    }>('{ __type(name: "ErrorCode") { enumValues { name description } } }');
    expect(__type.enumValues.find(({ name }) => name === code)?.description).toMatch(/\.$/);
  },
);

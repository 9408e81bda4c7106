import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { signIn as newKey } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { answerMicrosoft, openLink } from '../support/browser.ts';
import { type Answer, type ConnectDesk, startConnectDesk } from './harness.ts';

let stage: ConnectDesk;
beforeAll(async () => {
  stage = await startConnectDesk();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const again = (accountId: string, input: Record<string, unknown> = {}) =>
  stage.run('reauthenticate', { accountId, ...input });
const urlOf = (started: Answer) => started.authorizationUrl ?? '';
const attemptOf = (started: Answer) => stage.attempt(started.signInAttempt?.id ?? '');

/** The row as it is stored, tokens included, but for when it was written. */
async function storedAccount(id: string): Promise<Record<string, unknown>> {
  const [row] = await forkFor(stage.app.database, stage.desk.organizationId).execute<
    Record<string, unknown>[]
  >('select *, null as updated_at from account where organization_id = ? and id = ?', [
    stage.desk.organizationId,
    rowId(id),
  ]);
  return row ?? {};
}

const accountCount = async () =>
  (
    await forkFor(stage.app.database, stage.desk.organizationId).execute<unknown[]>(
      'select 1 from account where organization_id = ?',
      [stage.desk.organizationId],
    )
  ).length;

describe('Re-authenticate', () => {
  test('suggests the account, asks for what it has, and brings it back from NEEDS_SIGN_IN', async () => {
    const { id, emailAddress } = await stage.connect(await stage.person(), { purpose: 'SHARED_MAILBOXES' });
    await stage.microsoft('tokens/revoke', { address: emailAddress, accessTokensToo: true });
    expect((await stage.run('refreshAccount', { accountId: id })).account).toMatchObject({
      status: 'NEEDS_SIGN_IN',
      problem: { code: 'TOKEN_REVOKED', microsoftCode: 'AADSTS50173' },
    });
    const started = await again(id);
    expect(started.signInAttempt).toMatchObject({ status: 'PENDING', account: { id } });
    const answered = await answerMicrosoft(urlOf(started), emailAddress);
    const asked = new URL(answered.microsoftUrl).searchParams;
    expect(asked.get('login_hint')).toBe(emailAddress);
    expect(asked.get('scope')).toContain('Mail.ReadWrite.Shared');
    expect((await answered.deliver()).status).toBe(200);
    expect(await attemptOf(started)).toMatchObject({ status: 'COMPLETED', account: { id } });
    expect(await stage.account(id)).toMatchObject({ status: 'ACTIVE', problem: null });
  });

  test.each([
    ['another person of the tenant', 'sam@contoso.example'],
    ['somebody of another tenant', 'dave@fabrikam.example'],
  ])('%s is refused with USER_MISMATCH, which names both, and nothing changes', async (_who, other) => {
    const { id, emailAddress } = await stage.connect(await stage.person());
    const [before, count] = [await storedAccount(id), await accountCount()];
    const started = await again(id);
    const answer = await (await answerMicrosoft(urlOf(started), other)).deliver();
    expect(answer.status).toBe(400);
    const page = await answer.text();
    for (const part of ['USER_MISMATCH', emailAddress, other]) expect(page).toContain(part);
    const attempt = await attemptOf(started);
    expect(attempt).toMatchObject({
      status: 'FAILED',
      account: { id },
      problem: { code: 'USER_MISMATCH', remedy: expect.stringContaining('startSignIn') },
    });
    expect(attempt?.problem?.message).toContain(emailAddress);
    expect(attempt?.problem?.message).toContain(other);
    expect(await storedAccount(id)).toEqual(before);
    expect(await accountCount()).toBe(count);
    expect((await stage.run('refreshAccount', { accountId: id })).problem).toBeNull();
  });

  test('grants more when asked to, and every second start is as good as the first', async () => {
    const { id, emailAddress } = await stage.connect(await stage.person());
    const [first, second] = [
      await again(id, { purpose: 'SHARED_MAILBOXES' }),
      await again(id, { purpose: 'SHARED_MAILBOXES' }),
    ];
    for (const started of [second, first]) {
      expect((await (await answerMicrosoft(urlOf(started), emailAddress)).deliver()).status).toBe(200);
      expect((await stage.account(id)).grantedScopes).toContain('Mail.ReadWrite.Shared');
    }
  });

  test('refuses the account of a tenant: nobody signs in to it', async () => {
    const { createIntegration } = await stage.desk.request<{
      createIntegration: { integration: { accounts: { edges: { node: { id: string } }[] } } };
    }>(
      `mutation { createIntegration(input: { tenantId: "contoso.example", authorizationMode: APPLICATION,
         clientId: "${crypto.randomUUID()}", clientSecret: "a secret of the test" }) {
           ... on CreateIntegrationPayload { integration { accounts { edges { node { id } } } } } } }`,
    );
    const id = createIntegration.integration.accounts.edges[0]?.node.id ?? '';
    expect(await again(id)).toMatchObject({
      code: 'INVALID_INPUT',
      remedy: expect.stringContaining('startAdminConsent'),
    });
  });

  test('refuses to return the browser elsewhere', async () => {
    const { id } = await stage.connect(await stage.person());
    expect(await again(id, { returnTo: '//evil.example' })).toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('forbids agents, and other organizations do not find the account', async () => {
    const { id } = await stage.connect(await stage.person());
    const { secret } = await newKey(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(stage.run('reauthenticate', { accountId: id }, secret)).rejects.toThrow(/permission/i);
    const stranger = await stage.app.newDesk('Stranger');
    expect(await stage.run('reauthenticate', { accountId: id }, stranger.apiKey)).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('one link is one account’s: opened, it leads where it was made for', async () => {
    const { id, emailAddress } = await stage.connect(await stage.person());
    const { microsoftUrl } = await openLink(urlOf(await again(id)));
    expect(new URL(microsoftUrl).searchParams.get('login_hint')).toBe(emailAddress);
    expect(new URL(microsoftUrl).searchParams.get('prompt')).toBe('select_account');
  });
});

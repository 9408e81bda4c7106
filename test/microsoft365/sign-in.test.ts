import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { User } from '../../src/access/user.entity.ts';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { SignInAttempt } from '../../src/microsoft365/sign-in-attempt.entity.ts';
import { MINUTE } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { answerOf, PUBLIC_URL, type Stage, startStage } from './harness.ts';

let stage: Stage;
const connected: string[] = [];
const EMPTY = { state: null, code: null, error: null, errorDescription: null, cookie: null };
beforeAll(async () => {
  stage = await startStage({
    onConnected: async (em, account) => {
      if (account.displayName === 'Mia Meyer') throw new Error('no room for Mia');
      expect(em.isInTransaction()).toBe(true);
      connected.push(account.emailAddress);
    },
  });
});
afterAll(() => stage[Symbol.asyncDispose]());

const complete = (url: URL) => stage.microsoft365.completeSignIn(answerOf(url));

async function eventsOf(organizationId: string): Promise<unknown[]> {
  return await forkFor(stage.database, organizationId).execute(
    'select type, payload from event where organization_id = ? order by position',
    [organizationId],
  );
}

describe('completes', () => {
  test('a sign-in connects the account that signed in, in the organization that asked, and returns the browser', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.start(tenancy, { returnTo: '/settings?tab=mail' });
    const result = await complete(await stage.answer(url, 'ada@contoso.example'));
    expect(result).toMatchObject({ organizationId: tenancy.organizationId, returnTo: '/settings?tab=mail' });
    const em = forkFor(stage.database, tenancy.organizationId);
    const account = await em.findOneOrFail(
      Account,
      { id: result.account.id },
      { populate: ['sealedTokenCache'] },
    );
    expect(account).toMatchObject({
      emailAddress: 'ada@contoso.example',
      displayName: 'Ada Admin',
      microsoftUserId: '00000000-c0a0-4000-8000-000000000001',
      microsoftTenantId: '11111111-c0a0-4000-8000-000000000000',
      status: 'ACTIVE',
      grantedScopes: ['Mail.ReadWrite', 'User.Read'],
    });
    expect(account.sealedTokenCache).toMatch(/^v1\.test\./);
    expect(connected).toContain('ada@contoso.example');
    expect(await eventsOf(tenancy.organizationId)).toEqual([
      { type: 'account-status.changed', payload: { accountId: account.id } },
      { type: 'sign-in.ended', payload: { signInAttemptId: expect.any(String) } },
    ]);
  });

  test('the same account signing in again keeps its row', async () => {
    const tenancy = await stage.tenancy();
    const first = await stage.connect(tenancy, 'sam@contoso.example');
    const again = await stage.connect(tenancy, 'sam@contoso.example', { purpose: 'SHARED_MAILBOXES' });
    expect(again.id).toBe(first.id);
    expect(again.grantedScopes).toContain('Mail.ReadWrite.Shared');
  });

  test('two sign-ins of one account at the same time make one row', async () => {
    const tenancy = await stage.tenancy();
    const answers = await Promise.all(
      [1, 2].map(async () => stage.answer(await stage.start(tenancy), 'sam@contoso.example')),
    );
    const [one, two] = await Promise.all(answers.map(complete));
    expect(one?.account.id).toBe(two?.account.id);
  });

  test('the page to open has PKCE, state, nonce and account choice, and no secret', async () => {
    const tenancy = await stage.tenancy();
    const url = new URL(await stage.start(tenancy, { loginHint: 'ada@contoso.example' }));
    expect(url.origin).toBe(stage.emulator.url);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      code_challenge_method: 'S256',
      prompt: 'select_account',
      response_type: 'code',
      login_hint: 'ada@contoso.example',
      redirect_uri: `${PUBLIC_URL}/api/integrations/microsoft365/callback`,
    });
    expect(url.searchParams.get('scope')?.split(' ').sort()).toEqual(
      ['Mail.ReadWrite', 'User.Read', 'offline_access', 'openid', 'profile'].sort(),
    );
    expect(url.searchParams.get('state')?.length).toBeGreaterThanOrEqual(43);
    expect(url.searchParams.get('nonce')?.length).toBeGreaterThanOrEqual(43);
    expect(url.href).not.toContain('secret');
  });
});

describe('refuses', () => {
  test('a state that was never given out, and an answer without one', async () => {
    await expect(
      stage.microsoft365.completeSignIn({ ...EMPTY, state: 'made-up', code: 'x' }),
    ).rejects.toMatchObject({ code: 'INVALID_STATE' });
    await expect(stage.microsoft365.completeSignIn({ ...EMPTY, code: 'x' })).rejects.toMatchObject({
      code: 'INVALID_STATE',
    });
  });

  test('the same answer a second time, even at the same time', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    const outcomes = await Promise.allSettled([complete(url), complete(url), complete(url)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(complete(url)).rejects.toMatchObject({ code: 'INVALID_STATE' });
  });

  test('an answer that comes after ten minutes', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    stage.clock.advance(10 * MINUTE);
    await expect(complete(url)).rejects.toMatchObject({ code: 'SIGN_IN_EXPIRED' });
    stage.clock.advance(-10 * MINUTE);
    await expect(complete(url)).rejects.toMatchObject({ code: 'INVALID_STATE' });
  });

  test('permissions that the person declined', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example', 'deny');
    await expect(complete(url)).rejects.toMatchObject({
      code: 'CONSENT_DECLINED',
      microsoftCode: 'AADSTS65004',
    });
  });

  test('permissions that only an administrator may grant, and says so', async () => {
    const tenancy = await stage.tenancy({ tenantId: 'fabrikam.example' });
    await stage.control('POST', '/tenants/fabrikam.example/settings', { userConsentAllowed: false });
    const url = await stage.answer(await stage.start(tenancy), 'dave@fabrikam.example');
    await expect(complete(url)).rejects.toMatchObject({ code: 'ADMIN_APPROVAL_NEEDED' });
    await stage.control('POST', '/tenants/fabrikam.example/settings', { userConsentAllowed: true });
  });

  test('a wrong client secret, and leaves no account behind', async () => {
    const tenancy = await stage.tenancy({ clientSecret: 'not-the-secret' });
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    await expect(complete(url)).rejects.toMatchObject({
      code: 'SECRET_INVALID',
      microsoftCode: 'AADSTS7000215',
      remedy: expect.stringContaining('value of the client secret'),
    });
    expect(await forkFor(stage.database, tenancy.organizationId).count(Account)).toBe(0);
  });

  test('a code that is not one', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    url.searchParams.set('code', 'made-up');
    await expect(complete(url)).rejects.toMatchObject({ code: 'TOKEN_EXCHANGE_FAILED' });
  });

  test('the code of another sign-in: its verifier and nonce do not fit', async () => {
    const tenancy = await stage.tenancy();
    const [mine, foreign] = await Promise.all(
      ['ada', 'sam'].map(async (name) => stage.answer(await stage.start(tenancy), `${name}@contoso.example`)),
    );
    mine?.searchParams.set('code', foreign?.searchParams.get('code') ?? '');
    await expect(complete(mine ?? new URL('http://none'))).rejects.toMatchObject({
      code: 'TOKEN_EXCHANGE_FAILED',
    });
  });

  test('a sign-in service that does not answer, as something that passes', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    await stage.control('POST', '/faults', { pathPattern: '/oauth2/v2.0/token', status: 503, count: 1 });
    await expect(complete(url)).rejects.toMatchObject({ code: 'SIGN_IN_UNAVAILABLE' });
  });

  test('an account whose profile cannot be read', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    await stage.control('POST', '/faults', { pathPattern: '^/v1.0/me\\?', status: 500, count: 3 });
    await expect(complete(url)).rejects.toMatchObject({ code: 'PROFILE_FETCH_FAILED' });
  });

  test('a user who lost the right to manage integrations meanwhile', async () => {
    const tenancy = await stage.tenancy();
    const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
    const em = forkFor(stage.database, tenancy.organizationId);
    (await em.findOneOrFail(User, { id: tenancy.userId })).role = 'AGENT';
    await em.flush();
    await expect(complete(url)).rejects.toMatchObject({ code: 'INVALID_STATE' });
  });

  test('to return to another host', async () => {
    const tenancy = await stage.tenancy();
    for (const returnTo of ['https://evil.example/', '//evil.example', '/\\evil.example', 'settings']) {
      await expect(stage.start(tenancy, { returnTo }), returnTo).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      });
    }
  });

  test("another organization's integration, as if it did not exist", async () => {
    const [mine, foreign] = [await stage.tenancy(), await stage.tenancy()];
    await expect(stage.start({ ...mine, integration: foreign.integration })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

test('what fails while the account is connected leaves neither account nor event', async () => {
  const tenancy = await stage.tenancy();
  const url = await stage.answer(await stage.start(tenancy), 'mia@contoso.example');
  await expect(complete(url)).rejects.toThrow('no room for Mia');
  expect(await forkFor(stage.database, tenancy.organizationId).count(Account)).toBe(0);
  expect(await eventsOf(tenancy.organizationId)).toMatchObject([{ type: 'sign-in.ended' }]);
});

test('attempts that are long void are swept away', async () => {
  const tenancy = await stage.tenancy();
  await stage.start(tenancy);
  stage.clock.advance(2 * 24 * 60 * MINUTE);
  await stage.start(tenancy);
  expect(await forkFor(stage.database, tenancy.organizationId).count(SignInAttempt)).toBe(1);
  stage.clock.advance(-2 * 24 * 60 * MINUTE);
});

test('nothing that was logged holds a secret, a code or a token', async () => {
  const tenancy = await stage.tenancy({ clientSecret: 'a-wrong-secret-in-the-log' });
  const url = await stage.answer(await stage.start(tenancy), 'ada@contoso.example');
  await complete(url).catch(() => undefined);
  await stage.connect(await stage.tenancy(), 'ada@contoso.example');
  const log = stage.logLines.join('');
  expect(log).toContain('sign-in refused');
  for (const secret of [
    'a-wrong-secret-in-the-log',
    url.searchParams.get('code') ?? '',
    'eyJ',
    'correct-horse',
  ]) {
    expect(log).not.toContain(secret);
  }
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { signIn as newKey } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { subscribeOverSse } from '../server/harness.ts';
import { answerMicrosoft, openLink } from '../support/browser.ts';
import { type Answer, type ConnectDesk, newIntegration, startConnectDesk } from './harness.ts';

let stage: ConnectDesk;
beforeAll(async () => {
  stage = await startConnectDesk();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const start = (input: Record<string, unknown> = {}) =>
  stage.run('startSignIn', { integrationId: stage.integrationId, ...input });
const attemptOf = (started: Answer) => stage.attempt(started.signInAttempt?.id ?? '');
const urlOf = (started: Answer) => started.authorizationUrl ?? '';

describe('Delegated sign-in: a sign-in belongs to the browser that opens its link', () => {
  test('the link of ours sets a cookie that scripts cannot read, and goes on to Microsoft', async () => {
    const started = await start();
    expect(urlOf(started)).toMatch(
      new RegExp(`^${stage.app.url}/api/integrations/microsoft365/sign-in/[\\w-]{43}$`),
    );
    const answer = await fetch(urlOf(started), { redirect: 'manual' });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toContain(
      `${stage.app.emulator.url}/organizations/oauth2/v2.0/authorize`,
    );
    expect(answer.headers.get('set-cookie')).toMatch(
      /^deskgraph-sign-in-[0-9a-f]{16}=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
  });

  test('the answer of Microsoft is taken from that browser alone, and only once', async () => {
    const address = await stage.person();
    const started = await start();
    const answered = await answerMicrosoft(urlOf(started), address);
    const another = await openLink(urlOf(await start()));
    for (const cookie of ['', another.cookie, answered.cookie.replace(/=.*/, '=guessed')]) {
      const refused = await answered.deliver(cookie);
      expect(refused.status).toBe(400);
      expect(await refused.text()).toMatch(/INVALID_STATE/);
    }
    expect(await attemptOf(started)).toMatchObject({ status: 'PENDING', problem: null, account: null });
    const completed = await answered.deliver();
    expect(completed.status).toBe(200);
    expect(completed.headers.get('set-cookie')).toMatch(/=; Max-Age=0/);
    expect(await attemptOf(started)).toMatchObject({
      status: 'COMPLETED',
      account: { emailAddress: address },
    });
    expect((await answered.deliver()).status).toBe(400);
    expect(await attemptOf(started)).toMatchObject({ status: 'COMPLETED', problem: null });
  });

  test('another browser gets nothing from a link that was opened, the same one may come again', async () => {
    const started = await start();
    const { cookie } = await openLink(urlOf(started));
    await expect(openLink(urlOf(started))).rejects.toThrow('INVALID_STATE');
    const again = await fetch(urlOf(started), { redirect: 'manual', headers: { cookie } });
    expect(again.status).toBe(303);
    expect(again.headers.get('set-cookie')).toContain(cookie);
  });

  test('programs that look ahead do not use a link up', async () => {
    const started = await start();
    const heads = [
      await fetch(urlOf(started), { method: 'HEAD', redirect: 'manual' }),
      await fetch(urlOf(started), { headers: { 'sec-purpose': 'prefetch;prerender' }, redirect: 'manual' }),
    ];
    for (const { status, headers } of heads) {
      expect(status).toBe(204);
      expect(headers.get('set-cookie')).toBeNull();
    }
    await expect(openLink(urlOf(started))).resolves.toBeDefined();
  });

  test('a made-up link, and one whose ten minutes have passed, say so', async () => {
    const base = `${stage.app.url}/api/integrations/microsoft365/sign-in/`;
    for (const token of ['made-up', '%00', 'x'.repeat(3_000)])
      await expect(openLink(base + token)).rejects.toThrow('INVALID_STATE');
    const started = await start();
    await expire(started);
    await expect(openLink(urlOf(started))).rejects.toThrow('SIGN_IN_EXPIRED');
    expect(await attemptOf(started)).toMatchObject({
      status: 'EXPIRED',
      problem: { code: 'SIGN_IN_EXPIRED' },
    });
  });

  test('a sign-in ends with the key that started it', async () => {
    const { secret, apiKeyId } = await newKey(stage.app.database, stage.desk.organizationId, 'ADMIN');
    const started = await stage.run('startSignIn', { integrationId: stage.integrationId }, secret);
    const answered = await answerMicrosoft(urlOf(started), await stage.person());
    const em = forkFor(stage.app.database, stage.desk.organizationId);
    await em.execute('update api_key set revoked_at = now() where organization_id = ? and id = ?', [
      stage.desk.organizationId,
      apiKeyId,
    ]);
    expect(await (await answered.deliver()).text()).toContain('INVALID_STATE');
    expect(await attemptOf(started)).toMatchObject({ status: 'FAILED', problem: { code: 'INVALID_STATE' } });
  });
});

test('over https the cookie is Secure and bound to the host', async () => {
  await using https = await startConnectDesk({ PUBLIC_URL: 'https://desk.example' });
  const started = await https.run('startSignIn', { integrationId: https.integrationId });
  const link = urlOf(started).replace('https://desk.example', https.app.url);
  const answer = await fetch(link, { redirect: 'manual' });
  expect(answer.headers.get('set-cookie')).toMatch(
    /^__Host-deskgraph-sign-in-[0-9a-f]{16}=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  );
});

describe('The permissions needed for just the features that are on (incremental consent)', () => {
  test.each([
    ['MAIL', ['Mail.ReadWrite', 'User.Read']],
    ['SHARED_MAILBOXES', ['Mail.ReadWrite', 'Mail.ReadWrite.Shared', 'User.Read']],
    ['SENDING', ['Mail.ReadWrite', 'Mail.Send', 'User.Read']],
    [
      'SENDING_SHARED',
      ['Mail.ReadWrite', 'Mail.ReadWrite.Shared', 'Mail.Send', 'Mail.Send.Shared', 'User.Read'],
    ],
    ['DIRECTORY', ['LicenseAssignment.Read.All', 'User.Read', 'User.Read.All']],
  ])('%s asks for its own and no more', async (purpose, expected) => {
    const { microsoftUrl } = await openLink(urlOf(await start({ purpose })));
    const scopes = new URL(microsoftUrl).searchParams.get('scope')?.split(' ') ?? [];
    expect(scopes.filter((name) => name.includes('.')).sort()).toEqual(expected);
  });

  test('an account that signs in for the directory keeps its mail and shared mailboxes, named or not', async () => {
    const { id, emailAddress } = await stage.connect('ada@contoso.example', { purpose: 'SHARED_MAILBOXES' });
    const before = await stage.account(id);
    expect(before.grantedScopes).toEqual(['Mail.ReadWrite', 'Mail.ReadWrite.Shared', 'User.Read']);
    const after = await stage.connect(emailAddress, { purpose: 'DIRECTORY' });
    expect(after.id).toBe(id);
    expect(after.grantedScopes).toEqual(
      [...before.grantedScopes, 'LicenseAssignment.Read.All', 'User.Read.All'].sort(),
    );
    const hinted = await openLink(
      urlOf(await start({ purpose: 'MAIL', loginHint: ` ${emailAddress.toUpperCase()}` })),
    );
    expect(new URL(hinted.microsoftUrl).searchParams.get('scope')).toContain('User.Read.All');
  });

  test('who signs in for the directory alone gets no mailbox', async () => {
    const desk = await stage.app.newDesk();
    const input = { integrationId: await newIntegration(desk), purpose: 'DIRECTORY' };
    const started = await stage.run('startSignIn', input, desk.apiKey);
    expect((await (await answerMicrosoft(urlOf(started), 'ada@contoso.example')).deliver()).status).toBe(200);
    const { mailboxes } = await desk.request<{ mailboxes: { edges: unknown[] } }>(
      '{ mailboxes { edges { node { id } } } }',
    );
    expect(mailboxes.edges).toEqual([]);
  });
});

describe('Every failure is a stable code with a cause and a remedy, on the page and in GraphQL', () => {
  test.each([
    [50020, 'ACCOUNT_NOT_FOUND', 'an account of the tenant'],
    [50053, 'ACCOUNT_DISABLED', 'enable the account'],
    [50057, 'ACCOUNT_DISABLED', 'enable the account'],
    [50076, 'MFA_REQUIRED', 'second step'],
    [50079, 'MFA_REQUIRED', 'second step'],
    [50105, 'APP_NOT_ASSIGNED', 'assign the account'],
    [53000, 'CONDITIONAL_ACCESS', 'Sign-in logs'],
    [53003, 'CONDITIONAL_ACCESS', 'Sign-in logs'],
    [530032, 'CONDITIONAL_ACCESS', 'Sign-in logs'],
  ])('AADSTS%i: %s', async (number, code, remedy) => {
    const address = await stage.person();
    await stage.microsoft('accounts/refuse', { address, code: number, answer: 'app' });
    const started = await start();
    const answer = await (await answerMicrosoft(urlOf(started), address)).deliver();
    expect(answer.status).toBe(400);
    const page = await answer.text();
    expect(page).toContain(code);
    expect(page).toContain(`AADSTS${number}`);
    expect(await attemptOf(started)).toMatchObject({
      status: 'FAILED',
      account: null,
      problem: { code, remedy: expect.stringContaining(remedy), microsoftCode: `AADSTS${number}` },
    });
  });

  test('denied consent', async () => {
    const started = await start();
    const page = await (await answerMicrosoft(urlOf(started), await stage.person(), 'deny')).deliver();
    expect(await page.text()).toContain('CONSENT_DECLINED');
    expect(await attemptOf(started)).toMatchObject({
      status: 'FAILED',
      problem: { code: 'CONSENT_DECLINED' },
    });
  });

  test('admin approval needed', async () => {
    const started = await start({ purpose: 'DIRECTORY' });
    const page = await (await answerMicrosoft(urlOf(started), await stage.person())).deliver();
    expect(await page.text()).toContain('ADMIN_APPROVAL_NEEDED');
    expect(await attemptOf(started)).toMatchObject({
      status: 'FAILED',
      problem: { code: 'ADMIN_APPROVAL_NEEDED', microsoftCode: 'AADSTS90094' },
    });
  });

  test('a refused redemption brings Microsoft’s correlation id', async () => {
    const started = await start();
    const address = await stage.person();
    const answered = await answerMicrosoft(urlOf(started), address);
    await stage.microsoft('accounts/refuse', { address, code: 53003 });
    await answered.deliver();
    expect(await attemptOf(started)).toMatchObject({
      status: 'FAILED',
      problem: {
        code: 'CONDITIONAL_ACCESS',
        microsoftCode: 'AADSTS53003',
        requestId: expect.stringMatching(/^[\w-]{30,}$/),
      },
    });
  });

  test('a closed page, or one on which Microsoft keeps its reason to itself: the sign-in expires', async () => {
    const address = await stage.person();
    await stage.microsoft('accounts/refuse', { address, code: 50105, answer: 'page' });
    const started = await start();
    await expect(answerMicrosoft(urlOf(started), address)).rejects.toThrow('AADSTS50105');
    expect(await attemptOf(started)).toMatchObject({ status: 'PENDING' });
    await expire(started);
    // What the page said Microsoft told the person alone: the usual pages are named.
    expect(await attemptOf(started)).toMatchObject({
      status: 'EXPIRED',
      problem: {
        code: 'SIGN_IN_EXPIRED',
        remedy: expect.stringMatching(/AADSTS50011.*Conditional Access.*startAdminConsent/),
      },
    });
  });

  test('live: signInEnded tells the page that waits', async () => {
    // An organization of its own: how the sign-ins of the tests above ended may still be on its way to a new stream, when
    // a transaction of another test file has held it back.
    const desk = await stage.app.newDesk();
    const input = { integrationId: await newIntegration(desk) };
    const startHere = () => stage.run('startSignIn', input, desk.apiKey);
    const address = await stage.person();
    const [good, bad] = [await startHere(), await startHere()];
    const stream = await subscribeOverSse(
      stage.app.url,
      desk.apiKey,
      'subscription { signInEnded { signInAttempt { id status problem { code } account { emailAddress } } } }',
    );
    await (await answerMicrosoft(urlOf(good), address)).deliver();
    await (await answerMicrosoft(urlOf(bad), address, 'deny')).deliver();
    const told = [await stream.next(), await stream.next()].map((event) => event?.data?.['signInEnded']);
    expect(told).toEqual([
      {
        signInAttempt: {
          id: good.signInAttempt?.id,
          status: 'COMPLETED',
          problem: null,
          account: { emailAddress: address },
        },
      },
      {
        signInAttempt: {
          id: bad.signInAttempt?.id,
          status: 'FAILED',
          problem: { code: 'CONSENT_DECLINED' },
          account: null,
        },
      },
    ]);
  });
});

describe('forbids', () => {
  test('agents, to start a sign-in or to ask about one', async () => {
    const { secret } = await newKey(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(stage.run('startSignIn', { integrationId: stage.integrationId }, secret)).rejects.toThrow(
      /permission/i,
    );
    const started = await start();
    await expect(stage.attempt(started.signInAttempt?.id ?? '', secret)).rejects.toThrow(/permission/i);
  });

  test('another organization, as if nothing existed', async () => {
    const stranger = await stage.app.newDesk('Stranger');
    const theft = await stage.run('startSignIn', { integrationId: stage.integrationId }, stranger.apiKey);
    expect(theft).toMatchObject({ code: 'NOT_FOUND' });
    const started = await start();
    expect(await stage.attempt(started.signInAttempt?.id ?? '', stranger.apiKey)).toBeNull();
  });
});

async function expire(started: Answer): Promise<void> {
  await forkFor(stage.app.database, stage.desk.organizationId).execute(
    'update sign_in_attempt set expires_at = now() where organization_id = ? and id = ?',
    [stage.desk.organizationId, rowId(started.signInAttempt?.id ?? '')],
  );
}

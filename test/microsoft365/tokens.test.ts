import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Account } from '../../src/microsoft365/account.entity.ts';
import type { Microsoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { isThrottling, postponementOf } from '../../src/microsoft365/graph-postpone.ts';
import { Integration } from '../../src/microsoft365/integration.entity.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import { HOUR, MINUTE, SECOND, systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';
import { holdTokens } from './held-tokens.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
  // A lost update of a rotated token shows here: its reuse is refused, which at Entra it is not.
  await settings({ refreshTokenReuse: 'reject' });
});
afterAll(() => stage[Symbol.asyncDispose]());

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});
const settings = (change: Record<string, unknown>) =>
  stage.control('POST', '/tenants/contoso.example/settings', change);
const read = (microsoft365: Microsoft365, access: MailboxAccess) =>
  microsoft365.mail.getFolder(access, 'inbox', signal);

/** A mailbox whose access token is so short-lived that it counts as run out at once; new ones last. */
async function mailboxInNeedOfRefresh(): Promise<MailboxAccess> {
  await settings({ accessTokenSeconds: 200 });
  const { access } = await stage.mailbox();
  await settings({ accessTokenSeconds: null });
  return access;
}

async function accountOf({ organizationId, accountId }: MailboxAccess): Promise<Account> {
  const em = forkFor(stage.database, organizationId);
  return await em.findOneOrFail(Account, { id: accountId }, { populate: ['sealedTokenCache'] });
}

async function statusEvents({ organizationId }: MailboxAccess): Promise<number> {
  const rows = await forkFor(stage.database, organizationId).execute<unknown[]>(
    `select 1 from event where organization_id = ? and type = 'account-status.changed'`,
    [organizationId],
  );
  return rows.length;
}

async function tokenRequests(): Promise<number> {
  const report = (await stage.control('GET', '/requests')) as { operations: Record<string, number> };
  return Object.entries(report.operations)
    .filter(([name]) => name.endsWith('/token'))
    .reduce((sum, [, count]) => sum + count, 0);
}

describe('refreshes', () => {
  test('not as long as the token lasts, also not in a process that has just started', async () => {
    const { access } = await stage.mailbox();
    const before = await tokenRequests();
    await read(stage.microsoft365, access);
    await read(stage.microsoft365, access);
    await read(stage.anotherProcess(), access);
    expect(await tokenRequests()).toBe(before);
  });

  test('a token that runs out, with the rotated refresh token of the time before, again and again', async () => {
    const access = await mailboxInNeedOfRefresh();
    await settings({ accessTokenSeconds: 200 });
    for (let round = 0; round < 4; round += 1) {
      const before = await tokenRequests();
      const { sealedTokenCache } = await accountOf(access);
      await read(round % 2 === 0 ? stage.microsoft365 : stage.anotherProcess(), access);
      expect(await tokenRequests()).toBe(before + 1);
      expect((await accountOf(access)).sealedTokenCache).not.toBe(sealedTokenCache);
    }
    await settings({ accessTokenSeconds: null });
    expect(await accountOf(access)).toMatchObject({ status: 'ACTIVE', problem: null });
  });

  test('a token that has run out by our clock while it was kept in memory', async () => {
    const { access } = await stage.mailbox();
    const before = await tokenRequests();
    stage.clock.advance(2 * HOUR);
    await read(stage.microsoft365, access);
    stage.clock.advance(-2 * HOUR);
    expect(await tokenRequests()).toBe(before + 1);
  });

  test('once, when two processes and many requests need it at the same time', async () => {
    const access = await mailboxInNeedOfRefresh();
    const other = stage.anotherProcess();
    const before = await tokenRequests();
    await Promise.all([1, 2, 3].flatMap(() => [read(stage.microsoft365, access), read(other, access)]));
    expect(await tokenRequests()).toBe(before + 1);
  });

  test('while holding back nobody: a transaction that waits for Microsoft has no id, which would stop every event stream', async () => {
    const access = await mailboxInNeedOfRefresh();
    const held = await holdTokens(stage.emulator.loginUrl);
    const reading = read(stage.anotherProcess({ loginUrl: held.loginUrl }), access);
    await eventually('Microsoft is being asked', () => held.asked() === 1);
    const waiting = await stage.database.em.fork().execute<{ has_id: boolean }[]>(
      `select backend_xid is not null as has_id from pg_stat_activity
        where datname = current_database() and state = 'idle in transaction'`,
    );
    held.letGo();
    await reading;
    // The control: there is such a transaction.
    expect(waiting.length).toBeGreaterThan(0);
    expect(waiting.every(({ has_id }) => !has_id)).toBe(true);
  });

  test('what was forgotten while an account is checked does not come back', async () => {
    const { access } = await stage.mailbox();
    const held = await holdTokens(stage.emulator.loginUrl);
    const { tokens } = stage.anotherProcess({ loginUrl: held.loginUrl });
    const checked = tokens.recheck(access, signal);
    await eventually('Microsoft is being asked', () => held.asked() === 1);
    tokens.forget(access);
    held.letGo();
    await checked;
    const account = await accountOf(access);
    await forkFor(stage.database, access.organizationId).nativeUpdate(
      Account,
      { id: account.id },
      { status: 'DISCONNECTED' },
    );
    await expect(tokens.get(access, signal)).rejects.toMatchObject({ code: 'ACCOUNT_DISCONNECTED' });
  });

  test('once more when Graph refuses a token before its time', async () => {
    const { access } = await stage.mailbox();
    await read(stage.microsoft365, access);
    const before = await tokenRequests();
    await stage.control('POST', '/faults', { status: 401, count: 1, pathPattern: '/mailFolders/inbox\\?' });
    expect(await read(stage.microsoft365, access)).toMatchObject({ wellKnownName: 'inbox' });
    expect(await tokenRequests()).toBe(before + 1);
    expect((await accountOf(access)).status).toBe('ACTIVE');
  });
});

describe('asks for a person', () => {
  test('when the sign-in was revoked: NEEDS_SIGN_IN with a problem, one event, and no further requests', async () => {
    const { access } = await stage.mailbox();
    const events = await statusEvents(access);
    await stage.control('POST', '/tokens/revoke', { address: access.emailAddress, accessTokensToo: true });
    await expect(read(stage.microsoft365, access)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    const requests = await tokenRequests();
    await expect(read(stage.microsoft365, access)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    await expect(read(stage.anotherProcess(), access)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    expect(await tokenRequests()).toBe(requests);
    expect(await accountOf(access)).toMatchObject({
      status: 'NEEDS_SIGN_IN',
      problem: { code: 'TOKEN_REVOKED', microsoftCode: 'AADSTS50173', remedy: expect.any(String) },
    });
    expect(await statusEvents(access)).toBe(events + 1);
  });

  test('and is content again once the account has signed in again', async () => {
    const { access, tenancy } = await stage.mailbox();
    await stage.control('POST', '/tokens/revoke', { address: access.emailAddress, accessTokensToo: true });
    await expect(read(stage.microsoft365, access)).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    await stage.connect(tenancy, access.emailAddress);
    expect(await accountOf(access)).toMatchObject({ status: 'ACTIVE', problem: null });
    expect(await read(stage.microsoft365, access)).toMatchObject({ wellKnownName: 'inbox' });
  });

  test('when consent was taken back: NEEDS_CONSENT', async () => {
    const access = await mailboxInNeedOfRefresh();
    const account = await accountOf(access);
    const { clientId } = await forkFor(stage.database, access.organizationId).findOneOrFail(Integration, {
      id: account.integration.id,
    });
    await stage.control('POST', '/consents/revoke', { clientId, address: access.emailAddress });
    await expect(read(stage.microsoft365, access)).rejects.toMatchObject({ code: 'CONSENT_REQUIRED' });
    expect((await accountOf(access)).status).toBe('NEEDS_CONSENT');
  });

  test('when the client secret is no longer good: CREDENTIAL_EXPIRED, until a good one is entered', async () => {
    const access = await mailboxInNeedOfRefresh();
    const em = forkFor(stage.database, access.organizationId);
    const { id, clientId } = await em.findOneOrFail(Integration, {
      id: (await accountOf(access)).integration.id,
    });
    await stage.control('POST', '/apps', { clientId, secret: 'another-secret-than-ours' });
    await expect(read(stage.microsoft365, access)).rejects.toMatchObject({ code: 'CREDENTIAL_REFUSED' });
    expect((await accountOf(access)).status).toBe('CREDENTIAL_EXPIRED');
    const credential = {
      clientSecret: 'another-secret-than-ours',
      certificate: null,
      credentialExpiresAt: null,
    };
    await stage.microsoft365.rotateCredential(em, id, credential);
    await read(stage.microsoft365, access);
    expect((await accountOf(access)).status).toBe('ACTIVE');
  });

  test('when Graph refuses even a fresh token', async () => {
    const { access } = await stage.mailbox();
    await stage.control('POST', '/faults', { status: 401, mailbox: access.emailAddress });
    onTestFinished(async () => {
      await stage.control('DELETE', '/faults');
    });
    await expect(read(stage.microsoft365, access)).rejects.toMatchObject({ code: 'SIGN_IN_REQUIRED' });
    // Of several requests at once the one that is refused first may not be the one whose token is the latest.
    await eventually('a person is asked for', async () => {
      return (await accountOf(access)).status === 'NEEDS_SIGN_IN';
    });
  });
});

test('many accounts at once leave the database to others, and all get their tokens', async () => {
  const mailboxes: MailboxAccess[] = [];
  for (let index = 0; index < 8; index += 1) mailboxes.push(await mailboxInNeedOfRefresh());
  const held = await holdTokens(stage.emulator.loginUrl);
  const process_ = stage.anotherProcess({ loginUrl: held.loginUrl });
  const reads = Promise.all(mailboxes.map((access) => read(process_, access)));
  const inTransaction = () =>
    forkFor(stage.database, 'none').execute<{ count: number }[]>(
      `select count(*)::int as count from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`,
    );
  await eventually('four ask Microsoft', () => held.asked() === 4);
  let most = (await inTransaction())[0]?.count ?? 0;
  expect(most).toBeGreaterThan(1);
  let isDone = false;
  void reads.finally(() => {
    isDone = true;
  });
  held.letGo();
  while (!isDone) most = Math.max(most, (await inTransaction())[0]?.count ?? 0);
  expect((await reads).every((folder) => folder?.wellKnownName === 'inbox')).toBe(true);
  expect(most).toBeLessThanOrEqual(4);
});

describe('does not ask for a person', () => {
  test.each([
    ['an error of the sign-in service', { status: 503 }],
    ['a connection that breaks', { reset: true }],
  ])('on %s: UNREACHABLE, which heals by itself', async (_name, fault) => {
    const access = await mailboxInNeedOfRefresh();
    const events = await statusEvents(access);
    await stage.control('POST', '/faults', { ...fault, count: 2, pathPattern: '/oauth2/v2.0/token' });
    for (let round = 0; round < 2; round += 1) {
      await expect(read(stage.microsoft365, access)).rejects.toMatchObject({
        code: 'LOGIN_UNAVAILABLE',
        isTransient: true,
      });
    }
    expect(await accountOf(access)).toMatchObject({
      status: 'UNREACHABLE',
      problem: { code: 'LOGIN_UNAVAILABLE' },
    });
    expect(await statusEvents(access)).toBe(events + 1);
    await read(stage.microsoft365, access);
    expect(await accountOf(access)).toMatchObject({ status: 'ACTIVE', problem: null });
    expect(await statusEvents(access)).toBe(events + 2);
  });
});

test('the sign-in service that asks for a pause is left alone until it is over, by every process, and that is no failure', async () => {
  const access = await mailboxInNeedOfRefresh();
  await stage.control('POST', '/faults', {
    status: 429,
    retryAfterSeconds: 600,
    pathPattern: '/oauth2/v2.0/token',
    count: 1,
  });
  const refusal = await read(stage.microsoft365, access).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: 'LOGIN_UNAVAILABLE', message: expect.stringMatching(/slow down/) });
  expect(isThrottling(refusal)).toBe(true);
  expect(postponementOf(refusal)).toBeGreaterThan(9 * MINUTE);
  const { status, problem } = await accountOf(access);
  expect(status).toBe('UNREACHABLE');
  const waits = Date.parse(problem?.retryAt ?? '') - systemClock.now().getTime();
  expect(waits).toBeLessThanOrEqual(10 * MINUTE);
  // The fault is gone: whoever asked would get a token.
  for (const microsoft365 of [stage.microsoft365, stage.anotherProcess()]) {
    await expect(read(microsoft365, access)).rejects.toMatchObject({ code: 'LOGIN_UNAVAILABLE' });
  }
  expect((await accountOf(access)).problem?.retryAt).toBe(problem?.retryAt);
  // The pause is over: so the test need not be quick with what comes before, and need not sit it out.
  const over = new Date(systemClock.now().getTime() - SECOND).toISOString();
  await forkFor(stage.database, access.organizationId).nativeUpdate(
    Account,
    { id: access.accountId },
    { problem: problem ? { ...problem, retryAt: over } : null },
  );
  await read(stage.microsoft365, access);
  expect(await accountOf(access)).toMatchObject({ status: 'ACTIVE', problem: null });
});

test('an account of another organization has no token to give, from the database or from memory', async () => {
  const [mine, foreign] = [await stage.mailbox(), await stage.mailbox()];
  const stolen = { ...foreign.access, organizationId: mine.access.organizationId };
  await read(stage.microsoft365, foreign.access);
  for (const microsoft365 of [stage.microsoft365, stage.anotherProcess()]) {
    await expect(read(microsoft365, stolen)).rejects.toMatchObject({ code: 'SIGN_IN_REQUIRED' });
  }
  expect((await accountOf(foreign.access)).status).toBe('ACTIVE');
});

test("one account's sealed cache does not open as another's", async () => {
  const [one, two] = [await stage.mailbox(), await stage.mailbox()];
  const { sealedTokenCache } = await accountOf(one.access);
  const em = forkFor(stage.database, two.access.organizationId);
  (await em.findOneOrFail(Account, { id: two.access.accountId })).sealedTokenCache = sealedTokenCache;
  await em.flush();
  await expect(read(stage.anotherProcess(), two.access)).rejects.toThrow(/unable to authenticate/i);
  expect((await accountOf(two.access)).status).toBe('ACTIVE');
});

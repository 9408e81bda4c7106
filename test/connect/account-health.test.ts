import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRecheckAccounts } from '../../src/mailboxes/recheck-accounts.jobs.ts';
import { noteAccountSignal } from '../../src/microsoft365/account-status.ts';
import { createMicrosoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { type Clock, MINUTE, systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { signIn as newKey } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { subscribeOverSse } from '../server/harness.ts';
import { control } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type AccountView, type ConnectDesk, startConnectDesk } from './harness.ts';

let stage: ConnectDesk;
beforeAll(async () => {
  // Without the clock: every five minutes it looks again at the accounts that are due, as tests here want to do themselves.
  stage = await startConnectDesk({}, { isScheduled: false });
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const refresh = (accountId: string) => stage.run('refreshAccount', { accountId });
const disconnect = (accountId: string) => stage.run('disconnectAccount', { accountId });
const statusBecomes = (id: string, status: string) =>
  eventually(`the account is ${status}`, async () => {
    const account = await stage.account(id);
    return account.status === status && account;
  });

/** Graph had trouble with the account ten minutes ago, and its wait is over unless it is a longer one. */
async function note(accountId: string, kind: 'THROTTLED' | 'NOT_REACHED', waitMinutes = 5): Promise<void> {
  const then = new Date(systemClock.now().getTime() - 10 * MINUTE);
  const code = kind === 'THROTTLED' ? 'THROTTLED' : 'GRAPH_UNAVAILABLE';
  const problem = { code, message: 'M.', remedy: 'R.', since: then.toISOString() };
  const signal =
    kind === 'THROTTLED'
      ? { kind, problem, milliseconds: waitMinutes * MINUTE }
      : { kind, problem, failures: 3 };
  const reference = { organizationId: stage.desk.organizationId, accountId: rowId(accountId) };
  await noteAccountSignal(stage.app.database, reference, signal, then);
}

/** Another process looks at all accounts that are due, by a clock that is so many minutes ahead. */
async function recheck(minutesAhead: number, accountsPerPage = 1_000): Promise<void> {
  const { database, emulator } = stage.app;
  const clock: Clock = { now: () => new Date(systemClock.now().getTime() + minutesAhead * MINUTE) };
  const logger = createLogger('silent');
  const microsoft365 = createMicrosoft365({
    database,
    secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
    logger,
    clock,
    publicUrl: stage.app.url,
    loginUrl: emulator.loginUrl,
    graphUrl: emulator.graphUrl,
    onConnected: async () => undefined,
  });
  const context = { signal: new AbortController().signal, logger, attempt: 1, isLastAttempt: true };
  await createRecheckAccounts({ database, microsoft365, clock, accountsPerPage }).handle({}, context);
}

/** Everything about an account that takes mail in. */
async function takingMail(): Promise<{ account: AccountView; mailboxId: string }> {
  const account = await stage.connect(await stage.person());
  const mailboxId = await mailboxOf(account.emailAddress);
  await stage.desk.enable(mailboxId);
  return { account, mailboxId };
}

async function mailboxOf(address: string): Promise<string> {
  const { mailboxes } = await stage.desk.request<{
    mailboxes: { edges: { node: { id: string; emailAddress: string } }[] };
  }>('{ mailboxes(first: 100) { edges { node { id emailAddress } } } }');
  return mailboxes.edges.find(({ node }) => node.emailAddress === address)?.node.id ?? '';
}

describe('Account health', () => {
  test.each([
    [50173, 'NEEDS_SIGN_IN', 'TOKEN_REVOKED'],
    [53003, 'NEEDS_SIGN_IN', 'CONDITIONAL_ACCESS'],
    [50105, 'NEEDS_SIGN_IN', 'APP_NOT_ASSIGNED'],
    [50057, 'NEEDS_SIGN_IN', 'ACCOUNT_DISABLED'],
    [50076, 'NEEDS_SIGN_IN', 'MFA_REQUIRED'],
    [65001, 'NEEDS_CONSENT', 'CONSENT_REQUIRED'],
    [7000222, 'CREDENTIAL_EXPIRED', 'CREDENTIAL_REFUSED'],
    [7000215, 'CREDENTIAL_EXPIRED', 'CREDENTIAL_REFUSED'],
    [90033, 'UNREACHABLE', 'LOGIN_UNAVAILABLE'],
  ])('AADSTS%i makes it %s, with everything that support asks for', async (number, status, code) => {
    const { id, emailAddress } = await stage.connect(await stage.person());
    if (number === 50173) await stage.microsoft('tokens/revoke', { address: emailAddress });
    else await stage.microsoft('accounts/refuse', { address: emailAddress, code: number });
    const { account, problem } = await refresh(id);
    expect(account).toMatchObject({ status, problem });
    expect(problem).toMatchObject({
      code,
      microsoftCode: `AADSTS${number}`,
      requestId: expect.stringMatching(/^[\w-]{30,}$/),
      since: expect.stringMatching(/^\d{4}-/),
      remedy: expect.stringMatching(/.{15}/),
    });
    // The same again keeps since when it is.
    expect((await refresh(id)).problem?.since).toBe(problem?.since);
    await stage.microsoft('accounts/refuse', { address: emailAddress, code: null });
    if (number !== 50173)
      expect((await refresh(id)).account).toMatchObject({ status: 'ACTIVE', problem: null });
  });

  test('recovers by itself once the tenant lets the account in again, and is told live', async () => {
    const stream = await subscribeOverSse(
      stage.app.url,
      stage.desk.apiKey,
      'subscription { accountStatusChanged { account { id status problem { code } } } }',
    );
    const { account, mailboxId } = await takingMail();
    // What befell other accounts before may still be on its way to the stream.
    const told = async (): Promise<AccountView> => {
      for (;;) {
        const event = await stream.next();
        if (!event) throw new Error('The stream ended.');
        const one = (event.data?.['accountStatusChanged'] as { account: AccountView } | undefined)?.account;
        if (one?.id === account.id) return one;
      }
    };
    expect((await told()).status).toBe('ACTIVE');
    await stage.microsoft('accounts/refuse', { address: account.emailAddress, code: 53003 });
    await refresh(account.id);
    expect((await stage.desk.sync(mailboxId)).problem).toMatchObject({ code: 'CONDITIONAL_ACCESS' });
    expect((await stage.account(account.id)).status).toBe('NEEDS_SIGN_IN');
    await stage.microsoft('accounts/refuse', { address: account.emailAddress, code: null });
    // Nobody signs in: the next round of polling finds it well.
    expect((await stage.desk.sync(mailboxId)).state).toBe('SUCCEEDED');
    expect(await stage.account(account.id)).toMatchObject({ status: 'ACTIVE', problem: null });
    await told();
    expect((await told()).status).toBe('ACTIVE');
  });

  test('THROTTLED when Microsoft wants to be left alone for long, with until when, and over afterwards', async () => {
    const { account, mailboxId } = await takingMail();
    await stage.microsoft('faults', { status: 429, retryAfterSeconds: 300, mailbox: account.emailAddress });
    expect((await stage.desk.sync(mailboxId)).state).toBe('POSTPONED');
    const throttled = await statusBecomes(account.id, 'THROTTLED');
    expect(throttled.problem).toMatchObject({
      code: 'THROTTLED',
      remedy: expect.stringContaining('tried again'),
    });
    const wait = new Date(throttled.problem?.retryAt ?? 0).getTime() - systemClock.now().getTime();
    expect(wait).toBeGreaterThan(4 * MINUTE);
    // A fresh token says nothing about it, nor does another mailbox that is served meanwhile.
    await refresh(account.id);
    expect((await stage.account(account.id)).status).toBe('THROTTLED');
    await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
  });

  test('THROTTLED ends with the first mail that is read after the wait', async () => {
    const { account, mailboxId } = await takingMail();
    await note(account.id, 'THROTTLED');
    expect((await stage.desk.sync(mailboxId)).state).toBe('SUCCEEDED');
    // The account hears of it after the run has ended.
    expect((await statusBecomes(account.id, 'ACTIVE')).problem).toBeNull();
  });

  test.each(['THROTTLED', 'NOT_REACHED'] as const)(
    'trouble with Graph (%s) of an account that takes no mail in ends with refreshAccount',
    async (kind) => {
      const { id } = await stage.connect(await stage.person());
      await note(id, kind);
      expect(await refresh(id)).toMatchObject({
        account: { status: 'ACTIVE', problem: null },
        problem: null,
      });
    },
  );

  test('an account that takes no mail in is looked at again by itself, and only when it is due', async () => {
    const { id } = await stage.connect(await stage.person());
    await note(id, 'NOT_REACHED');
    // It became so ten minutes ago: after five, ten, twenty minutes and so on it is due.
    await recheck(7);
    expect((await stage.account(id)).status).toBe('UNREACHABLE');
    await recheck(0);
    expect(await stage.account(id)).toMatchObject({ status: 'ACTIVE', problem: null });
  });

  test('however many accounts are not due yet, the one behind them has its turn', async () => {
    const waiting = await stage.connect(await stage.person());
    const due = await stage.connect(await stage.person());
    await note(waiting.id, 'THROTTLED', 60);
    await note(due.id, 'NOT_REACHED');
    await recheck(0, 1);
    expect((await stage.account(waiting.id)).status).toBe('THROTTLED');
    expect(await stage.account(due.id)).toMatchObject({ status: 'ACTIVE', problem: null });
  });

  test('Graph refuses a fresh token: tried again after a while, and well with the first good answer', async () => {
    const { account, mailboxId } = await takingMail();
    await stage.microsoft('faults', { status: 401, mailbox: account.emailAddress });
    expect((await stage.desk.sync(mailboxId)).problem).toMatchObject({ code: 'SIGN_IN_REQUIRED' });
    const refused = await stage.account(account.id);
    expect(refused).toMatchObject({
      status: 'NEEDS_SIGN_IN',
      problem: { code: 'SIGN_IN_REQUIRED', retryAt: expect.any(String) },
    });
    await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
    // Not at once: who keeps asking is throttled.
    expect((await stage.desk.sync(mailboxId)).state).toBe('FAILED');
    await recheck(60);
    expect(await stage.account(account.id)).toMatchObject({ status: 'ACTIVE', problem: null });
    expect((await stage.desk.sync(mailboxId)).state).toBe('SUCCEEDED');
  });

  test('a short wait is not worth a word', async () => {
    const { account, mailboxId } = await takingMail();
    await stage.microsoft('faults', {
      status: 429,
      retryAfterSeconds: 1,
      mailbox: account.emailAddress,
      count: 1,
    });
    await stage.desk.sync(mailboxId);
    expect(await stage.account(account.id)).toMatchObject({ status: 'ACTIVE', problem: null });
  });
});

test('mail goes on when the directory or shared mailboxes were taken back, and says what is left', async () => {
  const account = await stage.connect('ada@contoso.example', { purpose: 'SHARED_MAILBOXES' });
  await stage.connect(account.emailAddress, { purpose: 'DIRECTORY' });
  const revoke = (scopes: string[]) =>
    stage.microsoft('consents/revoke', { clientId: stage.clientId, address: account.emailAddress, scopes });
  await revoke(['User.Read.All']);
  expect((await refresh(account.id)).account).toMatchObject({
    status: 'ACTIVE',
    grantedScopes: ['Mail.ReadWrite', 'Mail.ReadWrite.Shared', 'User.Read'],
  });
  await revoke(['Mail.ReadWrite.Shared']);
  expect((await refresh(account.id)).account).toMatchObject({
    status: 'ACTIVE',
    grantedScopes: ['Mail.ReadWrite', 'User.Read'],
  });
  await revoke(['Mail.ReadWrite']);
  expect((await refresh(account.id)).account).toMatchObject({
    status: 'NEEDS_CONSENT',
    grantedScopes: ['Mail.ReadWrite', 'User.Read'],
    problem: { code: 'CONSENT_REQUIRED', microsoftCode: 'AADSTS65001' },
  });
});

test('mail is received when sending was taken back, and neither costs the other', async () => {
  const account = await stage.connect('ada@contoso.example', { purpose: 'SENDING_SHARED' });
  await stage.connect(account.emailAddress, { purpose: 'DIRECTORY' });
  const revoke = (scopes: string[]) =>
    stage.microsoft('consents/revoke', { clientId: stage.clientId, address: account.emailAddress, scopes });
  await revoke(['User.Read.All']);
  expect((await refresh(account.id)).account).toMatchObject({
    status: 'ACTIVE',
    grantedScopes: ['Mail.ReadWrite', 'Mail.ReadWrite.Shared', 'Mail.Send', 'Mail.Send.Shared', 'User.Read'],
  });
  await revoke(['Mail.Send', 'Mail.Send.Shared']);
  expect((await refresh(account.id)).account).toMatchObject({
    status: 'ACTIVE',
    grantedScopes: ['Mail.ReadWrite', 'Mail.ReadWrite.Shared', 'User.Read'],
  });
});

describe('Refresh', () => {
  test('takes over the name and address, for the mailbox as well, as often as it is asked', async () => {
    const { account, mailboxId } = await takingMail();
    const newAddress = `renamed-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    await stage.microsoft('accounts/rename', {
      address: account.emailAddress,
      newAddress,
      displayName: 'Renamed Person',
    });
    for (let round = 0; round < 2; round += 1) {
      const { account: now, problem } = await refresh(account.id);
      expect(now).toMatchObject({
        emailAddress: newAddress,
        displayName: 'Renamed Person',
        status: 'ACTIVE',
      });
      expect(problem).toBeNull();
    }
    expect(await mailboxOf(newAddress)).toBe(mailboxId);
    expect((await stage.desk.sync(mailboxId)).state).toBe('SUCCEEDED');
  });

  test('says what is wrong with the mailbox of an account that works', async () => {
    const { account } = await takingMail();
    await stage.microsoft('faults', {
      status: 404,
      errorCode: 'MailboxNotEnabledForRESTAPI',
      mailbox: account.emailAddress,
    });
    expect(await refresh(account.id)).toMatchObject({
      account: { status: 'ACTIVE', problem: null },
      problem: { code: 'MAILBOX_NOT_ENABLED', microsoftCode: 'MailboxNotEnabledForRESTAPI' },
    });
  });

  test('forbids agents; other organizations do not find the account', async () => {
    const { id } = await stage.connect(await stage.person());
    const { secret } = await newKey(stage.app.database, stage.desk.organizationId, 'AGENT');
    const stranger = await stage.app.newDesk('Stranger');
    for (const name of ['refreshAccount', 'disconnectAccount']) {
      await expect(stage.run(name, { accountId: id }, secret)).rejects.toThrow(/permission/i);
      expect(await stage.run(name, { accountId: id }, stranger.apiKey)).toMatchObject({ code: 'NOT_FOUND' });
    }
    expect((await stage.account(id)).status).toBe('ACTIVE');
  });
});

describe('Disconnect', () => {
  test('removes the tokens, ends sync and subscriptions, keeps tickets; a second time changes nothing', async () => {
    const { account, mailboxId } = await takingMail();
    await deliver(stage.app.emulator.url, { to: account.emailAddress, subject: 'Stays', text: 'Here.' });
    await stage.desk.sync(mailboxId);
    for (let round = 0; round < 2; round += 1) {
      const answer = await disconnect(account.id);
      expect(answer.account).toMatchObject({
        status: 'DISCONNECTED',
        problem: { code: 'ACCOUNT_DISCONNECTED', remedy: expect.stringContaining('reauthenticate') },
      });
    }
    const { node, tickets } = await stage.desk.request<{
      node: { incoming: { enabled: boolean } };
      tickets: { edges: { node: { subject: string } }[] };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { incoming { enabled } } } tickets { edges { node { subject } } } }`,
      { id: mailboxId },
    );
    expect(node.incoming.enabled).toBe(false);
    expect(tickets.edges.map(({ node: ticket }) => ticket.subject)).toContain('Stays');
    const [row] = await stage.app.database.em
      .fork()
      .execute<{ sealed_token_cache: string }[]>('select sealed_token_cache from account where id = ?', [
        rowId(account.id),
      ]);
    expect(row?.sealed_token_cache).toBe('');
    await expect(stage.desk.sync(mailboxId)).rejects.toThrow();
    expect(await refresh(account.id)).toMatchObject({ code: 'ACCOUNT_DISCONNECTED' });
  });

  test('a tenant that was disconnected comes back with an administrator’s consent', async () => {
    const { createIntegration } = await stage.desk.request<{
      createIntegration: { integration: { id: string; accounts: { edges: { node: { id: string } }[] } } };
    }>(
      `mutation { createIntegration(input: { tenantId: "contoso.example", authorizationMode: APPLICATION,
         clientId: "${crypto.randomUUID()}", clientSecret: "a secret of the test" }) {
           ... on CreateIntegrationPayload { integration { id accounts { edges { node { id } } } } } } }`,
    );
    const { id: integrationId, accounts } = createIntegration.integration;
    const accountId = accounts.edges[0]?.node.id ?? '';
    expect((await disconnect(accountId)).account?.status).toBe('DISCONNECTED');
    expect(await refresh(accountId)).toMatchObject({ code: 'ACCOUNT_DISCONNECTED' });
    const { startAdminConsent } = await stage.desk.request<{
      startAdminConsent: { authorizationUrl: string };
    }>(
      `mutation ($id: ID!) { startAdminConsent(input: { integrationId: $id }) {
         ... on StartAdminConsentPayload { authorizationUrl } } }`,
      { id: integrationId },
    );
    await signInAs(startAdminConsent.authorizationUrl, 'ada@contoso.example');
    expect((await stage.account(accountId)).status).toBe('ACTIVE');
    expect(await refresh(accountId)).toMatchObject({ account: { status: 'ACTIVE' }, problem: null });
  });

  test('signing in again connects it again, with the settings of its mailbox', async () => {
    const { account, mailboxId } = await takingMail();
    await stage.desk.enable(mailboxId, { createTickets: false });
    await disconnect(account.id);
    const { authorizationUrl = '' } = await stage.run('reauthenticate', { accountId: account.id });
    await signInAs(authorizationUrl, account.emailAddress);
    expect(await stage.account(account.id)).toMatchObject({ status: 'ACTIVE', problem: null });
    expect(await mailboxOf(account.emailAddress)).toBe(mailboxId);
    const { node } = await stage.desk.request<{ node: { incoming: Record<string, unknown> } }>(
      'query ($id: ID!) { node(id: $id) { ... on Mailbox { incoming { enabled createTickets intervalMinutes } } } }',
      { id: mailboxId },
    );
    expect(node.incoming).toEqual({ enabled: false, createTickets: false, intervalMinutes: 'MINUTES_60' });
    await stage.desk.enable(mailboxId);
    expect((await stage.desk.sync(mailboxId)).state).toBe('SUCCEEDED');
  });
});

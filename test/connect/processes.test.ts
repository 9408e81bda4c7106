import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMicrosoft365, type Microsoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { watchTokens } from '../../src/microsoft365/token-watch.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createNotifications, type Notifications } from '../../src/platform/notifications.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { rowId } from '../security/filled-desk.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
import { type ConnectDesk, startConnectDesk } from './harness.ts';

/** The server, and two more processes on its database, which share nothing else with it. */
let stage: ConnectDesk;
let others: { microsoft365: Microsoft365; notifications: Notifications }[];
beforeAll(async () => {
  stage = await startConnectDesk();
  others = await Promise.all([anotherProcess(), anotherProcess()]);
});
afterAll(async () => {
  await Promise.all((others ?? []).map(({ notifications }) => notifications.close()));
  await stage?.[Symbol.asyncDispose]();
});

async function anotherProcess() {
  const { app } = stage;
  const logger = createLogger('silent');
  const microsoft365 = createMicrosoft365({
    database: app.database,
    secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
    logger,
    clock: systemClock,
    publicUrl: app.url,
    loginUrl: app.emulator.loginUrl,
    graphUrl: app.emulator.graphUrl,
    onConnected: async () => undefined,
  });
  const notifications = createNotifications({ databaseUrl: app.databaseUrl, logger });
  watchTokens(notifications, microsoft365.tokens);
  await notifications.start();
  return { microsoft365, notifications };
}

const referenceOf = (accountId: string) => ({
  organizationId: stage.desk.organizationId,
  accountId: rowId(accountId),
});

test('Disconnect: no process goes on with a token that it holds in memory', async () => {
  const { id } = await stage.connect(await stage.person());
  const signal = AbortSignal.timeout(SLOW_MACHINE);
  const tokenOf = (one: Microsoft365) => one.tokens.get(referenceOf(id), signal);
  await Promise.all(others.map(({ microsoft365 }) => tokenOf(microsoft365)));
  await stage.run('disconnectAccount', { accountId: id });
  for (const { microsoft365 } of others) {
    await eventually('the token is gone', async () => {
      const outcome = await tokenOf(microsoft365).catch((error: { code: string }) => error.code);
      return outcome === 'ACCOUNT_DISCONNECTED';
    });
  }
});

test('a refresh token that is good once survives three processes that rotate it at the same time', async () => {
  await stage.microsoft('tenants/contoso.example/settings', { refreshTokenReuse: 'reject' });
  const { id } = await stage.connect(await stage.person());
  const signal = AbortSignal.timeout(SLOW_MACHINE);
  const checks = Array.from({ length: 4 }, () => [
    ...others.map(({ microsoft365 }) => microsoft365.tokens.recheck(referenceOf(id), signal)),
    stage.run('refreshAccount', { accountId: id }),
  ]).flat();
  const outcomes = await Promise.allSettled(checks);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
  expect(await stage.account(id)).toMatchObject({ status: 'ACTIVE', problem: null });
  await stage.microsoft('tenants/contoso.example/settings', { refreshTokenReuse: 'allow' });
});

test('disconnected while another process rotates: the tokens stay gone', async () => {
  for (let round = 0; round < 3; round += 1) {
    const { id } = await stage.connect(await stage.person());
    const signal = AbortSignal.timeout(SLOW_MACHINE);
    await Promise.allSettled([
      ...others.map(({ microsoft365 }) => microsoft365.tokens.recheck(referenceOf(id), signal)),
      stage.run('disconnectAccount', { accountId: id }),
    ]);
    expect(await stage.account(id)).toMatchObject({ status: 'DISCONNECTED' });
    const [row] = await stage.app.database.em
      .fork()
      .execute<{ sealed_token_cache: string }[]>('select sealed_token_cache from account where id = ?', [
        rowId(id),
      ]);
    expect(row?.sealed_token_cache).toBe('');
  }
});

// The last one: the other tests use the integration.
test('Delete: every process is told to drop the tokens that it holds', async () => {
  const { id } = await stage.connect(await stage.person());
  const { organizationId, accountId } = referenceOf(id);
  const told: string[] = [];
  const listening = others.map(({ notifications }) =>
    notifications.listen('deskgraph_tokens', {
      onMessage: (payload) => told.push(payload),
      onListening: () => undefined,
    }),
  );
  const { deleteIntegration } = await stage.desk.request<{ deleteIntegration: { __typename: string } }>(
    'mutation ($id: ID!) { deleteIntegration(input: { integrationId: $id }) { __typename } }',
    { id: stage.integrationId },
  );
  expect(deleteIntegration.__typename).toBe('DeleteIntegrationPayload');
  await eventually('both were told', async () => {
    const own = told.filter((payload) => payload === `${organizationId} ${accountId}`);
    return own.length >= others.length;
  });
  for (const stop of listening) stop();
});

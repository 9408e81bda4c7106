import { afterAll, beforeAll, expect, test } from 'vitest';
import { discoverIdentities } from '../../src/mailboxes/discover-identities.ts';
import { createMicrosoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { rowId } from '../security/filled-desk.ts';
import { control } from '../support/app.ts';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type AccessDesk, startAccessDesk } from './access-harness.ts';
import { accountIdOf, addressesAreRead, identitiesOf, runSending } from './sending-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

test('addresses that were read before others were written down change nothing any more, however late they come', async () => {
  const { app, desk } = stage;
  const { mailboxId, address } = await desk.connectMailbox(undefined, { sends: true });
  await addressesAreRead(app, mailboxId);
  const { sending } = createMicrosoft365({
    database: app.database,
    secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
    logger: createLogger('silent'),
    clock: systemClock,
    publicUrl: app.url,
    loginUrl: app.emulator.loginUrl,
    graphUrl: app.emulator.graphUrl,
    onConnected: async () => undefined,
  });
  const hasRead = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  const readAddresses: typeof sending.readAddresses = async (...request) => {
    const read = await sending.readAddresses(...request);
    hasRead.resolve();
    await mayGoOn.promise;
    return read;
  };
  const late = discoverIdentities(
    forkFor(app.database, desk.organizationId),
    { sending: { readAddresses }, signal: AbortSignal.timeout(SLOW_MACHINE), now: systemClock.now() },
    rowId(mailboxId),
  );
  await hasRead.promise;
  // Only now somebody gives the mailbox an alias, and has it read.
  const alias = `alias-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  const proxyAddresses = [`SMTP:${address}`, `smtp:${alias}`];
  await control(app.emulator.url, `mailboxes/${address}`, { proxyAddresses }, 'PATCH');
  await runSending(app, desk, 'refreshAccount', { accountId: await accountIdOf(desk, mailboxId) });
  const known = async () =>
    (await identitiesOf(desk, mailboxId)).identities.map(({ emailAddress, status }) => [
      emailAddress,
      status,
    ]);
  const both = [
    [address, 'ACTIVE'],
    [alias, 'ACTIVE'],
  ];
  expect(await known()).toEqual(both);
  mayGoOn.resolve();
  await late;
  expect(await known()).toEqual(both);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';
import { holdTokens } from './held-tokens.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const NEXT_SECRET = 'the-secret-that-comes-next';

test('a refusal of the old credential, while the new one is being entered, is not held against the account', async () => {
  await stage.control('POST', '/tenants/contoso.example/settings', { accessTokenSeconds: 200 });
  const { access, tenancy } = await stage.mailbox();
  await stage.control('POST', '/tenants/contoso.example/settings', { accessTokenSeconds: null });
  const { id, clientId } = tenancy.integration;
  await stage.control('POST', '/apps', { clientId, secret: NEXT_SECRET });
  // The request with the old secret is on its way for as long as entering the new one takes.
  const held = await holdTokens(stage.emulator.loginUrl);
  const { mail } = stage.anotherProcess({ loginUrl: held.loginUrl });
  const reading = mail.getFolder(access, 'inbox', AbortSignal.timeout(SLOW_MACHINE));
  await eventually('the old secret is on its way', () => held.asked() === 1);
  const em = forkFor(stage.database, access.organizationId);
  await stage.microsoft365.rotateCredential(em, id, {
    clientSecret: NEXT_SECRET,
    certificate: null,
    credentialExpiresAt: null,
  });
  held.letGo();
  expect(await reading).toMatchObject({ wellKnownName: 'inbox' });
  // The control: Microsoft was asked again, since it refused the old one.
  expect(held.asked()).toBe(2);
  const account = await forkFor(stage.database, access.organizationId).findOneOrFail(Account, {
    id: access.accountId,
  });
  expect(account).toMatchObject({ status: 'ACTIVE', problem: null });
});

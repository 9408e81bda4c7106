import { afterAll, beforeAll, expect, test } from 'vitest';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { eventually } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const NEXT_SECRET = 'the-secret-that-comes-next';

async function tokenRequests(): Promise<number> {
  const { operations } = (await stage.control('GET', '/requests')) as { operations: Record<string, number> };
  return Object.entries(operations)
    .filter(([name]) => name.endsWith('/token'))
    .reduce((sum, [, count]) => sum + count, 0);
}

test('a refusal of the old credential, while the new one is being entered, is not held against the account', async () => {
  await stage.control('POST', '/tenants/contoso.example/settings', { accessTokenSeconds: 200 });
  const { access, tenancy } = await stage.mailbox();
  await stage.control('POST', '/tenants/contoso.example/settings', { accessTokenSeconds: null });
  const { id, clientId } = tenancy.integration;
  await stage.control('POST', '/apps', { clientId, secret: NEXT_SECRET });
  // The request with the old secret is on its way for as long as entering the new one takes.
  await stage.control('POST', '/faults', { latencyMs: 1_500, count: 1, pathPattern: '/oauth2/v2.0/token' });
  const before = await tokenRequests();
  const reading = stage.microsoft365.mail.getFolder(access, 'inbox', AbortSignal.timeout(30_000));
  await eventually('the old secret is on its way', async () => (await tokenRequests()) > before);
  const em = forkFor(stage.database, access.organizationId);
  await stage.microsoft365.rotateCredential(em, id, {
    clientSecret: NEXT_SECRET,
    certificate: null,
    credentialExpiresAt: null,
  });
  expect(await reading).toMatchObject({ wellKnownName: 'inbox' });
  const account = await forkFor(stage.database, access.organizationId).findOneOrFail(Account, {
    id: access.accountId,
  });
  expect(account).toMatchObject({ status: 'ACTIVE', problem: null });
});

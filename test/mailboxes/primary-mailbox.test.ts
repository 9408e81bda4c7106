import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { ensurePrimaryMailbox } from '../../src/mailboxes/mailboxes.ts';
import { Account, type AccountStatus } from '../../src/microsoft365/account.entity.ts';
import { Integration } from '../../src/microsoft365/integration.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await cloneDatabase();
});
afterAll(() => db?.[Symbol.asyncDispose]());

const ADDRESS = 'support@contoso.example';
const [HOME, ELSEWHERE] = [crypto.randomUUID(), crypto.randomUUID()];

/** A mailbox that is read through an account of the home tenant, and an account that signs in with its address. */
async function twoAccounts(tenantId: string, status: AccountStatus = 'ACTIVE') {
  const { id: organizationId } = await createTestOrganization(db.database);
  const em = forkFor(db.database, organizationId);
  const organization = em.getReference(Organization, organizationId, { wrapped: true });
  const integration = em.create(Integration, {
    id: uuidv7(),
    organization,
    cloud: 'GLOBAL',
    tenantId: 'organizations',
    clientId: crypto.randomUUID(),
    authorizationMode: 'DELEGATED',
    sealedClientSecret: 'sealed',
  });
  const account = (microsoftTenantId: string, of: AccountStatus) =>
    em.create(Account, {
      id: uuidv7(),
      organization,
      integration,
      homeAccountId: crypto.randomUUID(),
      microsoftUserId: crypto.randomUUID(),
      microsoftTenantId,
      emailAddress: ADDRESS,
      displayName: 'Support',
      status: of,
      grantedScopes: ['Mail.ReadWrite'],
      sealedTokenCache: '',
    });
  const before = account(HOME, status);
  await em.flush();
  const mailbox = await ensurePrimaryMailbox(em, before);
  await em.flush();
  const after = account(tenantId, 'ACTIVE');
  await ensurePrimaryMailbox(em, after);
  await em.flush();
  const fork = forkFor(db.database, organizationId);
  const { account: reader } = await fork.findOneOrFail(Mailbox, { id: mailbox.id });
  return { before, after, reader: reader?.id };
}

test('somebody of another tenant who bears its address does not take over a mailbox that is read', async () => {
  const { before, reader } = await twoAccounts(ELSEWHERE);
  expect(reader).toBe(before.id);
});

test('another account of the same tenant does', async () => {
  const { after, reader } = await twoAccounts(HOME);
  expect(reader).toBe(after.id);
});

test('a mailbox that moved to another tenant goes over once the old account is refused', async () => {
  const { after, reader } = await twoAccounts(ELSEWHERE, 'NEEDS_SIGN_IN');
  expect(reader).toBe(after.id);
});

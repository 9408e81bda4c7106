import { afterEach, beforeEach, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { ApiKey } from '../../src/access/api-key.entity.ts';
import { revokeApiKey } from '../../src/access/api-keys.ts';
import { authenticateApiKey } from '../../src/access/authenticate.ts';
import { Organization } from '../../src/access/organization.entity.ts';
import { createOrganization, ensureFirstOrganization } from '../../src/access/organizations.ts';
import { updateUser } from '../../src/access/users.ts';
import { acrossOrganizations, forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { signIn } from './harness.ts';

const logger = createLogger('silent');
const ADMIN_KEY = 'configured-admin-key-of-32-characters';

// "The first organization" is a property of a whole database, so every test has one of its own.
let own: TestDatabase;
beforeEach(async () => {
  own = await cloneDatabase();
});
afterEach(() => own[Symbol.asyncDispose]());

const ensure = (adminKey: string | null = null) =>
  ensureFirstOrganization(own.database, { adminKey, logger });
const counts = async () => {
  const em = forkAcrossOrganizations(own.database);
  return [await em.count(Organization), await em.count(ApiKey, {}, acrossOrganizations)];
};

test('the first start makes an organization and a key that works; the second start makes nothing', async () => {
  const secret = await ensure();
  if (secret === null) throw new Error('no key');
  expect(await authenticateApiKey(own.database, secret)).toMatchObject({ role: 'OWNER' });
  expect(await ensure()).toBeNull();
  expect(await counts()).toEqual([1, 1]);
});

test('processes that start together make one organization and print one key', async () => {
  const secrets = await Promise.all(Array.from({ length: 5 }, () => ensure()));
  expect(secrets.filter((secret) => secret !== null)).toHaveLength(1);
  expect(await counts()).toEqual([1, 1]);
});

test('a configured key works from the first start on, and is never printed', async () => {
  const results = await Promise.all(Array.from({ length: 3 }, () => ensure(ADMIN_KEY)));
  expect(results).toEqual([null, null, null]);
  expect(await authenticateApiKey(own.database, ADMIN_KEY)).toMatchObject({ role: 'OWNER' });
  expect(await counts()).toEqual([1, 1]);
});

test('a key configured later becomes a key of the first organization, of an OWNER who is enabled', async () => {
  const founder = await authenticateApiKey(own.database, (await ensure()) ?? '');
  if (!founder) throw new Error('refused');
  await createOrganization(forkAcrossOrganizations(own.database), 'Second');
  const { user } = await signIn(own.database, founder.organizationId, 'OWNER');
  const em = forkFor(own.database, founder.organizationId);
  await updateUser(em, { actor: SYSTEM, userId: founder.userId, disabled: true });

  await ensure(ADMIN_KEY);
  await ensure(ADMIN_KEY);
  expect(await authenticateApiKey(own.database, ADMIN_KEY)).toMatchObject({
    organizationId: founder.organizationId,
    userId: user.id,
  });
});

test('a configured key that was revoked stays revoked', async () => {
  await ensure(ADMIN_KEY);
  const session = await authenticateApiKey(own.database, ADMIN_KEY);
  if (!session) throw new Error('refused');
  const em = forkFor(own.database, session.organizationId);
  await revokeApiKey(em, { actor: session, apiKeyId: session.apiKeyId });
  await ensure(ADMIN_KEY);
  expect(await authenticateApiKey(own.database, ADMIN_KEY)).toBeNull();
});

test('a further organization has an OWNER of its own', async () => {
  const em = forkAcrossOrganizations(own.database);
  const { organization, owner, secret } = await createOrganization(em, '  Contoso  ');
  expect(organization.name).toBe('Contoso');
  expect(await authenticateApiKey(own.database, secret)).toMatchObject({
    organizationId: organization.id,
    userId: owner.id,
    role: 'OWNER',
  });
});

test.each(['', ' ', 'x'.repeat(201)])('an organization needs a name: refuses %j', async (name) => {
  await expect(createOrganization(forkAcrossOrganizations(own.database), name)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'name',
  });
  expect(await counts()).toEqual([0, 0]);
});

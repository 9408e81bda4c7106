import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Integration } from '../../src/microsoft365/integration.entity.ts';
import {
  createIntegration,
  getIntegration,
  type NewIntegration,
  openRegistration,
  rotateCredential,
} from '../../src/microsoft365/integrations.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const secretBox = createSecretBox([{ name: 'test', key: Buffer.alloc(32, 1) }]);
const VALID: NewIntegration = {
  cloud: 'GLOBAL',
  tenantId: ' Contoso.Example ',
  clientId: 'AAAAAAAA-0000-4000-8000-000000000001',
  clientSecret: ' s3cret~value ',
  credentialExpiresAt: null,
};

async function create(organizationId: string, change: Partial<NewIntegration> = {}) {
  return await createIntegration(forkFor(own.database, organizationId), secretBox, organizationId, {
    ...VALID,
    ...change,
  });
}

test('makes an integration: ids in lower case, the secret sealed and never in JSON', async () => {
  const { id: organizationId } = await createTestOrganization(own.database);
  const made = await create(organizationId);
  const stored = await getIntegration(forkFor(own.database, organizationId), made.id);
  expect(stored).toMatchObject({ tenantId: 'contoso.example', clientId: VALID.clientId.toLowerCase() });
  expect(stored.sealedClientSecret).not.toContain('s3cret');
  expect(JSON.stringify(stored)).not.toMatch(/s3cret|sealed|v1\.test/);
  expect(openRegistration(secretBox, stored).clientSecret).toBe('s3cret~value');
});

test('a new secret takes the place of the old one; a bad one does not', async () => {
  const { id: organizationId } = await createTestOrganization(own.database);
  const { id } = await create(organizationId);
  const em = () => forkFor(own.database, organizationId);
  const credentialExpiresAt = new Date('2028-01-01T00:00:00Z');
  await rotateCredential(em(), secretBox, id, { clientSecret: 'new~value', credentialExpiresAt });
  await expect(
    rotateCredential(em(), secretBox, id, { clientSecret: ' ', credentialExpiresAt: null }),
  ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'clientSecret' });
  const stored = await getIntegration(em(), id);
  expect(openRegistration(secretBox, stored).clientSecret).toBe('new~value');
  expect(stored.credentialExpiresAt).toEqual(credentialExpiresAt);
});

describe('refuses', () => {
  test.each<[keyof NewIntegration, Partial<NewIntegration>]>([
    ['tenantId', { tenantId: '' }],
    ['tenantId', { tenantId: 'not a tenant' }],
    ['tenantId', { tenantId: 'contoso' }],
    ['tenantId', { tenantId: '../common' }],
    ['tenantId', { tenantId: 'contoso.example/oauth2' }],
    ['clientId', { clientId: 'my app' }],
    ['clientSecret', { clientSecret: '  ' }],
    ['clientSecret', { clientSecret: 'x'.repeat(600) }],
    ['clientSecret', { clientSecret: '12345678-1234-4234-8234-123456789012' }],
    ['cloud', { cloud: 'toString' as 'GLOBAL' }],
  ])('%s in %o', async (field, change) => {
    const { id } = await createTestOrganization(own.database);
    await expect(create(id, change)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
    expect(await forkFor(own.database, id).count(Integration)).toBe(0);
  });

  test('the same app registration twice, also at the same time; another organization may have it', async () => {
    const [one, two] = [
      await createTestOrganization(own.database),
      await createTestOrganization(own.database),
    ];
    const outcomes = await Promise.allSettled([create(one.id), create(one.id), create(one.id)]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(create(one.id)).rejects.toMatchObject({ code: 'INTEGRATION_EXISTS' });
    await create(two.id);
  });

  test("to show another organization's", async () => {
    const [one, two] = [
      await createTestOrganization(own.database),
      await createTestOrganization(own.database),
    ];
    const made = await create(one.id);
    await expect(getIntegration(forkFor(own.database, two.id), made.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

test.each(['common', 'organizations', 'consumers', '11111111-c0a0-4000-8000-000000000000', 'a.b-c.example'])(
  'takes the tenant %s',
  async (tenantId) => {
    const { id } = await createTestOrganization(own.database);
    expect((await create(id, { tenantId })).tenantId).toBe(tenantId);
  },
);

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Integration } from '../../src/microsoft365/integration.entity.ts';
import {
  getIntegration,
  type NewIntegration,
  openRegistration,
} from '../../src/microsoft365/integrations.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createTestOrganization } from '../support/database.ts';
import { CONTOSO, type Stage, secretBox, startStage } from './harness.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const VALID: NewIntegration = {
  cloud: 'GLOBAL',
  authorizationMode: 'DELEGATED',
  tenantId: ' Contoso.Example ',
  clientId: 'AAAAAAAA-0000-4000-8000-000000000001',
  clientSecret: ' s3cret~value ',
  certificate: null,
  credentialExpiresAt: null,
};
const em = (organizationId: string) => forkFor(stage.database, organizationId);

async function create(organizationId: string, change: Partial<NewIntegration> = {}) {
  const input = { ...VALID, ...change };
  return (await stage.microsoft365.createIntegration(em(organizationId), organizationId, input)).integration;
}

test('makes an integration: ids in lower case, the secret sealed and never in JSON', async () => {
  const { id: organizationId } = await createTestOrganization(stage.database);
  const made = await create(organizationId);
  const stored = await getIntegration(em(organizationId), made.id);
  expect(stored).toMatchObject({ tenantId: 'contoso.example', clientId: VALID.clientId.toLowerCase() });
  expect(stored.sealedClientSecret).not.toContain('s3cret');
  expect(JSON.stringify(stored)).not.toMatch(/s3cret|sealed|v1\.test/);
  expect(openRegistration(secretBox, stored).credential).toEqual({
    kind: 'CLIENT_SECRET',
    clientSecret: 's3cret~value',
  });
});

test('a new secret takes the place of the old one; a bad one does not', async () => {
  const { id: organizationId } = await createTestOrganization(stage.database);
  const { id } = await create(organizationId);
  const credentialExpiresAt = new Date('2028-01-01T00:00:00Z');
  const input = { clientSecret: 'new~value', certificate: null, credentialExpiresAt };
  await stage.microsoft365.rotateCredential(em(organizationId), id, input);
  await expect(
    stage.microsoft365.rotateCredential(em(organizationId), id, { ...input, clientSecret: ' ' }),
  ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'clientSecret' });
  const stored = await getIntegration(em(organizationId), id);
  expect(openRegistration(secretBox, stored).credential).toMatchObject({ clientSecret: 'new~value' });
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
    ['authorizationMode', { authorizationMode: 'ROOT' as 'DELEGATED' }],
    ['tenantId', { tenantId: 'organizations', authorizationMode: 'APPLICATION' }],
    ['tenantId', { tenantId: 'common', authorizationMode: 'APPLICATION' }],
    ['tenantId', { tenantId: 'consumers', authorizationMode: 'APPLICATION' }],
    ['tenantId', { tenantId: 'consumers', cloud: 'CHINA' }],
    ['clientSecret', { clientSecret: null }],
    ['credentialExpiresAt', { credentialExpiresAt: new Date('2001-01-01T00:00:00Z') }],
  ])('%s in %o', async (field, change) => {
    const { id } = await createTestOrganization(stage.database);
    await expect(create(id, change)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
    expect(await em(id).count(Integration)).toBe(0);
  });

  test('the same app registration twice, also at the same time; another organization may have it', async () => {
    const [one, two] = [
      await createTestOrganization(stage.database),
      await createTestOrganization(stage.database),
    ];
    const outcomes = await Promise.allSettled([create(one.id), create(one.id), create(one.id)]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(create(one.id)).rejects.toMatchObject({ code: 'INTEGRATION_EXISTS' });
    await create(two.id);
  });

  test("to show another organization's", async () => {
    const [one, two] = [
      await createTestOrganization(stage.database),
      await createTestOrganization(stage.database),
    ];
    const made = await create(one.id);
    await expect(getIntegration(em(two.id), made.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

test.each(['common', 'organizations', 'consumers', '11111111-c0a0-4000-8000-000000000000', CONTOSO])(
  'takes the tenant %s',
  async (tenantId) => {
    const { id } = await createTestOrganization(stage.database);
    expect((await create(id, { tenantId })).tenantId).toBe(tenantId);
  },
);

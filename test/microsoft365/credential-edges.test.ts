import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { asInput, type CredentialsDesk, startCredentialsDesk } from './credentials-harness.ts';

const SECRET = 'the-Secret~of.the-first.days';
const certificate = makeCertificate();
let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  stage = await startCredentialsDesk();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

test('two rotations at the same time, one to a certificate and one to a secret, are one after the other', async () => {
  const clientId = await stage.register({
    secret: SECRET,
    otherSecrets: ['the-Secret~that.came-after'],
    certificates: [certificate.certificate],
  });
  const { integration } = await stage.run('createIntegration', {
    tenantId: 'contoso.example',
    clientId,
    clientSecret: SECRET,
  });
  const integrationId = integration?.id ?? '';
  for (let round = 0; round < 3; round += 1) {
    const answers = await Promise.all([
      stage.run('rotateCredential', { integrationId, clientSecret: 'the-Secret~that.came-after' }),
      stage.run('rotateCredential', { integrationId, certificate: asInput(certificate) }),
      stage.run('rotateCredential', { integrationId, clientSecret: SECRET }),
    ]);
    expect(answers.map(({ __typename }) => __typename)).toEqual(Array(3).fill('RotateCredentialPayload'));
  }
});

test('nobody signs in through an integration in application mode', async () => {
  const clientId = await stage.register({ secret: SECRET, roles: ['Mail.ReadWrite'] });
  const { integration } = await stage.run('createIntegration', {
    tenantId: 'contoso.example',
    authorizationMode: 'APPLICATION',
    clientId,
    clientSecret: SECRET,
  });
  expect(await stage.run('startSignIn', { integrationId: integration?.id })).toMatchObject({
    __typename: 'InvalidInputError',
    remedy: expect.stringContaining('startAdminConsent'),
  });
});

test('a tenant that threw the app out does not keep an app of many tenants from a new credential', async () => {
  await stage.microsoft('tenants', { domain: 'leaving.example' });
  const address = `desk@leaving.example`;
  await stage.microsoft('mailboxes', { address });
  const clientId = crypto.randomUUID();
  const { integration } = await stage.run('createIntegration', {
    tenantId: 'organizations',
    clientId,
    clientSecret: SECRET,
  });
  const integrationId = integration?.id;
  const { authorizationUrl = '' } = await stage.run('startSignIn', { integrationId });
  expect(await stage.visit(authorizationUrl, address)).toMatchObject({ status: 200 });
  // As long as it is known there, the tenant tells whether the credential is good.
  expect(await stage.run('rotateCredential', { integrationId, clientSecret: SECRET })).toMatchObject({
    isCredentialVerified: true,
  });
  await stage.microsoft('tenants/leaving.example/settings', { knownAppsOnly: true });
  expect(
    await stage.run('rotateCredential', { integrationId, clientSecret: 'the-Secret~that.came-after' }),
  ).toMatchObject({ __typename: 'RotateCredentialPayload', isCredentialVerified: false });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { control } from '../support/app.ts';
import { makeCertificate } from '../support/certificate.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { asInput, type CredentialsDesk, startCredentialsDesk } from './credentials-harness.ts';

const SECRET = 'the-Secret~of.the-first.days';
const NEXT_SECRET = 'the-Secret~that.came-after';
const certificate = makeCertificate({ validTo: new Date('2041-05-01T00:00:00Z') });
let stage: CredentialsDesk & AsyncDisposable;
beforeAll(async () => {
  stage = await startCredentialsDesk();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** An integration of Contoso with a mailbox that takes mail in. */
async function connected() {
  const clientId = await stage.register({ secret: SECRET });
  const { integration } = await stage.run('createIntegration', {
    tenantId: 'contoso.example',
    clientId,
    clientSecret: SECRET,
  });
  const integrationId = integration?.id ?? '';
  const address = `desk-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  await stage.microsoft('mailboxes', { address });
  const { authorizationUrl = '' } = await stage.run('startSignIn', { integrationId });
  await stage.visit(authorizationUrl, address);
  const { mailboxes } = await stage.desk.request<{
    mailboxes: { edges: { node: { id: string; emailAddress: string } }[] };
  }>('{ mailboxes(first: 100) { edges { node { id emailAddress } } } }');
  const mailboxId = mailboxes.edges.find(({ node }) => node.emailAddress === address)?.node.id ?? '';
  await stage.desk.enable(mailboxId);
  return { clientId, integrationId, address, mailboxId };
}

const subjects = async () =>
  (
    await stage.desk.request<{ tickets: { edges: { node: { subject: string } }[] } }>(
      '{ tickets(first: 100) { edges { node { subject } } } }',
    )
  ).tickets.edges.map(({ node }) => node.subject);

/** Access tokens run out at once, so that every run needs the credential. */
const tokensLast = (seconds: number | null) =>
  control(stage.app.emulator.url, 'tenants/contoso.example/settings', { accessTokenSeconds: seconds });

describe('rotate the credential in place', () => {
  test('secret → certificate → secret while mail flows: no run fails, nothing is lost', async () => {
    await tokensLast(200);
    const { clientId, integrationId, address, mailboxId } = await connected();
    await stage.register({ certificates: [certificate.certificate], otherSecrets: [NEXT_SECRET] }, clientId);
    let isRotating = true;
    const states: string[] = [];
    const sent: string[] = [];
    const flow = (async () => {
      while (isRotating || sent.length < 6) {
        const subject = `While rotating ${crypto.randomUUID()}`;
        await deliver(stage.app.emulator.url, { to: address, subject, text: 'Hello' });
        sent.push(subject);
        states.push((await stage.desk.sync(mailboxId)).state);
      }
    })();
    const kinds: (string | undefined)[] = [];
    for (const next of [
      { certificate: asInput(certificate) },
      { clientSecret: NEXT_SECRET, credentialExpiresAt: '2040-01-01T00:00:00Z' },
      { certificate: asInput(certificate) },
    ]) {
      const rotated = await stage.run('rotateCredential', { integrationId, ...next });
      expect(rotated).toMatchObject({ isCredentialVerified: true });
      kinds.push(rotated.integration?.credential.kind);
    }
    isRotating = false;
    await flow;
    // The secrets are gone at Microsoft, and only the certificate is left.
    await stage.register({ secret: 'another-one-entirely', otherSecrets: [] }, clientId);
    states.push((await stage.desk.sync(mailboxId)).state);
    await tokensLast(null);
    expect(kinds).toEqual(['CERTIFICATE', 'CLIENT_SECRET', 'CERTIFICATE']);
    expect(new Set(states)).toEqual(new Set(['SUCCEEDED']));
    expect(await subjects()).toEqual(expect.arrayContaining(sent));
  });

  test('is verified first: a refused one changes nothing, and Microsoft out of reach neither', async () => {
    const { integrationId } = await connected();
    const before = await stage.integration(integrationId);
    for (const [input, code] of [
      [{ clientSecret: 'a-mistyped-secret' }, 'SECRET_INVALID'],
      [{ clientSecret: 'expired-secret' }, 'SECRET_EXPIRED'],
      [{ clientSecret: '12345678-1234-4234-8234-123456789012' }, 'INVALID_INPUT'],
      [{}, 'INVALID_INPUT'],
      [{ certificate: { certificate: 'no', privateKey: 'no' } }, 'INVALID_INPUT'],
    ] as const) {
      expect(await stage.run('rotateCredential', { integrationId, ...input })).toMatchObject({ code });
    }
    await stage.register({ certificates: [makeCertificate().certificate] }, await clientIdOf(integrationId));
    expect(
      await stage.run('rotateCredential', { integrationId, certificate: asInput(certificate) }),
    ).toMatchObject({ code: 'CERTIFICATE_REFUSED' });
    await stage.microsoft('faults', { status: 503, count: 1, pathPattern: 'openid-configuration' });
    expect(await stage.run('rotateCredential', { integrationId, clientSecret: SECRET })).toMatchObject({
      code: 'SIGN_IN_UNAVAILABLE',
    });
    expect(await stage.integration(integrationId)).toEqual(before);
  });

  test('the same again is the same', async () => {
    const { integrationId } = await connected();
    for (let round = 0; round < 2; round += 1) {
      expect(await stage.run('rotateCredential', { integrationId, clientSecret: SECRET })).toMatchObject({
        isCredentialVerified: true,
        integration: { id: integrationId, credential: { kind: 'CLIENT_SECRET' } },
      });
    }
  });

  test('an app of many tenants is tried where somebody has signed in', async () => {
    const clientId = await stage.register({ secret: SECRET });
    const { integration } = await stage.run('createIntegration', {
      tenantId: 'organizations',
      clientId,
      clientSecret: SECRET,
    });
    const integrationId = integration?.id ?? '';
    const { authorizationUrl = '' } = await stage.run('startSignIn', { integrationId });
    await stage.visit(authorizationUrl, 'mia@contoso.example');
    const wrong = { integrationId, clientSecret: 'a-mistyped-secret' };
    expect(await stage.run('rotateCredential', wrong)).toMatchObject({ code: 'SECRET_INVALID' });
    expect(await stage.run('rotateCredential', { ...wrong, clientSecret: SECRET })).toMatchObject({
      isCredentialVerified: true,
    });
  });

  test('accounts with CREDENTIAL_EXPIRED heal at once, and catch up with the mail that came', async () => {
    await tokensLast(200);
    const { clientId, integrationId, address, mailboxId } = await connected();
    await stage.register({ secret: NEXT_SECRET }, clientId);
    await deliver(stage.app.emulator.url, { to: address, subject: 'Not lost', text: 'Hello' });
    expect(await stage.desk.sync(mailboxId)).toMatchObject({
      state: 'FAILED',
      problem: { code: 'CREDENTIAL_REFUSED' },
    });
    const statusOf = async () => (await stage.integration(integrationId))?.accounts.edges[0]?.node.status;
    expect(await statusOf()).toBe('CREDENTIAL_EXPIRED');
    await stage.run('rotateCredential', { integrationId, clientSecret: NEXT_SECRET });
    expect(await statusOf()).toBe('ACTIVE');
    // Without anybody running a sync: the next poll would be an hour away.
    await eventually('the mail is a ticket', async () => (await subjects()).includes('Not lost'));
    await tokensLast(null);
  });

  test('is forbidden to agents, and to others the integration does not exist', async () => {
    const { integrationId } = await connected();
    const input = { integrationId, clientSecret: SECRET };
    const agent = await signIn(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(stage.run('rotateCredential', input, agent.secret)).rejects.toThrow(/permission/);
    const stranger = await stage.app.newDesk('Others');
    expect(await stage.run('rotateCredential', input, stranger.apiKey)).toMatchObject({ code: 'NOT_FOUND' });
  });
});

async function clientIdOf(id: string): Promise<string> {
  const { node } = await stage.desk.request<{ node: { clientId: string } }>(
    'query ($id: ID!) { node(id: $id) { ... on Integration { clientId } } }',
    { id },
  );
  return node.clientId;
}

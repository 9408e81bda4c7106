import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { answerMicrosoft } from '../support/browser.ts';
import { makeCertificate } from '../support/certificate.ts';

const pairs = [makeCertificate(), makeCertificate(), makeCertificate({ curve: 'prime256v1' })];
const [first, second, elliptic] = pairs;
/** The lines of the private keys: none of them is anywhere else. */
const keyLines = pairs.flatMap(({ privateKey }) =>
  privateKey.split('\n').filter((line) => line.length > 30 && !line.includes('-----')),
);
const log: string[] = [];
const answers: string[] = [];
let app: TestApp;
let desk: Desk;

beforeAll(async () => {
  app = await startTestApp({}, { logger: createLogger('trace', { write: (line) => void log.push(line) }) });
  desk = await app.newDesk();
  const clientId = crypto.randomUUID();
  await control(app.emulator.url, 'apps', { clientId, certificates: [first?.certificate] });
  const input = { authorizationMode: 'APPLICATION', tenantId: 'contoso.example', clientId };
  const create = (certificate: unknown, change: object = {}) =>
    send('createIntegration', { ...input, certificate, ...change });
  const pairOf = (pair: (typeof pairs)[number] | undefined) => ({
    certificate: pair?.certificate,
    privateKey: pair?.privateKey,
  });
  // Badly, in every way; then well.
  await create({ certificate: second?.certificate, privateKey: first?.privateKey });
  await create({ certificate: first?.privateKey, privateKey: first?.privateKey });
  await create({ certificate: first?.certificate, privateKey: first?.privateKey.replace('MII', 'XXX') });
  await create(pairOf(elliptic));
  await create(pairOf(second));
  await create(pairOf(first), { tenantId: 'nobody.example' });
  await create({ ...pairOf(first), passphrase: 'x' });
  await create(first?.privateKey);
  await control(app.emulator.url, 'faults', { status: 503, count: 1, pathPattern: '/oauth2/v2.0/token' });
  await create(pairOf(first));
  const created = await create(pairOf(first));
  const [, integrationId] = /"integration":\{"id":"([^"]+)"/.exec(created) ?? [];
  expect(integrationId).toBeDefined();
  await send('rotateCredential', { integrationId, certificate: pairOf(second) });
  await control(app.emulator.url, 'apps', {
    clientId,
    certificates: pairs.slice(0, 2).map((pair) => pair.certificate),
  });
  await send('rotateCredential', { integrationId, certificate: pairOf(second) });
  const consent = await send('startAdminConsent', { integrationId }, 'authorizationUrl');
  const [, url = ''] = /"authorizationUrl":"([^"]+)"/.exec(consent) ?? [];
  const page = await (await answerMicrosoft(url, 'ada@contoso.example')).deliver();
  answers.push(await page.text());
  await desk.request('{ integrations { edges { node { id credential { kind thumbprint } } } } }');
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function send(name: string, input: object, selection = 'integration { id }'): Promise<string> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${desk.apiKey}` },
    body: JSON.stringify({
      query: `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
        ... on ${type}Payload { ${selection} } ... on Error { code message remedy } } }`,
      variables: { input },
    }),
  });
  const text = await response.text();
  answers.push(text);
  return text;
}

const leaksIn = (text: string) =>
  keyLines.filter((line) => text.includes(line) || text.includes(line.slice(5, 30)));

test('the search finds a key (a control), and the flows went through', () => {
  expect(leaksIn(first?.privateKey ?? '').length).toBeGreaterThan(10);
  expect(answers.join()).toMatch(/CERTIFICATE_REFUSED/);
  expect(answers.join()).toMatch(/SIGN_IN_UNAVAILABLE/);
  expect(answers.join()).toMatch(/Consent granted/);
  expect(log.length).toBeGreaterThan(10);
});

test('no private key, and no assertion made with one, is in the log at any level', () => {
  expect(leaksIn(log.join(''))).toEqual([]);
  expect(log.join('')).not.toMatch(/client_assertion|eyJ[\w-]{20}/);
});

test('no answer and no page repeats a private key', () => {
  expect(leaksIn(answers.join(''))).toEqual([]);
});

test('no private key lies open in the database', async () => {
  const rows = await forkAcrossOrganizations(app.database).execute<{ text: string }[]>(
    'select row_to_json(integration)::text as text from integration',
  );
  const text = rows.map((row) => row.text).join();
  expect(text).toContain('BEGIN CERTIFICATE');
  expect(text).not.toMatch(/PRIVATE KEY/);
  expect(leaksIn(text)).toEqual([]);
});

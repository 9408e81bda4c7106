import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { cloudToProbe } from '../../src/microsoft365/clock-probe.ts';
import { checkCredential } from '../../src/microsoft365/credential-check.ts';
import { probePublicUrl } from '../../src/microsoft365/public-url-probe.ts';
import {
  checkClock,
  checkKey,
  checkPresence,
  checkScheme,
  type SetupCheck,
} from '../../src/microsoft365/setup-check.ts';
import { createSetupChecks } from '../../src/microsoft365/setup-checks.ts';
import { DAY, HOUR, MINUTE, SECOND, systemClock } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { createLinkSigner } from '../../src/platform/link-signing.ts';
import { signIn } from '../access/harness.ts';
import { control, type Desk, freePort, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';

interface Check {
  name: string;
  result: string;
  cause: string;
  remedy: string | null;
  integration: { id: string } | null;
}

const CHECKS = '{ microsoft365Setup { checks { name result cause remedy integration { id } } } }';
const KEY = Buffer.alloc(32, 7);

let app: TestApp;
let desk: Desk;

beforeAll(async () => {
  const port = await freePort();
  const env = { PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` };
  app = await startTestApp({}, { env });
  desk = await app.newDesk();
});
afterAll(() => app?.[Symbol.asyncDispose]());

async function checksOf(url: string, key: string): Promise<Check[]> {
  const { microsoft365Setup } = await graphqlRequest<{ microsoft365Setup: { checks: Check[] } }>(
    url,
    key,
    CHECKS,
  );
  return microsoft365Setup.checks;
}

/** What another process of the installation finds, configured otherwise or by another clock. */
async function checksWith(
  { PUBLIC_URL = null, loginUrl = app.emulator.loginUrl }: { PUBLIC_URL?: string | null; loginUrl?: string },
  clock = systemClock,
): Promise<Map<string, SetupCheck>> {
  const checks = createSetupChecks(
    {
      publicUrl: PUBLIC_URL,
      overrides: { loginUrl, graphUrl: app.emulator.graphUrl },
      isKeyConfigured: true,
      isProduction: false,
    },
    { links: createLinkSigner([{ name: 'test', key: KEY }]), clock },
  );
  const found = await checks.run(forkFor(app.database, desk.organizationId));
  return new Map(found.map((check) => [check.name, check]));
}

/** A server that is not ours. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const results = (checks: Iterable<Check>) => [...checks].map(({ name, result }) => [name, result]);

test('set-up that is in order passes every check, and says what was found', async () => {
  const checks = await checksOf(app.url, desk.apiKey);
  expect(results(checks)).toEqual([
    ['PUBLIC_URL_SET', 'PASSED'],
    ['PUBLIC_URL_HTTPS', 'PASSED'],
    ['PUBLIC_URL_ANSWERS', 'PASSED'],
    ['CLOCK_SKEW', 'PASSED'],
    ['ENCRYPTION_KEY', 'PASSED'],
  ]);
  for (const { cause, remedy } of checks) {
    expect(cause).toMatch(/\.$/);
    expect(remedy).toBeNull();
  }
});

test('without PUBLIC_URL the first check fails and the ones that need it say so', async () => {
  const checks = await checksWith({});
  expect(checks.get('PUBLIC_URL_SET')).toMatchObject({
    result: 'FAILED',
    remedy: expect.stringContaining('Set PUBLIC_URL'),
  });
  expect(checks.get('PUBLIC_URL_HTTPS')?.result).toBe('UNKNOWN');
  expect(checks.get('PUBLIC_URL_ANSWERS')?.result).toBe('UNKNOWN');
});

test('another process of the installation may answer under PUBLIC_URL, as behind a load balancer', async () => {
  const checks = await checksWith({ PUBLIC_URL: app.url });
  expect(checks.get('PUBLIC_URL_ANSWERS')?.result).toBe('PASSED');
});

test('an installation with other keys under PUBLIC_URL is told from this one', async () => {
  const other = await startTestApp(
    {},
    { env: { DESKGRAPH_ENCRYPTION_KEYS: `other:${Buffer.alloc(32, 8).toString('base64')}` } },
  );
  onTestFinished(() => other[Symbol.asyncDispose]());
  const checks = await checksWith({ PUBLIC_URL: other.url });
  expect(checks.get('PUBLIC_URL_ANSWERS')).toMatchObject({
    result: 'FAILED',
    cause: expect.stringContaining('another server answers (200)'),
    remedy: expect.stringContaining('DESKGRAPH_ENCRYPTION_KEYS'),
  });
});

test('a server that answers everything with 200, or with an old proof, does not pass for ours', async () => {
  const proof = await (await fetch(`${app.url}/setup-check/${'a'.repeat(43)}`)).text();
  for (const body of ['{"status":"ok"}', proof, 'x'.repeat(1_000_000)]) {
    const PUBLIC_URL = await serve((_request, response) => response.end(body));
    const checks = await checksWith({ PUBLIC_URL });
    expect(checks.get('PUBLIC_URL_ANSWERS')).toMatchObject({ result: 'FAILED' });
  }
});

test('a redirect is told and not followed: only PUBLIC_URL is ever asked', async () => {
  let followed = 0;
  const target = await serve((_request, response) => {
    followed += 1;
    response.end();
  });
  const PUBLIC_URL = await serve((request, response) =>
    response.writeHead(302, { location: `${target}${request.url}` }).end(),
  );
  const checks = await checksWith({ PUBLIC_URL });
  expect(checks.get('PUBLIC_URL_ANSWERS')).toMatchObject({
    result: 'FAILED',
    cause: expect.stringContaining('redirects (302)'),
  });
  expect(followed).toBe(0);
});

test('an address where nothing answers, or nobody is known, is told with what the network said', async () => {
  const closed = await checksWith({ PUBLIC_URL: `http://127.0.0.1:${await freePort()}` });
  expect(closed.get('PUBLIC_URL_ANSWERS')).toMatchObject({
    result: 'FAILED',
    cause: expect.stringContaining('the connection was refused (ECONNREFUSED)'),
  });
  const unknown = await checksWith({ PUBLIC_URL: 'https://desk.invalid' });
  expect(unknown.get('PUBLIC_URL_ANSWERS')?.cause).toMatch(
    /Nothing answers under PUBLIC_URL.*\((ENOTFOUND|EAI_AGAIN)\)/,
  );
  expect(unknown.get('PUBLIC_URL_HTTPS')?.result).toBe('PASSED');
});

test('an address that never answers is given up after five seconds', async () => {
  const url = await serve(() => undefined);
  const links = createLinkSigner([{ name: 'test', key: KEY }]);
  const startedAt = performance.now();
  expect(await probePublicUrl(url, links, systemClock)).toEqual({ kind: 'NOTHING', code: 'TIMEOUT' });
  expect(performance.now() - startedAt).toBeLessThan(10 * SECOND);
});

test('who reloads does not make the server call itself each time', async () => {
  let asked = 0;
  const PUBLIC_URL = await serve((_request, response) => {
    asked += 1;
    response.end();
  });
  const config = { PUBLIC_URL };
  await checksWith(config);
  const before = asked;
  expect(before).toBe(1);
  const links = createLinkSigner([{ name: 'test', key: KEY }]);
  const checks = createSetupChecks(
    {
      publicUrl: PUBLIC_URL,
      overrides: { loginUrl: app.emulator.loginUrl, graphUrl: null },
      isKeyConfigured: true,
      isProduction: false,
    },
    { links, clock: systemClock },
  );
  await Promise.all(Array.from({ length: 5 }, () => checks.run(forkFor(app.database, desk.organizationId))));
  expect(asked).toBe(before + 1);
});

test('a path that is not a token of ours gets no proof', async () => {
  for (const path of ['/setup-check/short', `/setup-check/${'!'.repeat(43)}`, '/setup-check']) {
    expect((await fetch(app.url + path)).status).toBe(404);
  }
});

test('a clock that is three minutes wrong is warned of, one of six fails, measured against Microsoft', async () => {
  // Clocks that stand still: half of the time that an answer takes is in the measure.
  const loginUrl = await serve((_request, response) => response.setHeader('date', NOW.toUTCString()).end());
  const off = (milliseconds: number) => ({ now: () => new Date(NOW.getTime() + 500 + milliseconds) });
  const ahead = await checksWith({ loginUrl }, off(3 * MINUTE));
  expect(ahead.get('CLOCK_SKEW')).toMatchObject({
    result: 'WARNING',
    cause: expect.stringContaining('180 s ahead of Microsoft'),
    remedy: expect.stringContaining('NTP'),
  });
  const behind = await checksWith({ loginUrl }, off(-6 * MINUTE));
  expect(behind.get('CLOCK_SKEW')).toMatchObject({
    result: 'FAILED',
    cause: expect.stringContaining('behind'),
  });
});

test('when Microsoft does not answer, the clock is unknown and the rest is checked', async () => {
  const checks = await checksWith({ loginUrl: `http://127.0.0.1:${await freePort()}` });
  expect(checks.get('CLOCK_SKEW')).toMatchObject({
    result: 'UNKNOWN',
    remedy: expect.stringContaining('network'),
  });
  expect(checks.get('ENCRYPTION_KEY')?.result).toBe('PASSED');
});

test.each([
  [0, 'PASSED'],
  [2 * MINUTE - 1, 'PASSED'],
  [2 * MINUTE, 'WARNING'],
  [-2 * MINUTE, 'WARNING'],
  [5 * MINUTE - 1, 'WARNING'],
  [5 * MINUTE, 'FAILED'],
  [-5 * MINUTE, 'FAILED'],
])('a clock %d ms ahead is %s', (skew, result) => {
  expect(checkClock(skew, 'GLOBAL').result).toBe(result);
});

test('the clock is compared in the cloud that the organization uses, and its hosts are named', () => {
  const direct = { loginUrl: null, graphUrl: null };
  expect(cloudToProbe([], direct)).toBe('GLOBAL');
  expect(cloudToProbe(['CHINA'], direct)).toBe('CHINA');
  expect(cloudToProbe(['CHINA', 'GLOBAL'], direct)).toBe('GLOBAL');
  // Beside an emulator of the global cloud alone nobody expects requests for another one.
  expect(cloudToProbe(['CHINA'], { ...direct, loginUrl: 'http://127.0.0.1:4010' })).toBe('GLOBAL');
  expect(checkClock(null, 'CHINA').remedy).toMatch(
    /login\.partner\.microsoftonline\.cn and microsoftgraph\.chinacloudapi\.cn/,
  );
});

const installation = (publicUrl: string | null, emulator: boolean) => ({
  publicUrl,
  overrides: emulator
    ? { loginUrl: 'http://127.0.0.1:4010', graphUrl: 'http://127.0.0.1:4010' }
    : { loginUrl: null, graphUrl: null },
  isKeyConfigured: true,
  isProduction: true,
});

test.each([
  ['https://desk.example', false, 'PASSED'],
  ['http://desk.example', false, 'FAILED'],
  ['http://desk.example', true, 'FAILED'],
  ['http://localhost:4000', true, 'PASSED'],
  ['http://127.0.0.1:4000', true, 'PASSED'],
  ['http://[::1]:4000', true, 'PASSED'],
  ['http://localhost:4000', false, 'WARNING'],
  ['http://localhost.evil.example', true, 'FAILED'],
  [null, true, 'UNKNOWN'],
])('PUBLIC_URL %s (emulator: %s) is %s', (publicUrl, emulator, result) => {
  expect(checkScheme(installation(publicUrl, emulator)).result).toBe(result);
  expect(checkPresence(publicUrl).result).toBe(publicUrl === null ? 'FAILED' : 'PASSED');
});

test.each([
  [true, true, 'PASSED'],
  [true, false, 'PASSED'],
  [false, false, 'PASSED'],
  [false, true, 'WARNING'],
])(
  'an encryption key that is configured (%s) in production (%s) is %s',
  (isKeyConfigured, isProduction, result) => {
    const check = checkKey({ ...installation(null, false), isKeyConfigured, isProduction });
    expect(check.result).toBe(result);
    if (result === 'WARNING') expect(check.remedy).toContain('encryption.key');
  },
);

const NOW = new Date('2026-11-21T12:00:00Z');
const before = (milliseconds: number) => new Date(NOW.getTime() - milliseconds);
const refusal = { message: 'Microsoft does not accept it.', remedy: 'Rotate.' };

test.each([
  ['never tried', { acceptedAt: null }, 'UNKNOWN', 'not been asked'],
  ['just accepted', { acceptedAt: before(1) }, 'PASSED', 'less than a minute ago'],
  ['accepted an hour ago', { acceptedAt: before(HOUR) }, 'PASSED', '1 hour ago'],
  ['not used for long', { acceptedAt: before(9 * DAY), isInUse: false }, 'PASSED', '9 days ago'],
  ['in use, and not asked for long', { acceptedAt: before(3 * DAY) }, 'WARNING', '3 days ago'],
  ['refused', { acceptedAt: before(5 * MINUTE), refusal }, 'FAILED', 'Microsoft does not accept it.'],
  ['expired', { acceptedAt: before(5 * MINUTE), expiresAt: before(1) }, 'FAILED', 'has expired'],
])('a credential that was %s', (_what, facts, result, cause) => {
  const all = { expiresAt: null, isInUse: true, refusal: null, ...facts };
  const check = checkCredential(all, NOW);
  expect(check.result).toBe(result);
  expect(check.cause).toContain(cause);
  if (result !== 'PASSED') expect(check.remedy).not.toBeNull();
});

test('each integration says when Microsoft last accepted its credential, to its own organization alone', async () => {
  const own = await app.newDesk();
  await own.connectMailbox();
  const { integrations } = await own.request<{
    integrations: { edges: { node: { id: string; clientId: string } }[] };
  }>('{ integrations { edges { node { id clientId } } } }');
  const integration = integrations.edges[0]?.node;
  const credentialOf = async () =>
    (await checksOf(app.url, own.apiKey)).filter(({ name }) => name === 'CREDENTIAL_ACCEPTED');
  expect(await credentialOf()).toMatchObject([
    { result: 'PASSED', cause: expect.stringContaining('accepted'), integration: { id: integration?.id } },
  ]);
  expect((await checksOf(app.url, desk.apiKey)).map(({ name }) => name)).not.toContain('CREDENTIAL_ACCEPTED');

  await control(app.emulator.url, 'apps', {
    clientId: integration?.clientId,
    secret: 'another secret since',
  });
  await control(app.emulator.url, 'clock', { advanceSeconds: 3 * 3600 });
  const { mailboxes } = await own.request<{ mailboxes: { edges: { node: { id: string } }[] } }>(
    '{ mailboxes { edges { node { id } } } }',
  );
  const mailboxId = mailboxes.edges[0]?.node.id ?? '';
  // Looking for its folders takes a new token, which Microsoft refuses.
  await expect(own.enable(mailboxId)).rejects.toThrow('does not accept');
  expect(await credentialOf()).toMatchObject([
    { result: 'FAILED', remedy: expect.stringContaining('rotateCredential') },
  ]);
});

test('an agent may not look: the checks tell about the installation', async () => {
  const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
  await expect(checksOf(app.url, secret)).rejects.toThrow(/role|permission/i);
});

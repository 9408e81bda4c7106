import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { answerMicrosoft } from '../support/browser.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type FilledDesk, fillDesk } from './filled-desk.ts';
import { handshake, plain, rawRequest, statusOf } from './raw-request.ts';

/*
 * What a page of somebody else's can make a browser do. Requests carry the key all the same: as if a browser held it, which
 * is the worst case.
 */

const LISTED = 'https://spa.example';
let app: TestApp;
let filled: FilledDesk;
beforeAll(async () => {
  app = await startTestApp({}, { env: { DESKGRAPH_CORS_ORIGINS: LISTED } });
  filled = await fillDesk(app, 'Ours');
});
afterAll(() => app?.[Symbol.asyncDispose]());

const authorization = () => `Bearer ${filled.desk.apiKey}`;
const NOTE = 'mutation ($id: ID!) { addNote(input: { ticketId: $id, text: "forged" }) { __typename } }';

async function notes(): Promise<number> {
  const { ticket } = await filled.desk.request<{ ticket: { messages: { edges: unknown[] } } }>(
    'query ($id: ID!) { ticket(id: $id) { messages(first: 100) { edges { node { id } } } } }',
    { id: filled.ids.Ticket },
  );
  return ticket.messages.edges.length;
}

const body = () => JSON.stringify({ query: NOTE, variables: { id: filled.ids.Ticket } });
const form = () => new URLSearchParams({ query: NOTE, variables: JSON.stringify({ id: filled.ids.Ticket }) });

/** Requests that a browser sends to other origins without asking first (Fetch standard, "simple"). */
const SIMPLE: [string, () => RequestInit & { path?: string }][] = [
  ['text/plain', () => ({ method: 'POST', headers: { 'content-type': 'text/plain' }, body: body() })],
  [
    'a text/plain that names JSON',
    () => ({ method: 'POST', headers: { 'content-type': 'text/plain; a=application/json' }, body: body() }),
  ],
  ['no content type', () => ({ method: 'POST', body: new Blob([body()]) })],
  ['an URL-encoded form', () => ({ method: 'POST', body: form() })],
  ['a multipart form', () => ({ method: 'POST', body: multipart() })],
  ['GET', () => ({ method: 'GET', path: `?${form()}` })],
  ['HEAD', () => ({ method: 'HEAD', path: `?${form()}` })],
  [
    'GET as GraphQL response',
    () => ({ method: 'GET', path: `?${form()}`, headers: { accept: 'application/graphql-response+json' } }),
  ],
  [
    'GET as event stream',
    () => ({ method: 'GET', path: `?${form()}`, headers: { accept: 'text/event-stream' } }),
  ],
];

function multipart(): FormData {
  const data = new FormData();
  data.set('operations', body());
  data.set('map', '{}');
  return data;
}

test.each(SIMPLE)('a simple request changes nothing: %s', async (_, request) => {
  const before = await notes();
  const { path = '', headers, ...init } = request();
  const response = await fetch(`${app.url}/graphql${path}`, {
    ...init,
    headers: { ...(headers as Record<string, string>), authorization: authorization() },
  });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
  expect(await notes()).toBe(before);
});

test.each([
  ['https://evil.example', 'cross-site'],
  ['null', 'cross-site'],
  ['https://evil.example', undefined],
  ['http://localhost.evil.example', undefined],
  [`${LISTED}.evil.example`, undefined],
  [undefined, 'same-site'],
])('a page of origin %s (%s) changes nothing, with JSON or over a WebSocket', async (origin, site) => {
  const before = await notes();
  const headers = { ...(origin && { origin }), ...(site && { 'sec-fetch-site': site }) };
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: authorization(), ...headers },
    body: body(),
  });
  expect(response.status).toBe(403);
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
  expect(await notes()).toBe(before);
  expect(statusOf(await rawRequest(app.url, handshake('/graphql', headers)))).toBe(403);
});

test('a program and a listed origin may open a WebSocket (a control)', async () => {
  expect(statusOf(await rawRequest(app.url, handshake('/graphql')))).toBe(101);
  expect(statusOf(await rawRequest(app.url, handshake('/graphql', { Origin: LISTED })))).toBe(101);
});

const ROUTES = [
  '/livez',
  '/readyz',
  '/metrics',
  '/graphql',
  '/nothing',
  '/attachments/x',
  '/uploads/x',
  '/api/integrations/microsoft365/callback',
  '/api/integrations/microsoft365/sign-in/x',
  '/api/integrations/microsoft365/admin-consent/x',
  '/setup-check/x',
  '/webhooks/microsoft-graph',
  '/webhooks/microsoft-graph/lifecycle',
];

test.each(ROUTES)('%s is closed to pages of other origins', async (path) => {
  for (const method of ['GET', 'OPTIONS']) {
    const { headers } = await fetch(app.url + path, {
      method,
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  }
  const { headers } = await fetch(app.url + path, { headers: { origin: LISTED } });
  expect(headers.get('access-control-allow-origin')).toBe(LISTED);
  expect(headers.get('access-control-allow-credentials')).toBeNull();
});

test.each(ROUTES)('%s carries the headers that keep browsers from harm', async (path) => {
  for (const accept of ['*/*', 'text/html']) {
    const { headers } = await fetch(app.url + path, { headers: { accept } });
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
    expect(headers.get('set-cookie')).toBeNull();
    expect(headers.get('server')).toBeNull();
  }
});

const ELSEWHERE = [
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  ' //evil.example',
  'https:evil.example',
  'https://evil.example',
  'HTTPS://evil.example',
  'javascript:alert(1)',
  'data:text/html,x',
  '//user@evil.example',
  '/.//evil.example',
  '/..//evil.example',
  '/%2e%2e//evil.example',
  '/\u0000/evil.example',
  '/a\r\nSet-Cookie: a=b',
  '@evil.example',
  '.evil.example',
  '',
];

test.each(ELSEWHERE)('a sign-in never ends elsewhere: returnTo %j', async (returnTo) => {
  const { startSignIn } = await filled.desk.request<{
    startSignIn: { authorizationUrl?: string; code?: string };
  }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
       ... on StartSignInPayload { authorizationUrl } ... on Error { code } } }`,
    { input: { integrationId: filled.ids.Integration, returnTo } },
  );
  if (!startSignIn.authorizationUrl) return expect(startSignIn.code).toBe('INVALID_INPUT');
  const address = `back-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  await control(app.emulator.url, 'mailboxes', { address });
  const response = await (await answerMicrosoft(startSignIn.authorizationUrl, address)).deliver();
  const location = response.headers.get('location');
  // As a browser reads it, which is what counts.
  if (location !== null) expect(new URL(location, app.url).origin).toBe(new URL(app.url).origin);
  else expect(response.status).toBe(200);
  // Its own cookie is taken back, and no other is set.
  expect(response.headers.get('set-cookie')).toMatch(/^deskgraph-sign-in-[0-9a-f]{16}=; Max-Age=0; Path=\/$/);
});

test('the page of a callback repeats nothing of its query', async () => {
  const vectors = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    '</title><svg onload=alert(1)>',
  ];
  for (const vector of vectors) {
    for (const name of ['state', 'code', 'error', 'error_description', 'error_uri', vector]) {
      const query = new URLSearchParams({
        [name]: vector,
        error: name === 'error' ? vector : 'access_denied',
      });
      const response = await fetch(`${app.url}/api/integrations/microsoft365/callback?${query}`);
      const text = await response.text();
      expect(response.status).toBe(400);
      expect(text).not.toContain(vector);
      expect(text).not.toMatch(/onerror|onload|<script|<svg|<img/i);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  }
});

test('a host of the caller’s choosing gets into no address', async () => {
  const evil = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', Authorization: authorization() };
  const query = encodeURIComponent(
    '{ microsoft365Setup { redirectUri } tickets { edges { node { messages { edges { node { attachments { downloadUrl } } } } } } } }',
  );
  const answer = await rawRequest(app.url, plain(`/graphql?query=${query}`, evil));
  expect(statusOf(answer)).toBe(200);
  expect(answer).not.toContain('evil.example');
  expect(await rawRequest(app.url, plain('/graphql', { ...evil, Accept: 'text/html' }))).not.toContain(
    'evil.example',
  );
});

const FILE_NAMES = [
  'a\r\nSet-Cookie: a=b.txt',
  'a"; filename="evil.html',
  '../../../etc/passwd',
  '..\\..\\windows\\system.ini',
  'a\u202Etxt.exe',
  '<script>alert(1)</script>.html',
  "x''UTF-8''y%0d%0aX-Evil: 1",
  '\u0000.txt',
  'con.txt',
  '💥'.repeat(200),
  'a'.repeat(5000),
];

test('a file is always a download, whatever its name and type say', async () => {
  const { mailboxId, address } = await filled.desk.connectMailbox();
  await filled.desk.enable(mailboxId);
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Files',
    attachments: FILE_NAMES.map((name) => ({
      name,
      contentType: 'text/html; x="',
      contentBytes: Buffer.from('<script>alert(1)</script>').toString('base64'),
    })),
  });
  await filled.desk.sync(mailboxId);
  const attachments = await eventually('the files are stored', async () => {
    const { tickets } = await filled.desk.request<{
      tickets: {
        edges: { node: { subject: string; messages: { edges: { node: { attachments: Stored[] } }[] } } }[];
      };
    }>(`{ tickets { edges { node { subject messages { edges { node { attachments {
        id name contentType state downloadUrl } } } } } } } }`);
    const found = tickets.edges.find(({ node }) => node.subject === 'Files')?.node.messages.edges[0]?.node
      .attachments;
    return found?.length === FILE_NAMES.length && found.every(({ state }) => state === 'STORED') && found;
  });
  for (const { id, name, contentType } of attachments) {
    expect(name).not.toMatch(/[\p{Cc}/\\<>:"|?*\u202E]/u);
    expect(contentType).not.toMatch(/\s/);
    const response = await fetch(`${app.url}/attachments/${id}`, {
      headers: { authorization: authorization() },
    });
    const { headers } = response;
    expect(response.status).toBe(200);
    expect(headers.get('content-disposition')).toMatch(
      /^attachment; filename="[^"\\]*"; filename\*=UTF-8''[\w.!#$&+^`|~%-]*$/,
    );
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('x-evil')).toBeNull();
    expect(headers.get('set-cookie')).toBeNull();
  }
});

interface Stored {
  id: string;
  name: string;
  contentType: string;
  state: string;
}

import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { signIn } from '../access/harness.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { type Answered, answerMicrosoft } from '../support/browser.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { send } from './filled-desk.ts';
import { type Overheard, overhear } from './overheard.ts';
import { openSocket } from './socket.ts';

const CLIENT_SECRET = 'Client~Secret.Of.The.Test-0123456789';
const ROTATED_SECRET = 'Rotated~Secret.Of.The.Test-987654321';

let app: TestApp;
let desk: Desk;
let overheard: Overheard;
let agentKey: string;
let deltaTokens: string[];
const log: string[] = [];
/** Codes and states, which may stand in the one address that is made for them and nowhere else. */
const urls: string[] = [];

beforeAll(async () => {
  app = await startTestApp({}, { logger: createLogger('trace', { write: (line) => void log.push(line) }) });
  overheard = overhear(app.url);
  desk = await app.newDesk();
  agentKey = (await signIn(app.database, desk.organizationId, 'AGENT')).secret;
  await liveThroughEverything();
});
afterAll(async () => {
  overheard?.[Symbol.dispose]();
  await app?.[Symbol.asyncDispose]();
});

const operation = (document: string, variables: Record<string, unknown> = {}) =>
  send(app.url, { document }, variables, `Bearer ${desk.apiKey}`);

/** Every flow that handles secrets, well and badly. */
async function liveThroughEverything(): Promise<void> {
  const clientId = crypto.randomUUID();
  const create = `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) { __typename
    ... on CreateIntegrationPayload { integration { id tenantId clientId } } ... on Error { code message remedy } } }`;
  const input = { tenantId: 'organizations', clientId, clientSecret: CLIENT_SECRET };
  const created = await desk.request<{ createIntegration: { integration: { id: string } } }>(create, {
    input,
  });
  const { integration } = created.createIntegration;
  await operation(create, { input });
  await operation(create, { input: { ...input, tenantId: 'no tenant' } });
  await operation(create, { input: { ...input, clientSecret: CLIENT_SECRET.repeat(20) } });
  await operation(create, { input: { ...input, unknown: 1 } });
  await operation(create, { input: { clientId, clientSecret: CLIENT_SECRET } });
  await operation(create, { input: { ...input, clientSecret: { value: CLIENT_SECRET } } });
  await operation(create, { input: [CLIENT_SECRET] });
  await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${desk.apiKey}` },
    body: `{"query": "mutation", "variables": {"clientSecret": ${CLIENT_SECRET}`,
  });
  for (const path of ['/graphql', '/attachments/x', '/nothing'])
    await fetch(`${app.url}${path}`, { headers: { authorization: `Bearer ${agentKey}x` } });

  // Signing in: well, twice with the same answer, refused, with a secret that Microsoft does not accept, without Microsoft.
  const address = 'secrets@contoso.example';
  await control(app.emulator.url, 'mailboxes', { address });
  const back = await microsoftAnswers(integration.id, address, 'accept');
  await back.deliver();
  await back.deliver();
  await (await microsoftAnswers(integration.id, address, 'cancel')).deliver();
  await control(app.emulator.url, 'apps', { clientId, secret: ROTATED_SECRET });
  await (await microsoftAnswers(integration.id, address, 'accept')).deliver();
  const fault = { status: 503, pathPattern: '/oauth2/v2.0/token', count: 1 };
  await control(app.emulator.url, 'faults', fault);
  await (await microsoftAnswers(integration.id, address, 'accept')).deliver();
  await operation(
    `mutation ($input: RotateCredentialInput!) { rotateCredential(input: $input) { __typename } }`,
    { input: { integrationId: integration.id, clientSecret: ROTATED_SECRET } },
  );
  await (await microsoftAnswers(integration.id, address, 'accept')).deliver();

  // Mail, live over both transports; then Graph fails, and then Microsoft refuses to refresh.
  const { mailboxes } = await desk.request<{ mailboxes: { edges: { node: { id: string } }[] } }>(
    '{ mailboxes { edges { node { id } } } }',
  );
  const mailboxId = mailboxes.edges[0]?.node.id ?? '';
  await desk.enable(mailboxId);
  await deliver(app.emulator.url, { to: address, subject: 'Hello', text: 'Hello' });
  await desk.sync(mailboxId);
  await operation('subscription { ticketCreated(after: "MC4w") { cursor ticket { id } } }');
  const socket = openSocket(
    app.url,
    desk.apiKey,
    'subscription { ticketCreated(after: "MC4w") { cursor ticket { id subject } } }',
    {},
  );
  overheard.answers.push(JSON.stringify(await socket.results.next()));
  socket.close();
  await control(app.emulator.url, 'faults', { status: 500, pathPattern: '/messages/delta', count: 1 });
  await desk.sync(mailboxId);
  deltaTokens = (await rows('sync_state')).flatMap((row) =>
    [...String(row['cursor']).matchAll(/token=([^&]+)/g)].map(([, token]) => token ?? ''),
  );
  await control(app.emulator.url, 'tokens/revoke', { address, accessTokensToo: true });
  const refused = await desk.sync(mailboxId);
  expect(refused).toMatchObject({ state: 'FAILED', problem: { code: 'TOKEN_REVOKED' } });
  await eventually('the account says that it needs a sign-in', async () => {
    const { integrations } = await desk.request<{
      integrations: { edges: { node: { accounts: { edges: { node: { status: string } }[] } } }[] };
    }>(`{ integrations { edges { node { id accounts { edges { node {
        status problem { code message remedy } } } } } } } }`);
    return integrations.edges[0]?.node.accounts.edges[0]?.node.status === 'NEEDS_SIGN_IN';
  });
  await operation('{ inboundMessages { edges { node { id subject explanation } } } viewer { user { id } } }');
  await fetch(`${app.url}/metrics`);
}

/** Goes to Microsoft's page and decides; gives the address that the browser is sent back to. */
async function microsoftAnswers(integrationId: string, address: string, decision: string): Promise<Answered> {
  const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
       ... on StartSignInPayload { authorizationUrl } } }`,
    { input: { integrationId } },
  );
  const { authorizationUrl } = startSignIn;
  const answered = await answerMicrosoft(authorizationUrl, address, decision);
  // The answer of the link is made to carry the state: what is looked for is whether anything else does.
  overheard.answers.pop();
  urls.push(authorizationUrl, answered.microsoftUrl, answered.location);
  return answered;
}

async function rows(table: string): Promise<Record<string, unknown>[]> {
  return forkAcrossOrganizations(app.database).execute(`select * from ${table}`);
}

/** The whole database as text; what is stored as bytes stands there in hexadecimal. */
async function databaseText(): Promise<string> {
  const tables = await forkAcrossOrganizations(app.database).execute<{ name: string }[]>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const found = await forkAcrossOrganizations(app.database).execute<{ text: string }[]>(
      `select row_to_json(it)::text as text from ${name} as it`,
    );
    texts.push(...found.map(({ text }) => `${name} ${text}`));
  }
  return texts.join('\n');
}

/** Everything that must appear nowhere, by what it is. */
function allSecrets(): [what: string, secret: string][] {
  const found: [string, string][] = [
    ['client secret', CLIENT_SECRET],
    ['client secret', ROTATED_SECRET],
    ['API key', desk.apiKey],
    ['API key', agentKey],
  ];
  for (const url of urls) {
    for (const name of ['code', 'state', 'nonce']) {
      const value = new URL(url).searchParams.get(name);
      if (value) found.push([name, value]);
    }
  }
  for (const [name, values] of overheard.secrets) for (const value of values) found.push([name, value]);
  return found;
}

/** A secret as it is, and in the spellings in which it could hide. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('hex'),
    // Base64 of what stands in the middle of something longer differs in its ends.
    bytes.toString('base64').slice(4, -8),
  ];
}

/** The secrets that occur in `text`. */
function leaksIn(text: string): string[] {
  return allSecrets().flatMap(([what, secret]) =>
    spellings(secret).some((spelling) => spelling.length >= 8 && text.includes(spelling))
      ? [`${what}: ${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 40)}`]
      : [],
  );
}

test('the flows brought secrets of every kind, and a log (a control)', () => {
  const kinds = new Set(allSecrets().map(([what]) => what));
  for (const kind of [
    'access_token',
    'refresh_token',
    'id_token',
    'client_secret',
    'code',
    'code_verifier',
  ]) {
    expect([...kinds]).toContain(kind);
  }
  expect([...kinds]).toContain('state');
  expect(deltaTokens.length).toBeGreaterThan(0);
  expect(log.length).toBeGreaterThan(50);
  expect(leaksIn(`x ${CLIENT_SECRET} x`)).toHaveLength(2);
});

test('no secret is in the log, at any level', () => {
  for (const line of log) expect(leaksIn(line)).toEqual([]);
});

test('no delta link is in the log: it reads mail for whoever has a token', () => {
  const text = log.join('');
  for (const token of deltaTokens) expect(text).not.toContain(token);
});

test('no answer of the server repeats a secret', () => {
  for (const answer of overheard.answers) expect(leaksIn(answer)).toEqual([]);
});

test('no secret lies open in the database', async () => {
  expect(leaksIn(await databaseText())).toEqual([]);
});

test('what is sealed names its key and opens nowhere else', async () => {
  const [integration] = await rows('integration');
  const [account] = await rows('account');
  for (const sealed of [integration?.['sealed_client_secret'], account?.['sealed_token_cache']]) {
    expect(sealed).toMatch(/^\S*test\S*/);
  }
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_CATALOGUE } from '../../src/graphql/error-catalogue.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { signIn } from '../access/harness.ts';
import { producerOf } from '../microsoft365/catalogue-producers.ts';
import { type CatalogueStage, startCatalogueStage } from '../microsoft365/catalogue-stage.ts';
import { control, freePort } from '../support/app.ts';
import { makeCertificate } from '../support/certificate.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type Overheard, overhear } from './overheard.ts';

const ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64');
const STORAGE_KEY_ID = 'AKIA-KEY-OF-THE-BUCKET-0123';
const STORAGE_SECRET = 'Storage/Secret+That.Nobody.Sees-0123456789';
const CLIENT_SECRET = 'Client~Secret.That.Nobody.Sees-0123456789';

let stage: CatalogueStage;
let overheard: Overheard;
let newKey = '';
let answerWithKey = '';
const { certificate, privateKey } = makeCertificate();
const log: string[] = [];
const failed: string[] = [];

beforeAll(async () => {
  // Nobody answers there: errors are where a key could slip out.
  stage = await startCatalogueStage(createLogger('trace', { write: (line) => void log.push(line) }), {
    DESKGRAPH_S3_BUCKET: 'files',
    DESKGRAPH_S3_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    DESKGRAPH_S3_ACCESS_KEY_ID: STORAGE_KEY_ID,
    DESKGRAPH_S3_SECRET_ACCESS_KEY: STORAGE_SECRET,
    DESKGRAPH_S3_FORCE_PATH_STYLE: 'true',
  });
  overheard = overhear(stage.app.url);
  await liveThroughEverything();
}, 300_000);
afterAll(async () => {
  overheard?.[Symbol.dispose]();
  await stage?.[Symbol.asyncDispose]();
});

/** Every flow with a secret in it, and every failure of the catalogue. */
async function liveThroughEverything(): Promise<void> {
  const { emulator } = stage.app;
  const desk = stage.desk.desk;
  // A credential of each kind, taken, refused and replaced.
  const clientId = crypto.randomUUID();
  await control(emulator.url, 'apps', { clientId, certificates: [certificate] });
  const byCertificate = { clientId, clientSecret: null, certificate: { certificate, privateKey } };
  await stage.register(byCertificate);
  await stage.register({ ...byCertificate, clientId: crypto.randomUUID(), authorizationMode: 'APPLICATION' });
  const { integration } = await stage.register({ clientSecret: CLIENT_SECRET });
  await stage.ask(
    'mutation ($input: RotateCredentialInput!) { rotateCredential(input: $input) { __typename ... on Error { message } } }',
    { input: { integrationId: integration?.id, certificate: { certificate, privateKey } } },
  );
  await stage.signIn();
  await stage.signIn({ decision: 'deny' });

  // Mail that is announced with the client state, and fetched with tokens that were renewed.
  const { mailboxId, address } = await stage.mailbox();
  await desk.enable(mailboxId);
  await eventually('Microsoft has subscribed', async () => subscriptionSecrets().length > 0);
  await control(emulator.url, 'tokens/expire', { address });
  await deliver(emulator.url, {
    to: address,
    subject: 'Announced',
    text: 'Hello',
    attachments: [{ name: 'a.txt', contentBytes: Buffer.from('file').toString('base64') }],
  });
  await eventually('the mail is announced', async () =>
    log.some((line) => line.includes('/webhooks/microsoft-graph')),
  );
  await desk.sync(mailboxId);

  // A key that is shown once.
  const { user } = await signIn(stage.app.database, desk.organizationId, 'AGENT');
  const created = (await stage.ask(
    `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
       ... on CreateApiKeyPayload { secret } ... on Error { message } } }`,
    { input: { userId: encodeGlobalId('User', user.id), name: 'shown once' } },
  )) as unknown as { secret: string };
  newKey = created.secret;
  // Not simply the last one: what Microsoft announces is answered in between.
  const index = overheard.answers.findIndex((answer) => answer.includes(newKey));
  [answerWithKey = ''] = overheard.answers.splice(index, 1);
  await fetch(`${stage.app.url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${newKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ viewer { user { id } } }' }),
  });

  for (const row of ERROR_CATALOGUE) {
    const produce = producerOf(row);
    // What is no answer of Microsoft brings no secret with it; that each row happens somewhere is a test of the catalogue.
    if (produce === null) continue;
    const shown = await produce(stage, row.microsoftCodes[0] ?? '');
    if (shown?.code !== row.code) failed.push(`${row.area} ${row.code}`);
    await stage.fault();
  }
  await stage.ask('{ microsoft365Setup { redirectUri checks { name result cause remedy } } }', {});
  await fetch(`${stage.app.url}/metrics`);
  await fetch(`http://127.0.0.1:${await freePort()}`).catch(() => undefined);
}

/** The client states that went to Microsoft. */
function subscriptionSecrets(): string[] {
  return [...(overheard.secrets.get('clientState') ?? [])];
}

/** Everything that must appear nowhere, by what it is. */
function allSecrets(): [what: string, secret: string][] {
  const keyLines = privateKey.split('\n').filter((line) => line.length > 40);
  const found: [string, string][] = [
    ['client secret', CLIENT_SECRET],
    ['client secret', 'a secret of the test'],
    ['API key', stage.desk.desk.apiKey],
    ['API key', newKey],
    ['encryption key', ENCRYPTION_KEY],
    ['storage key', STORAGE_KEY_ID],
    ['storage key', STORAGE_SECRET],
    ...keyLines.map((line): [string, string] => ['private key', line]),
  ];
  for (const [name, values] of overheard.secrets) for (const value of values) found.push([name, value]);
  return found;
}

/** The kinds of secrets that occur in `text`, in any of the spellings in which one could hide. */
function leaksIn(text: string, secrets = spelledOut()): string[] {
  return secrets.filter(([, spelling]) => text.includes(spelling)).map(([what]) => what);
}

function spelledOut(without: readonly string[] = []): [string, string][] {
  return allSecrets()
    .filter(([what]) => !without.includes(what))
    .flatMap(([what, secret]) =>
      [
        ...new Set([
          secret,
          encodeURIComponent(secret),
          JSON.stringify(secret).slice(1, -1),
          Buffer.from(secret).toString('hex'),
          // In the middle of something longer its ends differ.
          Buffer.from(secret).toString('base64').slice(4, -8),
        ]),
      ]
        .filter((spelling) => spelling.length >= 8)
        .map((spelling): [string, string] => [what, spelling]),
    );
}

test('secrets of every kind were in play, every failure of the catalogue happened, and all was listened to (a control)', () => {
  const kinds = new Set(allSecrets().map(([what]) => what));
  for (const kind of [
    'client secret',
    'private key',
    'access_token',
    'refresh_token',
    'code',
    'code_verifier',
    'client_assertion',
    'clientState',
    'API key',
    'encryption key',
  ]) {
    expect([...kinds]).toContain(kind);
  }
  expect(failed).toEqual([]);
  expect(log.some((line) => /storage|bucket/i.test(line))).toBe(true);
  expect(log.length).toBeGreaterThan(200);
  expect(overheard.answers.length).toBeGreaterThan(100);
});

test('a secret that is planted is found, in the log and in an answer (a control)', () => {
  const [token = ''] = overheard.secrets.get('refresh_token') ?? [];
  const line: string[] = [];
  createLogger('trace', { write: (text) => void line.push(text) }).info({ planted: `x${token}y` }, 'planted');
  expect(leaksIn(line.join(''))).toContain('refresh_token');
  expect(leaksIn(`{"url":"https://x/?t=${encodeURIComponent(CLIENT_SECRET)}"}`)).toContain('client secret');
  expect(leaksIn(`{"cause":"signed with ${STORAGE_SECRET}"}`)).toEqual(['storage key']);
  expect(leaksIn(answerWithKey)).toEqual(['API key']);
});

test('no secret is in the log, at any level', () => {
  const secrets = spelledOut();
  for (const line of log) expect({ leaks: leaksIn(line, secrets), line }).toEqual({ leaks: [], line });
});

test('no answer shows a secret, but the one that makes an API key', () => {
  // The state has to go to Microsoft through the browser, in the one redirect that is made for it.
  const secrets = spelledOut(['state']);
  for (const answer of overheard.answers) {
    expect({ leaks: leaksIn(answer, secrets), answer }).toEqual({ leaks: [], answer });
  }
});

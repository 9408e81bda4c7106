import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createReseal } from '../../src/jobs/reseal.jobs.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { EncryptionKeyError } from '../../src/platform/key-check.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { countSealedValues, resealBatch } from '../../src/platform/sealed-values.ts';
import { createSecretBox, parseEncryptionKeys } from '../../src/platform/secrets.ts';
import { sealedColumns } from '../../src/sealed-columns.ts';
import { control, createDesk, type Desk, freePort, startTestApp, type TestApp } from '../support/app.ts';
import { makeCertificate } from '../support/certificate.ts';
import { overheard } from '../support/secret-watch.ts';
import { eventually } from '../support/wait.ts';

const OLD = `test:${Buffer.alloc(32, 7).toString('base64')}`;
const NEW = `2026-11:${randomBytes(32).toString('base64')}`;

let first: TestApp;
let publicUrl: string;
let desk: Desk;
let mailbox: { mailboxId: string; address: string };

/** Something sealed in every column: a person's account, a tenant's by certificate, a sign-in under way, a subscription, an upload. */
beforeAll(async () => {
  const port = await freePort();
  publicUrl = `http://127.0.0.1:${port}`;
  const env = { PORT: String(port), PUBLIC_URL: publicUrl, DESKGRAPH_ROLES: 'api' };
  first = await startTestApp({}, { env });
  await using _worker = await startWith(OLD);
  desk = await first.newDesk();
  mailbox = await desk.connectMailbox();
  await desk.enable(mailbox.mailboxId);
  const clientId = crypto.randomUUID();
  const { certificate, privateKey } = makeCertificate();
  await control(first.emulator.url, 'apps', { clientId, certificates: [certificate] });
  const created = await desk.request<{
    createIntegration: { integration?: { id: string }; message?: string };
  }>(
    `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
       ... on CreateIntegrationPayload { integration { id } } ... on Error { message } } }`,
    { input: { tenantId: 'contoso.example', clientId, certificate: { certificate, privateKey } } },
  );
  const integrationId = created.createIntegration.integration?.id;
  expect(created.createIntegration.message).toBeUndefined();
  await desk.request(`mutation ($input: StartSignInInput!) { startSignIn(input: $input) { __typename } }`, {
    input: { integrationId },
  });
  await eventually('a subscription is made', async () => {
    const [row] = await forkAcrossOrganizations(first.database).execute<{ count: number }[]>(
      `select count(*)::int as count from push_subscription where state = 'ACTIVE'`,
    );
    return row?.count === 1;
  });
  await sealUpload();
});
afterAll(() => first?.[Symbol.asyncDispose]());

/** A file of a mail that was being uploaded: whoever has the address may upload. */
async function sealUpload(): Promise<void> {
  const em = forkAcrossOrganizations(first.database);
  const id = crypto.randomUUID();
  await em.execute(
    `with mail as (
       insert into outbound_message (id, organization_id, kind, state, lane, mailbox_id, identity_id, from_correspondent,
         reply_to_correspondents, to_correspondents, cc_correspondents, bcc_correspondents, recipient_count, subject,
         body_text, internet_references, due_at, created_at, updated_at)
       select gen_random_uuid(), organization_id, 'TEST', 'CANCELLED', 'BULKY', mailbox_id, id, '{}', '[]', '[]', '[]',
         '[]', 1, '', '', '{}', now(), now(), now() from identity limit 1
       returning id, organization_id)
     insert into outbound_file_upload (id, organization_id, outbound_message_id, attachment_id, graph_message_id,
       sealed_upload_url, expires_at, created_at, updated_at)
     select ?::uuid, organization_id, id, gen_random_uuid(), 'draft', ?, now(), now(), now() from mail`,
    [
      id,
      createSecretBox(parseEncryptionKeys(OLD)).seal('https://upload.example', `outbound-file-upload:${id}`),
    ],
  );
}

/** A process on the same database, with these keys; with the role of workers alone unless it is asked. */
async function startWith(keys: string, roles = 'worker', log: string[] = []): Promise<App> {
  const { databaseUrl, emulator } = first;
  const config = readConfig({
    PORT: String(await freePort()),
    DATABASE_URL: databaseUrl,
    DESKGRAPH_ENCRYPTION_KEYS: keys,
    DESKGRAPH_ROLES: roles,
    PUBLIC_URL: publicUrl,
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
  });
  return await createApp(config, overheard(createLogger('info', { write: (line) => void log.push(line) })));
}

/** How many values each key seals, by column. */
async function keysInUse(): Promise<Map<string, Record<string, number>>> {
  const found = new Map<string, Record<string, number>>();
  for (const column of sealedColumns) {
    const uses = await countSealedValues(forkAcrossOrganizations(first.database), column);
    found.set(
      `${column.table}.${column.column}`,
      Object.fromEntries(uses.map(({ key, count }) => [key, count])),
    );
  }
  return found;
}

async function allAreUnder(key: string): Promise<boolean> {
  const uses = [...(await keysInUse()).values()];
  return uses.every((of) => Object.keys(of).join() === key);
}

test('every column named sealed_… is in the list of sealed columns', async () => {
  const found = await forkAcrossOrganizations(first.database).execute<{ name: string }[]>(
    `select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'public' and column_name like 'sealed%'`,
  );
  const columns = found.map(({ name }) => name);
  expect(columns.sort()).toEqual(sealedColumns.map(({ table, column }) => `${table}.${column}`).sort());
});

test('every sealed column holds something at first, under the first key (a control)', async () => {
  for (const [column, uses] of await keysInUse()) {
    expect({ column, keys: Object.keys(uses) }).toEqual({ column, keys: ['test'] });
  }
});

test('a start without a key that is in use is refused, and says which key and what to do', async () => {
  const refusal = await startWith(NEW).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(EncryptionKeyError);
  expect(refusal).toMatchObject({
    code: 'ENCRYPTION_KEY_MISSING',
    message: expect.stringContaining('"test"'),
    remedy: expect.stringContaining('DESKGRAPH_ENCRYPTION_KEYS behind the first'),
  });
  expect(String(refusal)).not.toContain(NEW.split(':')[1]);
});

test('what nobody will open again keeps no process from starting: a sign-in that is over, and a subscription that was replaced', async () => {
  const em = forkAcrossOrganizations(first.database);
  const lost = `v1.lost.${randomBytes(60).toString('base64url')}`;
  const [attempt] = await em.execute<{ id: string; sealed: string }[]>(
    `select id, sealed_secrets as sealed from sign_in_attempt where used_at is null limit 1`,
  );
  const [subscription] = await em.execute<{ id: string; sealed: string }[]>(
    `select id, sealed_client_state as sealed from push_subscription limit 1`,
  );
  const seal = async (sealed: string | undefined, ended: string) => {
    await em.execute(
      `update sign_in_attempt set sealed_secrets = ?, expires_at = now() ${ended} where id = ?`,
      [sealed ?? attempt?.sealed, attempt?.id],
    );
    await em.execute(
      `update push_subscription set sealed_client_state = ?, replaced_at = ${ended === '' ? 'now()' : 'null'} where id = ?`,
      [sealed ?? subscription?.sealed, subscription?.id],
    );
  };
  await seal(lost, "+ interval '9 minutes'");
  await expect(startWith(OLD)).rejects.toMatchObject({
    code: 'ENCRYPTION_KEY_MISSING',
    message: expect.stringMatching(/^2 stored secrets .*"lost"/),
  });
  await seal(lost, '');
  await using _started = await startWith(OLD);
  await seal(undefined, "+ interval '9 minutes'");
});

test('a start with another key under a name that is in use is refused: it would open nothing', async () => {
  await expect(startWith(`test:${randomBytes(32).toString('base64')}`)).rejects.toMatchObject({
    code: 'ENCRYPTION_KEY_WRONG',
    message: expect.stringContaining('"test"'),
  });
});

test('a value that somebody replaced while it was sealed anew keeps what they wrote', async () => {
  const column = sealedColumns.find(({ column }) => column === 'sealed_token_cache');
  if (!column) throw new Error('The column is gone.');
  const keys = [NEW, OLD].map((entry) => ({
    name: entry.split(':')[0] ?? '',
    key: Buffer.from(entry.split(':')[1] ?? '', 'base64'),
  }));
  const em = forkAcrossOrganizations(first.database);
  const [row] = await em.execute<{ id: string; kept: string }[]>(
    'select id, sealed_token_cache as kept from account limit 1',
  );
  const between = createSecretBox(keys.slice(1)).seal('fresher', `account:${row?.id}`);
  const execute = em.execute.bind(em);
  let statements = 0;
  vi.spyOn(em, 'execute').mockImplementation(async (...args) => {
    statements += 1;
    if (statements === 2) {
      const other = forkAcrossOrganizations(first.database);
      await other.execute('update account set sealed_token_cache = ? where id = ?', [between, row?.id]);
    }
    return (await execute(...args)) as never;
  });
  const batch = await resealBatch(em, createSecretBox(keys), column, { after: null, limit: 1 });
  expect(batch).toMatchObject({ found: 1, resealed: 0, unreadableIds: [] });
  expect(await execute('select sealed_token_cache as kept from account where id = ?', [row?.id])).toEqual([
    { kept: between },
  ]);
  await execute('update account set sealed_token_cache = ? where id = ?', [row?.kept, row?.id]);
});

test('two processes with a new first key seal everything anew by themselves, and then the old key is not needed', async () => {
  const log: string[] = [];
  await using one = await startWith(`${NEW},${OLD}`, 'api,worker', log);
  await using other = await startWith(`${NEW},${OLD}`, 'worker', log);
  await eventually('everything is under the new key', () => allAreUnder('2026-11'));
  expect(log.join('')).toContain('sealed secrets anew');
  for (const line of log) expect(line).not.toContain(NEW.split(':')[1]);
  const metrics = await (await fetch(`${one.url}/metrics`)).text();
  expect(metrics).toMatch(/deskgraph_sealed_values\{key="test"\} 0/);
  expect(metrics).toMatch(/deskgraph_sealed_values\{key="2026-11"\} [1-9]/);

  await one[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await using alone = await startWith(NEW, 'api,worker');
  // Expired at Microsoft: the next sync has to refresh, with what was sealed anew.
  await control(first.emulator.url, 'clock', { advanceSeconds: 3 * 3600 });
  const next = createDesk(alone.url ?? '', first.emulator, desk.organizationId, desk.apiKey);
  await expect(next.sync(mailbox.mailboxId)).resolves.toMatchObject({ state: 'SUCCEEDED' });
});

test('sealing anew again changes nothing, and what cannot be opened is told and left', async () => {
  const log: string[] = [];
  const secretBox = createSecretBox(parseEncryptionKeys(`${NEW},${OLD}`));
  const job = createReseal({ database: first.database, secretBox, columns: sealedColumns });
  const em = forkAcrossOrganizations(first.database);
  const before = await em.execute('select id, sealed_client_secret from integration order by id');
  const damaged = `v1.test.${randomBytes(60).toString('base64url')}`;
  const [attempt] = await em.execute<{ id: string }[]>(
    'update sign_in_attempt set sealed_secrets = ? where id = (select min(id::text)::uuid from sign_in_attempt) returning id',
    [damaged],
  );
  const logger = createLogger('info', { write: (line) => void log.push(line) });
  const { signal } = new AbortController();
  await job.handle({}, { signal, logger, attempt: 1, isLastAttempt: false });
  expect(log.find((line) => line.includes('cannot be opened'))).toContain(attempt?.id);
  expect(await em.execute('select id, sealed_client_secret from integration order by id')).toEqual(before);
});

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError, PROCESS_ROLES, readConfig } from '../src/config.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

function faultsOf(source: Record<string, string>): string {
  try {
    readConfig(source);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('The configuration was accepted.');
}

const DEFAULTS = {
  port: 4000,
  host: '127.0.0.1',
  publicUrl: null,
  databaseUrl: null,
  dataDirectory: resolve('.data'),
  encryptionKeys: null,
  adminKey: null,
  roles: new Set(PROCESS_ROLES),
  microsoftLoginUrl: null,
  microsoftGraphUrl: null,
  corsOrigins: [],
  s3: null,
  attachmentLimits: { maxFileBytes: 150 * 2 ** 20, maxMessageBytes: 300 * 2 ** 20, maxAttachments: 200 },
  isProduction: false,
  logLevel: 'info',
};

test('an empty environment is a good one', () => {
  expect(readConfig({})).toEqual(DEFAULTS);
});

test('an empty variable counts as absent, for every variable there is', () => {
  expect(readConfig(Object.fromEntries(variablesOfConfig().map((name) => [name, ''])))).toEqual(DEFAULTS);
});

test('variables of others do not matter', () => {
  expect(readConfig({ PATH: '/bin', EDITOR: 'ed' })).toEqual(DEFAULTS);
});

test('every variable arrives where it belongs', () => {
  const config = readConfig({
    PORT: '8080',
    HOST: '0.0.0.0',
    PUBLIC_URL: 'https://desk.example/',
    DATABASE_URL: 'postgresql://desk:pw@db.example/desk',
    DESKGRAPH_DATA_DIR: '/var/lib/deskgraph',
    DESKGRAPH_ENCRYPTION_KEYS: `new:${key(1)},old:${key(2)}`,
    DESKGRAPH_ADMIN_KEY: 'x'.repeat(32),
    DESKGRAPH_ROLES: ' worker ',
    MICROSOFT_LOGIN_URL: 'http://127.0.0.1:5000/login//',
    MICROSOFT_GRAPH_URL: 'http://127.0.0.1:5000/graph',
    DESKGRAPH_CORS_ORIGINS: 'https://one.example, https://two.example:8443',
    DESKGRAPH_S3_BUCKET: 'desk.files-1',
    DESKGRAPH_S3_ENDPOINT: 'https://storage.example/',
    DESKGRAPH_S3_REGION: 'eu-central-1',
    DESKGRAPH_S3_ACCESS_KEY_ID: 'id',
    DESKGRAPH_S3_SECRET_ACCESS_KEY: 'secret',
    DESKGRAPH_S3_FORCE_PATH_STYLE: 'true',
    DESKGRAPH_MAX_ATTACHMENT_MB: '1',
    DESKGRAPH_MAX_MESSAGE_MB: '2',
    DESKGRAPH_MAX_ATTACHMENTS: '3',
    NODE_ENV: 'production',
    LOG_LEVEL: 'debug',
  });
  expect(config).toEqual({
    port: 8080,
    host: '0.0.0.0',
    publicUrl: 'https://desk.example',
    databaseUrl: 'postgresql://desk:pw@db.example/desk',
    dataDirectory: '/var/lib/deskgraph',
    encryptionKeys: [
      { name: 'new', key: Buffer.alloc(32, 1) },
      { name: 'old', key: Buffer.alloc(32, 2) },
    ],
    adminKey: 'x'.repeat(32),
    roles: new Set(['worker']),
    microsoftLoginUrl: 'http://127.0.0.1:5000/login',
    microsoftGraphUrl: 'http://127.0.0.1:5000/graph',
    corsOrigins: ['https://one.example', 'https://two.example:8443'],
    s3: {
      bucket: 'desk.files-1',
      endpoint: 'https://storage.example',
      region: 'eu-central-1',
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
      forcePathStyle: true,
    },
    attachmentLimits: { maxFileBytes: 2 ** 20, maxMessageBytes: 2 * 2 ** 20, maxAttachments: 3 },
    isProduction: true,
    logLevel: 'debug',
  });
});

const FAULTY = {
  PORT: 'many',
  PUBLIC_URL: 'ftp://desk.example',
  DATABASE_URL: 'mysql://user:hunter2@db.example/desk',
  DESKGRAPH_ENCRYPTION_KEYS: `a:${key(1)},b:${Buffer.from('only this long').toString('base64')}`,
  DESKGRAPH_ADMIN_KEY: 'too-short-admin-key',
  DESKGRAPH_ROLES: 'api,cook',
  MICROSOFT_LOGIN_URL: 'login',
  MICROSOFT_GRAPH_URL: 'graph',
  DESKGRAPH_CORS_ORIGINS: 'https://one.example,anything',
  DESKGRAPH_S3_BUCKET: 'No Bucket',
  DESKGRAPH_MAX_ATTACHMENTS: '0',
  LOG_LEVEL: 'loud',
};

test('every fault is told at once, a line each, with the name of its variable', () => {
  const lines = faultsOf(FAULTY).split('\n').slice(1);
  expect(lines.map((line) => /^ {2}- (\w+): ./.exec(line)?.[1])).toEqual(Object.keys(FAULTY));
});

test.each([
  [
    { DESKGRAPH_S3_ENDPOINT: 'https://storage.example' },
    'DESKGRAPH_S3_BUCKET: is missing, but DESKGRAPH_S3_ENDPOINT',
  ],
  [{ DESKGRAPH_S3_BUCKET: 'files' }, 'DESKGRAPH_S3_REGION: is missing'],
  [
    { DESKGRAPH_S3_BUCKET: 'files', DESKGRAPH_S3_REGION: 'eu-1', DESKGRAPH_S3_ACCESS_KEY_ID: 'id' },
    'DESKGRAPH_S3_SECRET_ACCESS_KEY: is missing',
  ],
  [
    { DESKGRAPH_S3_BUCKET: 'files', DESKGRAPH_S3_REGION: 'eu-1', DESKGRAPH_S3_SECRET_ACCESS_KEY: 'hush' },
    'DESKGRAPH_S3_ACCESS_KEY_ID: is missing',
  ],
])('half of a bucket is a fault: %j', (source, message) => {
  expect(faultsOf(source)).toContain(message);
  expect(faultsOf(source)).not.toContain('hush');
});

test('a bucket needs no keys where the machine has a role', () => {
  const { s3 } = readConfig({ DESKGRAPH_S3_BUCKET: 'files', DESKGRAPH_S3_REGION: 'eu-1' });
  expect(s3).toMatchObject({ credentials: null, endpoint: null, forcePathStyle: false });
});

test('no secret is repeated in the message, not even a faulty one', () => {
  const message = faultsOf(FAULTY);
  const secrets = [
    'hunter2',
    FAULTY.DESKGRAPH_ADMIN_KEY,
    ...FAULTY.DESKGRAPH_ENCRYPTION_KEYS.split(/[,:]/).filter((part) => part.length > 1),
  ];
  for (const secret of secrets) expect(message).not.toContain(secret);
});

test('a single fault is called one', () => {
  expect(faultsOf({ PORT: '65536' })).toMatch(/^The configuration has a fault:\n {2}- PORT: /);
});

test.each([
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['PORT', ' '],
  ['DESKGRAPH_ROLES', ','],
  ['DATABASE_URL', 'db.example'],
  ['PUBLIC_URL', 'javascript:alert(1)'],
  // A browser sends scheme, host and port; anything more would never be equal to it.
  ['DESKGRAPH_CORS_ORIGINS', 'https://one.example/path'],
  ['DESKGRAPH_CORS_ORIGINS', '*'],
  // The callback is this address with a path after it.
  ['PUBLIC_URL', 'https://desk.example/?a=b'],
])('refuses %s=%j', (name, value) => {
  expect(faultsOf({ [name]: value })).toContain(`- ${name}: `);
});

test('the remedy points to the file that describes the variables', () => {
  expect(() => readConfig({ PORT: 'x' })).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIGURATION',
      remedy: expect.stringContaining('.env.example'),
    }),
  );
});

test('.env.example names exactly the variables that are read', () => {
  const documented = [...readRepositoryFile('.env.example').matchAll(/^([A-Z0-9_]+)=/gm)].map(
    ([, name]) => name,
  );
  expect(documented.toSorted()).toEqual(variablesOfConfig().toSorted());
});

test('.env.example is itself a good configuration, and gives the defaults', () => {
  const lines = readRepositoryFile('.env.example').matchAll(/^([A-Z0-9_]+)=(.*)$/gm);
  expect(readConfig(Object.fromEntries([...lines].map(([, name, value]) => [name ?? '', value])))).toEqual(
    DEFAULTS,
  );
});

/** The variables that config.ts declares, by their text: the schema is not exported. */
function variablesOfConfig(): string[] {
  return [...readRepositoryFile('src/config.ts').matchAll(/^ {2}([A-Z0-9_]+): /gm)].map(
    ([, name]) => name ?? '',
  );
}

function readRepositoryFile(path: string): string {
  return readFileSync(resolve(import.meta.dirname, '..', path), 'utf8');
}

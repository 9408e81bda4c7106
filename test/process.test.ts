import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePort, graphqlRequest } from './support/app.ts';
import { inheritedEnvironment } from './support/inherited-environment.ts';
import { type ServerProcess, startServerProcess } from './support/server-process.ts';
import { eventually } from './support/wait.ts';

// Every test starts a process with a database of its own, some of them several times.
vi.setConfig({ testTimeout: 120_000 });

const root = resolve(import.meta.dirname, '..');
const KEY = /dg_[\w-]{20,}/g;

/** A data directory of the test's own; a database that a test leaves behind in it is killed. */
async function newDataDirectory(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'deskgraph-process-'));
  const dataDirectory = join(parent, 'data');
  onTestFinished(async () => {
    for (const pid of await databasesOf(dataDirectory)) process.kill(pid, 'SIGQUIT');
    await eventually('no database is left', async () => (await databasesOf(dataDirectory)).length === 0);
    await rm(parent, { recursive: true, force: true });
  });
  return dataDirectory;
}

/** The processes of PostgreSQL whose working directory is the cluster of `dataDirectory`. */
async function databasesOf(dataDirectory: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return command.includes(join(dataDirectory, 'postgres')) ? Number(pid) : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

async function start(dataDirectory: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await startServerProcess({
    PORT: String(await freePort()),
    DESKGRAPH_DATA_DIR: dataDirectory,
    ...env,
  });
  onTestFinished(() => void server.child.kill('SIGKILL'));
  return server;
}

/** Runs `node src/main.ts` with arguments to its end. */
async function run(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawnMain(args, env);
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (signal) throw new Error(`It was killed by ${signal}: ${output.stdout}${output.stderr}`);
  return { code, ...output };
}

function spawnMain(args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: root,
    env: { ...inheritedEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const keysIn = (text: string): string[] => text.match(KEY) ?? [];

const organizationOf = async (server: ServerProcess, key: string) =>
  (await graphqlRequest<{ organization: { name: string } }>(server.url, key, '{ organization { name } }'))
    .organization.name;

test('becomes ready with an empty data directory, prints the OWNER key exactly once, and the key works', async () => {
  const dataDirectory = await newDataDirectory();
  const first = await start(dataDirectory);
  const [key = '', ...more] = keysIn(first.output());
  expect(more).toEqual([]);
  expect(await organizationOf(first, key)).toBe('Default');
  await expect(organizationOf(first, `${key}x`)).rejects.toThrow();
  expect(await first.stop()).toBe(0);

  const second = await start(dataDirectory);
  expect(await organizationOf(second, key)).toBe('Default');
  expect(await second.stop()).toBe(0);
  expect(keysIn(second.output())).toEqual([]);
});

test('with a configured key none is printed, and that one works', async () => {
  const key = 'dg_configured-key-of-the-administrator-000';
  const server = await start(await newDataDirectory(), { DESKGRAPH_ADMIN_KEY: key });
  expect(await organizationOf(server, key)).toBe('Default');
  expect(await server.stop()).toBe(0);
  expect(keysIn(server.output())).toEqual([]);
});

test('SIGTERM ends it with 0 and leaves no database behind, nor the lock that would keep the next from starting', async () => {
  const dataDirectory = await newDataDirectory();
  const server = await start(dataDirectory);
  expect((await databasesOf(dataDirectory)).length).toBeGreaterThan(0);
  expect(await server.stop()).toBe(0);
  expect(await databasesOf(dataDirectory)).toEqual([]);
  expect(server.output()).not.toContain('"level":50');
  expect(server.output()).not.toContain('"level":60');
});

test('the same signal twice at once, as npm and a terminal send it, is one: it ends with 0', async () => {
  const dataDirectory = await newDataDirectory();
  const server = await start(dataDirectory);
  const exited = once(server.child, 'exit');
  // It sleeps until both are sent: half a second between them would make two of them.
  server.child.kill('SIGSTOP');
  server.child.kill('SIGINT');
  server.child.kill('SIGTERM');
  server.child.kill('SIGCONT');
  expect(await exited).toEqual([0, null]);
  expect(await databasesOf(dataDirectory)).toEqual([]);
});

test('SIGTERM during the first start ends it with 0, leaves no database behind, and loses no key', async () => {
  const dataDirectory = await newDataDirectory();
  const child = spawnMain([], { PORT: String(await freePort()), DESKGRAPH_DATA_DIR: dataDirectory });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await eventually('the database starts', () =>
    existsSync(join(dataDirectory, 'postgres', 'postmaster.pid')),
  );
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(await databasesOf(dataDirectory)).toEqual([]);

  const server = await start(dataDirectory);
  const [key = '', ...more] = [...keysIn(output), ...keysIn(server.output())];
  expect(more).toEqual([]);
  expect(await organizationOf(server, key)).toBe('Default');
  expect(await server.stop()).toBe(0);
});

test('while it drains /readyz says no; a second signal ends it at once with another code, and leaves no database behind', async () => {
  const dataDirectory = await newDataDirectory();
  const server = await start(dataDirectory);
  const key = keysIn(server.output())[0] ?? '';
  // A request that has not sent its whole body holds the stop up.
  const holdUp = await slowRequest(server.url, key);
  server.child.kill('SIGTERM');
  await eventually('it drains', () => server.output().includes('"msg":"stopping"'));
  const readiness = await fetch(`${server.url}/readyz`).then(
    ({ status }) => status,
    // No new connections at all says no as well.
    () => 'refused',
  );
  expect([503, 'refused']).toContain(readiness);
  const exited = once(server.child, 'exit');
  await eventually('the second signal counts', () => {
    server.child.kill('SIGTERM');
    return server.child.exitCode !== null;
  });
  await exited;
  holdUp.abort();
  expect(server.child.exitCode).toBe(1);
  await eventually('no database is left', async () => (await databasesOf(dataDirectory)).length === 0);
});

test('after kill -9 a start on the same data directory is ready again, and the key still works', async () => {
  const dataDirectory = await newDataDirectory();
  const first = await start(dataDirectory);
  const key = keysIn(first.output())[0] ?? '';
  await first.kill();
  expect((await databasesOf(dataDirectory)).length).toBeGreaterThan(0);

  const second = await start(dataDirectory);
  expect(await organizationOf(second, key)).toBe('Default');
  expect(keysIn(second.output())).toEqual([]);
  expect(await second.stop()).toBe(0);
  expect(await databasesOf(dataDirectory)).toEqual([]);
});

test('a bad configuration ends it with 1, tells every fault, repeats no secret and shows no stack', async () => {
  const { code, stdout, stderr } = await run([], {
    PORT: 'many',
    DATABASE_URL: 'mysql://user:hunter2@db.example/desk',
    LOG_LEVEL: 'loud',
  });
  expect(code).toBe(1);
  expect(stdout).toBe('');
  for (const name of ['PORT', 'DATABASE_URL', 'LOG_LEVEL']) expect(stderr).toContain(`- ${name}: `);
  expect(stderr).not.toContain('hunter2');
  expect(stderr).not.toMatch(/^\s+at /m);
});

test('a port that is taken ends it with 1 and a sentence, and leaves no database behind', async () => {
  const dataDirectory = await newDataDirectory();
  const server = await start(dataDirectory);
  const other = await newDataDirectory();
  const { code, stderr } = await run([], { PORT: new URL(server.url).port, DESKGRAPH_DATA_DIR: other });
  expect(code).toBe(1);
  expect(stderr).toContain(new URL(server.url).port);
  expect(await databasesOf(other)).toEqual([]);
  expect(await server.stop()).toBe(0);
});

test('a second process on the data directory ends with 1 and says what to do; the first goes on', async () => {
  const dataDirectory = await newDataDirectory();
  const server = await start(dataDirectory);
  const { code, stderr } = await run([], {
    PORT: String(await freePort()),
    DESKGRAPH_DATA_DIR: dataDirectory,
  });
  expect(code).toBe(1);
  expect(stderr).toContain('DESKGRAPH_DATA_DIR');
  expect(stderr).not.toMatch(/^\s+at /m);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
});

test.each([
  [['frobnicate']],
  [['organization']],
  [['organization', 'create']],
  [['organization', 'drop', 'X']],
])('the command %j, which does not exist, ends with 2, says what does, and touches nothing', async (args) => {
  const dataDirectory = await newDataDirectory();
  const { code, stderr } = await run(args, { DESKGRAPH_DATA_DIR: dataDirectory });
  expect(code).toBe(2);
  expect(stderr).toContain('Usage:');
  expect(existsSync(dataDirectory)).toBe(false);
});

test('organization create works beside a running server, whose API takes the new key at once', async () => {
  const dataDirectory = await newDataDirectory();
  const server = await start(dataDirectory);
  const made = await run(['organization', 'create', 'Second', 'Desk'], { DESKGRAPH_DATA_DIR: dataDirectory });
  expect([made.code, made.stderr]).toEqual([0, '']);
  const [key = '', ...more] = keysIn(made.stdout);
  expect(more).toEqual([]);
  expect(await organizationOf(server, key)).toBe('Second Desk');
  expect(await server.stop()).toBe(0);
});

test('organization create and migrate work alone on an empty data directory, and leave no database behind', async () => {
  const dataDirectory = await newDataDirectory();
  const migrated = await run(['migrate'], { DESKGRAPH_DATA_DIR: dataDirectory });
  expect(migrated).toMatchObject({ code: 0, stdout: expect.stringContaining('up to date') });
  const made = await run(['organization', 'create', 'Alone'], { DESKGRAPH_DATA_DIR: dataDirectory });
  expect(made.code).toBe(0);
  expect(await databasesOf(dataDirectory)).toEqual([]);

  const server = await start(dataDirectory);
  expect(await organizationOf(server, keysIn(made.stdout)[0] ?? '')).toBe('Alone');
  expect(await server.stop()).toBe(0);
});

test('organization create refuses a name that is too long with 1 and a sentence', async () => {
  const dataDirectory = await newDataDirectory();
  const { code, stderr } = await run(['organization', 'create', 'x'.repeat(201)], {
    DESKGRAPH_DATA_DIR: dataDirectory,
  });
  expect(code).toBe(1);
  expect(stderr).toContain('name');
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(await databasesOf(dataDirectory)).toEqual([]);
});

/**
 * Begins a GraphQL request and does not end its body. Resolves once the server has it: one that is still on its way when
 * the server stops holds nothing up.
 */
async function slowRequest(url: string, key: string): Promise<AbortController> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const sent = request(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', expect: '100-continue' },
    signal: controller.signal,
  });
  sent.on('error', () => undefined);
  sent.flushHeaders();
  await once(sent, 'continue');
  sent.write('{"query":"');
  return controller;
}

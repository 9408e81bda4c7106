import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  type EmbeddedPostgres,
  findEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { freePort } from '../support/free-port.ts';
import { eventually } from '../support/wait.ts';
import { runNode } from './fixtures/run-node.ts';

// Every test starts a database or several; on a busy machine each start takes seconds.
vi.setConfig({ testTimeout: 120_000 });

/** A data directory of the test's own. What still runs in it when the test ends is killed. */
async function newDataDirectory(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'deskgraph-embedded-'));
  const dataDirectory = join(parent, 'data');
  onTestFinished(async () => {
    const pid = await postmasterPid(dataDirectory);
    if (pid !== undefined && isAlive(pid) && (await programOf(pid)) === 'postgres') {
      process.kill(pid, 'SIGQUIT');
      await eventually('the database is gone', () => !isAlive(pid));
    }
    await rm(parent, { recursive: true, force: true });
  });
  return dataDirectory;
}

const start = (dataDirectory: string, log: string[] = []): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgres({
    dataDirectory,
    logger: createLogger('warn', { write: (line) => void log.push(line) }),
    flags: ['-c', 'fsync=off'],
  });

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

const remember = (url: string) => query(url, 'create table memory as select 42 as answer');
const recall = (url: string) => query(url, 'select answer from memory');
const REMEMBERED = [{ answer: 42 }];

async function postmasterPid(dataDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8').catch(
    () => undefined,
  );
  return text === undefined ? undefined : Number(text.split('\n')[0]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const programOf = (pid: number) =>
  readFile(`/proc/${pid}/comm`, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

test('starts in a folder that does not exist, and starts again on the same data', async () => {
  const dataDirectory = await newDataDirectory();
  const first = await start(dataDirectory);
  await remember(first.url);
  const pid = (await postmasterPid(dataDirectory)) ?? 0;
  await first.stop();
  expect(isAlive(pid)).toBe(false);

  const log: string[] = [];
  const second = await start(dataDirectory, log);
  expect(await recall(second.url)).toEqual(REMEMBERED);
  await second.stop();
  expect(log).toEqual([]);
});

test('only who knows the password gets in, and only its owner can read it', async () => {
  const dataDirectory = await newDataDirectory();
  const { url, stop } = await start(dataDirectory);
  const stranger = new URL(url);
  stranger.password = 'guess';
  await expect(query(stranger.href, 'select 1')).rejects.toThrow('password authentication failed');
  stranger.password = '';
  await expect(query(stranger.href, 'select 1')).rejects.toThrow();
  expect((await stat(join(dataDirectory, 'postgres.password'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(dataDirectory, 'postgres'))).mode & 0o777).toBe(0o700);
  expect(new URL(url).hostname).toBe('127.0.0.1');
  await stop();
});

test('a command beside the process finds the running database, and finds none when it has stopped', async () => {
  const dataDirectory = await newDataDirectory();
  expect(await findEmbeddedPostgres(dataDirectory)).toBeNull();
  const { url, stop } = await start(dataDirectory);
  expect(await findEmbeddedPostgres(dataDirectory)).toBe(url);
  await stop();
  expect(await findEmbeddedPostgres(dataDirectory)).toBeNull();
});

test('after a kill of its process the next one adopts the running database with the data, at once', async () => {
  const dataDirectory = await newDataDirectory();
  const owner = runNode('embedded-postgres.ts', [dataDirectory]);
  await remember(await owner.line('url '));
  const pid = await postmasterPid(dataDirectory);
  await owner.kill('alone');

  const log: string[] = [];
  const adopted = await start(dataDirectory, log);
  expect(await postmasterPid(dataDirectory)).toBe(pid);
  expect(await recall(adopted.url)).toEqual(REMEMBERED);
  expect(log.join('')).toContain('adopted');
  await adopted.stop();
  expect(isAlive(pid ?? 0)).toBe(false);
});

test('after a kill of its process and of the database the next one recovers the data', async () => {
  const dataDirectory = await newDataDirectory();
  const owner = runNode('embedded-postgres.ts', [dataDirectory]);
  await remember(await owner.line('url '));
  const pid = (await postmasterPid(dataDirectory)) ?? 0;
  await owner.kill('alone');
  process.kill(pid, 'SIGKILL');
  await eventually('the database is gone', () => !isAlive(pid));

  const recovered = await start(dataDirectory);
  expect(await recall(recovered.url)).toEqual(REMEMBERED);
  await recovered.stop();
});

test('a second process on the same data directory is refused, and the first goes on', async () => {
  const dataDirectory = await newDataDirectory();
  const { url, stop } = await start(dataDirectory);
  const second = runNode('embedded-postgres.ts', [dataDirectory]);
  expect(await second.line('refused ')).toBe('DATA_DIRECTORY_IN_USE');
  expect((await second.exited).code).toBe(1);
  await expect(start(dataDirectory)).rejects.toMatchObject({ code: 'DATA_DIRECTORY_IN_USE' });
  await expect(query(url, 'select 1')).resolves.toHaveLength(1);
  await stop();
});

test('of first starts at once exactly one wins, and the data directory is sound', async () => {
  const dataDirectory = await newDataDirectory();
  const runs = Array.from({ length: 4 }, () => runNode('embedded-postgres.ts', [dataDirectory]));
  const outcomes = await Promise.all(
    runs.map((run) => Promise.any([run.line('url '), run.line('refused ')])),
  );
  const [url, ...refusals] = outcomes.toSorted(
    (a, b) => Number(b.includes('://')) - Number(a.includes('://')),
  );
  expect(refusals).toEqual(refusals.map(() => 'DATA_DIRECTORY_IN_USE'));
  await remember(url ?? '');
  const winner = runs.find((_, index) => outcomes[index] === url);
  winner?.child.kill('SIGTERM');
  expect((await winner?.exited)?.code).toBe(0);

  const again = await start(dataDirectory);
  expect(await recall(again.url)).toEqual(REMEMBERED);
  await again.stop();
});

test('starts at once on what a killed start left behind: exactly one wins, again and again', async () => {
  const dataDirectory = await newDataDirectory();
  const { stop } = await start(dataDirectory);
  await stop();
  for (let round = 0; round < 3; round++) {
    const results = await Promise.allSettled([start(dataDirectory), start(dataDirectory)]);
    const winners = results.filter((result) => result.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await winners[0]?.value.stop();
  }
});

test('a folder without PG_VERSION, left by a crash before initdb had written anything, is made anew', async () => {
  const dataDirectory = await newDataDirectory();
  await mkdir(join(dataDirectory, 'postgres', 'base'), { recursive: true });
  await writeFile(join(dataDirectory, 'postgres', 'postgresql.conf'), '');
  const { url, stop } = await start(dataDirectory);
  await expect(query(url, 'select 1')).resolves.toHaveLength(1);
  await stop();
});

test.each(['alone', 'with children'] as const)(
  'a kill at any moment of the first start (%s) never keeps the next from starting',
  async (whom) => {
    const dataDirectory = await newDataDirectory();
    // Moments that can be seen from outside, in their order; initdb writes PG_VERSION first, so it proves nothing.
    const moments = [
      ['the folder appears', () => exists(dataDirectory)],
      ['initdb has begun', () => findFile(dataDirectory, 'PG_VERSION')],
      ['initdb is half done', () => findFile(dataDirectory, 'pg_control')],
    ] as const;
    for (const [what, probe] of moments) {
      await rm(dataDirectory, { recursive: true, force: true, maxRetries: 20 });
      const run = runNode('embedded-postgres.ts', [dataDirectory]);
      await eventually(what, probe);
      await run.kill(whom);
      expect(await exists(join(dataDirectory, 'postgres', 'postmaster.pid'))).toBe(false);
      const { url, stop } = await start(dataDirectory);
      await expect(query(url, 'select 1')).resolves.toHaveLength(1);
      await stop();
    }
  },
);

test('a postmaster.pid whose number belongs to another program by now does not keep the database from starting', async () => {
  const dataDirectory = await newDataDirectory();
  const { url, stop } = await start(dataDirectory);
  await remember(url);
  const file = join(dataDirectory, 'postgres', 'postmaster.pid');
  const text = await readFile(file, 'utf8');
  await stop();
  // The same user as the database: another user's process would not keep PostgreSQL from starting anyway.
  const asDatabase = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore', ...asDatabase });
  onTestFinished(() => void stranger.kill());
  await once(stranger, 'spawn');
  await writeFile(file, [stranger.pid, ...text.split('\n').slice(1)].join('\n'));

  const log: string[] = [];
  const again = await start(dataDirectory, log);
  expect(await recall(again.url)).toEqual(REMEMBERED);
  expect(log.join('')).toContain('stale postmaster.pid');
  await again.stop();
  expect(isAlive(stranger.pid ?? 0)).toBe(true);
});

test('the lock file of a start that was killed is no obstacle', async () => {
  const dataDirectory = await newDataDirectory();
  await mkdir(dataDirectory, { recursive: true });
  await writeFile(join(dataDirectory, 'starting.lock'), '');
  await start(dataDirectory).then(({ stop }) => stop());
});

test.runIf(process.getuid?.() === 0)('runs for root inside a folder that only root may enter', async () => {
  const dataDirectory = await newDataDirectory();
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await chmod(dataDirectory, 0o700);
  const { url, stop } = await start(dataDirectory);
  await expect(query(url, 'select 1')).resolves.toHaveLength(1);
  const pid = (await postmasterPid(dataDirectory)) ?? 0;
  expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t65534\t/m);
  await stop();
});

test('a start that fails leaves no database behind', async () => {
  const dataDirectory = await newDataDirectory();
  const failing = startEmbeddedPostgres({
    dataDirectory,
    logger: createLogger('silent'),
    flags: ['-c', 'no_such_setting=on'],
  });
  await expect(failing).rejects.toThrow('no_such_setting');
  expect(await postmasterPid(dataDirectory)).toBeUndefined();
  await start(dataDirectory).then(({ stop }) => stop());
});

test('a port that somebody takes before the database listens costs another try, and no failed start', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void squatter.close());
  await once(squatter, 'listening');
  const address = squatter.address();
  const taken = typeof address === 'object' && address ? address.port : 0;
  const dataDirectory = await newDataDirectory();
  const log: string[] = [];
  const startOn = (findPort: () => Promise<number>) =>
    startEmbeddedPostgres({
      dataDirectory,
      logger: createLogger('warn', { write: (line) => void log.push(line) }),
      flags: ['-c', 'fsync=off'],
      findPort,
    });
  await expect(startOn(async () => taken)).rejects.toThrow('TCP/IP');
  expect(await postmasterPid(dataDirectory)).toBeUndefined();
  log.length = 0;

  const ports = [taken];
  const server = await startOn(async () => ports.pop() ?? (await freePort()));
  expect(Number(new URL(server.url).port)).not.toBe(taken);
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(log.filter((line) => line.includes(`"port":${taken}`))).toHaveLength(1);
  await server.stop();
});

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function findFile(directory: string, name: string): Promise<boolean> {
  const entries = await readdir(directory, { recursive: true }).catch(() => []);
  return entries.some((entry) => entry.endsWith(name));
}

